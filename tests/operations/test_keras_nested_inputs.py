"""What a nested model is fed with: other sizes of the inputs around it, and of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.plain_keras import applied, example, outputs, refused

pytestmark = pytest.mark.keras

layers = keras.layers


def around(calls: int = 1) -> Any:
    """One input for each call of `enc`, which declares (8, 8, 3)."""
    own = keras.Input((8, 8, 3), name="own")
    encoder = keras.Model(own, layers.Conv2D(2, 3, name="conv")(own), name="enc")
    images = [keras.Input((8, 8, 3), name=name) for name in ("x", "y")[:calls]]
    made = [encoder(image) for image in images]
    pooled = layers.GlobalAveragePooling2D(name="gap")(layers.add(made) if calls > 1 else made[0])
    return keras.Model(images if calls > 1 else images[0], pooled)


@pytest.mark.parametrize(
    ("change", "shape"),
    [("batch_size: 4", (4, 8, 8, 3)), ("shape: [null, null, 3]", (None, None, None, 3)), ("dtype: uint8", None)],
)
def test_an_input_of_the_model_around_changes_as_far_as_the_nested_one_takes_it(
    tmp_path: Path, change: str, shape: tuple[int | None, ...] | None
) -> None:
    model = around()
    _, result = applied(tmp_path, model, f"{{op: reconfigure, layers: x, config: {{{change}}}}}")
    assert result.inputs[0].shape == (shape or (None, 8, 8, 3))
    image = np.arange(4 * 8 * 8 * 3).reshape(4, 8, 8, 3) % 7
    assert np.array_equal(
        outputs(result, image.astype(result.inputs[0].dtype)), outputs(model, image.astype("float32"))
    )


@pytest.mark.parametrize("change", ["batch_size: 2", "shape: [null, null, 3]"])
def test_an_input_of_the_nested_model_changes_alone(tmp_path: Path, change: str) -> None:
    model = around()
    _, result = applied(tmp_path, model, f"{{op: reconfigure, layers: enc/own, config: {{{change}}}}}")
    image = example(2, 8, 8, 3)
    assert np.array_equal(outputs(result, image), outputs(model, image))


def test_one_of_two_calls_has_a_batch_size(tmp_path: Path) -> None:
    model = around(2)
    _, result = applied(tmp_path, model, "{op: reconfigure, layers: x, config: {batch_size: 2}}")
    images = example(2, 8, 8, 3), example(2, 8, 8, 3, seed=1)
    assert np.array_equal(outputs(result, *images), outputs(model, *images))


def test_a_size_that_the_nested_model_does_not_take_is_an_error_whose_fix_works(tmp_path: Path) -> None:
    error = refused(tmp_path, around(), "{op: reconfigure, layers: x, config: {shape: [16, 16, 3]}}")
    assert "'enc/own' is (None, 8, 8, 3), and gets (None, 16, 16, 3) from 'x'" in error.what
    assert error.fix == "change both at once, layers: [x, enc/own]"
    _, result = applied(tmp_path, around(), "{op: reconfigure, layers: [x, enc/own], config: {shape: [16, 16, 3]}}")
    assert result.inputs[0].shape == (None, 16, 16, 3)
    assert outputs(result, example(2, 16, 16, 3))[0].shape == (2, 2)


def test_a_layer_that_feeds_a_nested_model_something_else_is_an_error(tmp_path: Path) -> None:
    error = refused(tmp_path, around(), "{op: insert, after: x, layers: [{Conv2D: {filters: 3, kernel_size: 3}}]}")
    assert "gets (None, 6, 6, 3) from 'conv2d'" in error.what
    assert error.fix == "add before it: {op: reconfigure, layers: enc/own, config: {shape: [null, null, 3]}}"


def test_inputs_of_a_nested_model_that_only_its_own_declare(tmp_path: Path) -> None:
    own = "{op: reconfigure, layers: enc/own, config: {shape: [16, 16, 3]}}"
    error = refused(tmp_path, around(), own)
    assert "'enc/own' is (None, 16, 16, 3), and gets (None, 8, 8, 3) from 'x'" in error.what
    both = [own, "{op: reconfigure, layers: x, config: {shape: [16, 16, 3]}}"]
    for entries in (both, both[::-1]):
        _, result = applied(tmp_path, around(), *entries)
        assert outputs(result, example(2, 16, 16, 3))[0].shape == (2, 2)


@pytest.mark.parametrize("calls", [1, 2])
def test_another_input_in_the_place_of_one(tmp_path: Path, calls: int) -> None:
    """Larger images, made smaller before the nested model sees them; the other input stays where it is."""
    model = around(calls)
    new = "[{Input: {shape: [16, 16, 3], name: large}}, {AveragePooling2D: {pool_size: 2, name: small}}]"
    plan, result = applied(tmp_path, model, f"{{op: replace, layers: x, with: {new}}}")
    assert [tensor.name for tensor in result.inputs] == ["large", "y"][:calls]
    assert result.inputs[0].shape == (None, 16, 16, 3)
    large, other = example(2, 16, 16, 3), example(2, 8, 8, 3, seed=1)
    small = large.reshape(2, 8, 2, 8, 2, 3).mean((2, 4))
    rest = [other][: calls - 1]
    assert np.allclose(outputs(result, large, *rest)[0], outputs(model, small, *rest)[0], atol=1e-5)
    assert all(line.is_kept for line in plan.ledger)


def test_an_input_of_the_nested_model_gives_way_to_another(tmp_path: Path) -> None:
    model = around(2)
    new = "[{Input: {shape: [8, 8, 3], name: inner}}, {Rescaling: {scale: 2.0}}]"
    _, result = applied(tmp_path, model, f"{{op: replace, layers: enc/own, with: {new}}}")
    images = example(2, 8, 8, 3), example(2, 8, 8, 3, seed=1)
    doubled = [2 * image for image in images]
    assert np.allclose(outputs(result, *images)[0], outputs(model, *doubled)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("new", "what"),
    [
        ("[{Dense: {units: 3}}]", "'x' is an input of the model, and Dense is none"),
        ("[{Input: {shape: [16, 16, 3], name: new}}]", "gets (None, 16, 16, 3) from 'new'"),
        ("[{Input: {shape: [8, 8, 3]}}]", "changes nothing"),
        ("[{Input: {shape: [8, 8, 3], name: gap}}]", "'gap' is there already"),
    ],
)
def test_what_cannot_take_the_place_of_an_input(tmp_path: Path, new: str, what: str) -> None:
    assert what in refused(tmp_path, around(), f"{{op: replace, layers: x, with: {new}}}").what


def test_a_new_name_and_batch_size(tmp_path: Path) -> None:
    model = around()
    _, result = applied(
        tmp_path, model, "{op: replace, layers: x, with: [{Input: {shape: [8, 8, 3], batch_size: 2, name: new}}]}"
    )
    assert (result.inputs[0].name, result.inputs[0].shape) == ("new", (2, 8, 8, 3))
    assert np.array_equal(outputs(result, example(2, 8, 8, 3)), outputs(model, example(2, 8, 8, 3)))
