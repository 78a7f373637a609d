"""What Keras says of the results of `branch`, `resize`, `transplant`, `average`, `cast` and `weights: resample`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.execution.commit import apply_to_file
from surgery.model.archive import write_archive
from surgery.model.spec import ModelSpec
from tests.networks import classifier, network, values_of, write_network
from tests.recipes_text import plan_of

pytestmark = pytest.mark.keras

X = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")


def both(folder: Path, body: str, model: ModelSpec | None = None) -> tuple[Any, Any]:
    """The source and the result, as Keras loads them. The built model is the plan's: `apply_to_file` has checked that."""
    if model is not None:
        values = {name: np.abs(value) if value.ndim == 1 else value for name, value in values_of(model).items()}
        write_archive(folder / "model.keras", model, values)
    plan = plan_of(folder, f"operations:\n  - {body}\n")
    apply_to_file(plan, folder / "out.keras")
    old, new = (keras.models.load_model(folder / name) for name in ("model.keras", "out.keras"))
    assert new.count_params() == plan.spec.parameters
    return old, new


def outputs(model: Any, x: np.ndarray[Any, Any] = X) -> Any:
    found = model(x, training=False)
    return [np.asarray(each) for each in found] if isinstance(found, list) else np.asarray(found)


def linear() -> ModelSpec:
    """conv, BatchNormalization, ReLU, flatten, logits."""
    return network(
        {"Conv2D": {"filters": 4, "kernel_size": 3, "name": "conv"}},
        {"BatchNormalization": {"name": "norm"}},
        {"ReLU": {"name": "relu"}},
        {"Flatten": {"name": "flatten"}},
        {"Dense": {"units": 3, "name": "logits"}},
    )


def test_a_branch_leaves_the_first_output_as_it_is(tmp_path: Path) -> None:
    body = "{op: branch, from: conv2, layers: [{Flatten: {name: more}}, {Dense: {units: 2, name: extra}}]}"
    old, new = both(tmp_path, body)
    first, second = outputs(new)
    assert np.array_equal(first, outputs(old))
    assert second.shape == (4, 2)


def test_resized_classes_have_the_same_logits(tmp_path: Path) -> None:
    body = "{op: resize, layer: logits, labels: {old: [a, b, c], new: [c, x, a]}, new: mean}"
    old, new = both(tmp_path, body, linear())
    before, after = outputs(old), outputs(new)
    assert np.allclose(after[:, [0, 2]], before[:, [2, 0]], atol=1e-5)
    assert np.allclose(after[:, 1], before.mean(1), atol=1e-5)


def test_new_filters_of_zeros_change_nothing(tmp_path: Path) -> None:
    old, new = both(tmp_path, "{op: resize, layer: conv, units: 6, new: zero}", linear())
    assert new.get_layer("conv").filters == 6
    assert np.allclose(outputs(new), outputs(old), atol=1e-5)


def test_fresh_filters_follow_from_the_seed(tmp_path: Path) -> None:
    _, new = both(tmp_path, "{op: resize, layer: conv, units: 6}", linear())
    _, again = both(tmp_path, "{op: resize, layer: conv, units: 6}", linear())
    kernel = new.get_layer("conv").get_weights()[0]
    assert np.abs(kernel[..., 4:]).min() > 0
    assert np.array_equal(kernel, again.get_layer("conv").get_weights()[0])


def test_input_channels_of_zeros_change_nothing(tmp_path: Path) -> None:
    old, new = both(tmp_path, "{op: resize, layer: image, input_channels: 3, new: zero}")
    assert np.allclose(outputs(new, np.repeat(X, 3, axis=-1)), outputs(old), atol=1e-5)


def test_a_whole_transplant_is_the_other_model(tmp_path: Path) -> None:
    write_network(tmp_path / "other.keras", classifier(), seed=2)
    old, new = both(tmp_path, "{op: transplant, from: other.keras}")
    other = keras.models.load_model(tmp_path / "other.keras")
    assert np.array_equal(outputs(new), outputs(other))
    assert not np.array_equal(outputs(new), outputs(old))


def test_the_average_with_itself(tmp_path: Path) -> None:
    write_network(tmp_path / "other.keras", classifier(), seed=1)
    old, new = both(tmp_path, "{op: average, with: [other.keras], weights: [1, 3]}")
    assert np.allclose(outputs(new), outputs(old), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_a_cast_computes_nearly_the_same(tmp_path: Path, dtype: str) -> None:
    old, new = both(tmp_path, f"{{op: cast, layers: {{not: predictions}}, dtype: {dtype}}}")
    assert new.get_layer("dense").dtype_policy.name == dtype
    assert outputs(new).dtype == "float32"
    assert np.allclose(outputs(new), outputs(old), atol=0.05)


def test_a_resampled_kernel_answers_alike(tmp_path: Path) -> None:
    smooth = network(
        {"Conv2D": {"filters": 2, "kernel_size": 3, "padding": "same", "name": "conv"}},
        {"GlobalAveragePooling2D": {"name": "pool"}},
    )
    body = "{op: reconfigure, layers: conv, config: {kernel_size: 5}, weights: resample}"
    old, new = both(tmp_path, body, smooth)
    assert new.get_layer("conv").kernel_size == (5, 5)
    assert np.allclose(new.get_layer("conv").get_weights()[1], old.get_layer("conv").get_weights()[1])
