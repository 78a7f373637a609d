"""Every model of `keras.applications`: read without Keras it is what Keras has, and surgery on it keeps every bit.

Fresh weights, the smallest input that is allowed, one process. The whole set, 40 models, takes three quarters of an hour on two
busy cores: `make applications`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.execution.variables import stored_variables
from surgery.model.archive import write_archive
from surgery.model.catalogue import applications
from surgery.model.spec import LayerSpec, ModelSpec
from tests.execution.live import Entry, assert_same_bits, operated, outputs_of, rebuilt, spec_of, values_of

pytestmark = pytest.mark.keras

USUAL = ("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "MobileNetV2", "MobileNetV3Small", "ResNet50", "VGG16")
"""One of most families, in every run of the tests."""
SIZES = {"Xception": 71, "InceptionV3": 75, "InceptionResNetV2": 75}


def application(name: str) -> Any:
    """The application as Keras has it after loading its JSON, with values that are nowhere the same."""
    size = SIZES.get(name, 32)
    made = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=7)
    # Keras sorts the layers anew when it loads them.
    model = keras.models.model_from_json(made.to_json())
    random = np.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype == "float32":
            noise = random.uniform(-0.02, 0.02, variable.shape).astype("float32")
            variable.assign(np.asarray(variable) + noise)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            # It computes with copies of its variables, which are made anew only when it is loaded.
            layer.finalize_state()
    return model


def check(name: str, folder: Path) -> None:
    """All that must hold of one application."""
    model = application(name)
    spec = spec_of(model)
    agrees(spec, model)
    size = SIZES.get(name, 32)
    probe = np.random.default_rng(1).uniform(0, 255, (1, size, size, 3)).astype("float32")
    expected = outputs_of(model, probe)
    assert_same_bits(expected, outputs_of(rebuilt(model, spec, operated(spec, ())), probe))
    changed = operated(spec, changes(spec))
    assert len(changed.layers) == len(spec.layers) + 1
    assert_same_bits(expected, outputs_of(rebuilt(model, spec, changed), probe))

    middle = len(model.layers) // 2
    frozen = operated(spec, [{"op": "freeze", "layers": {"to": middle}}])
    write_archive(folder / "frozen.keras", frozen, values_of(model, spec, frozen))
    loaded = keras.models.load_model(folder / "frozen.keras")
    (folder / "frozen.keras").unlink()
    # An InputLayer has nothing to freeze; Keras loads it trainable whatever its config says.
    is_trainable = [n > middle or layer.is_input for n, layer in enumerate(spec.listed)]
    assert [trains(layer) for layer in loaded.layers] == is_trainable
    assert_same_bits(expected, outputs_of(loaded, probe))


def trains(layer: Any) -> bool:
    """A layer's flag. Keras 3.15 loses that of a Sequential when it loads it, and keeps those of the layers in it."""
    return any(map(trains, layer.layers)) if isinstance(layer, keras.Sequential) else bool(layer.trainable)


def changes(spec: ModelSpec) -> list[Entry]:
    """A convolution in the middle makes room for one like it, and something that does nothing comes after it."""
    convolutions = [layer.name for layer in spec.layers if layer.class_name == "Conv2D"]
    middle = convolutions[len(convolutions) // 2]
    edge = spec.listed[len(spec.listed) // 2].name
    edge = next(layer.name for layer in spec.listed[len(spec.listed) // 2 :] if layer.name not in (edge, middle))
    return [
        {
            "op": "replace",
            "layers": middle,
            "with": [{"Conv2D": {"inherit": True, "name": "as_before"}}],
            "weights": "keep",
        },
        {"op": "insert", "after": edge, "layers": [{"Activation": {"activation": "linear", "name": "does_nothing"}}]},
    ]


def agrees(spec: ModelSpec, model: Any) -> None:
    """Layers, order, shapes, variables, parameters and flags are those that Keras has."""
    assert [(layer.name, layer.class_name) for layer in spec.listed] == [
        (layer.name, type(layer).__name__) for layer in model.layers
    ]
    for layer in spec.listed:
        agrees_layer(layer, model.get_layer(layer.name))
    assert spec.parameters == model.count_params()


def agrees_layer(layer: LayerSpec, built: Any) -> None:
    """The same of one layer, and of all that is in it where it is a model."""
    # Calling a nested model leaves further nodes at its own layers.
    nodes = built._inbound_nodes[: len(layer.calls)]
    assert list(calls(layer)) == [[(tuple(t.shape), t.dtype) for t in node.output_tensors] for node in nodes], (
        layer.name
    )
    assert layer.trainable is built.trainable
    trained = sum(int(np.prod(variable.shape)) for variable in built.trainable_variables)
    assert (layer.parameters, layer.trainable_parameters) == (built.count_params(), trained), layer.name
    if layer.inner:
        agrees(layer.inner, built)
    else:
        stored = {key: (tuple(v.shape), v.dtype) for key, v in stored_variables(built).items()}
        assert {w.key: (w.shape, w.dtype) for w in layer.weights} == stored, layer.name


def calls(layer: LayerSpec) -> Iterator[list[tuple[Any, str]]]:
    for call in layer.calls:
        yield [(tensor.shape, tensor.dtype) for tensor in call.outputs]


@pytest.fixture(autouse=True)
def _room() -> Iterator[None]:
    """A model of a billion bytes goes before the next one comes."""
    keras.backend.clear_session()
    yield
    gc.collect()


@pytest.mark.parametrize("name", USUAL)
def test_of_each_family(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.applications
@pytest.mark.parametrize("name", sorted(set(applications()) - set(USUAL)))
def test_all_others(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
