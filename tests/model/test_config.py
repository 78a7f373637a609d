"""`config.json` <-> ModelSpec: nothing is lost, and Keras loads what we write as the same graph."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgery.errors import ModelInvalid, ModelUnsupported
from surgery.model.config import from_config, to_config
from surgery.model.spec import ModelSpec, TensorRef, TensorSpec


def tensor(layer: str, call: int = 0, output: int = 0, shape: tuple[int | None, ...] = (None, 4)) -> dict[str, Any]:
    config = {"shape": list(shape), "dtype": "float32", "keras_history": [layer, call, output]}
    return {"class_name": "__keras_tensor__", "config": config}


def layer(name: str, class_name: str, *calls: list[Any], kwargs: Any = None, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [{"args": args, "kwargs": kwargs or {}} for args in calls],
    }


def source(name: str = "x", shape: tuple[int | None, ...] = (None, 4)) -> dict[str, Any]:
    return layer(name, "InputLayer", batch_shape=list(shape), dtype="float32")


def functional(layers: list[Any], inputs: Any, outputs: Any, name: str = "m", **more: Any) -> dict[str, Any]:
    config = {"name": name, "trainable": True, "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
        "build_config": {"input_shape": None},
        **more,
    }


def sequential(layers: list[Any], **config: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": layers, **config}}


def chain() -> dict[str, Any]:
    built = {"build_config": {"input_shape": [None, 4]}}
    first = layer("a", "Dense", [tensor("x")], units=4) | built
    second = layer("b", "Dense", [tensor("a")], units=2) | built
    return functional([source(), first, second], ["x", 0, 0], ["b", 0, 0])


def test_reads_wiring_and_the_shapes_that_are_stated() -> None:
    spec = from_config(chain())
    assert [(one.name, one.inbound) for one in spec.layers] == [("x", ()), ("a", ("x",)), ("b", ("a",))]
    assert spec["a"].calls[0].inputs == spec["a"].outputs == (TensorSpec((None, 4)),)
    assert spec["b"].outputs == ()
    assert (spec.inputs, spec.outputs) == (TensorRef("x"), TensorRef("b"))


def test_writes_what_it_read() -> None:
    assert to_config(from_config(chain())) == chain()


def test_keeps_arguments_of_calls_as_they_are() -> None:
    arguments: list[Any] = [
        tensor("x"),
        [{"class_name": "__slice__", "config": {"start": None, "stop": 2}}],
        1.5,
        "text",
    ]
    document = functional(
        [source(), layer("a", "Any", arguments, kwargs={"mask": None, "deep": {"key": [tensor("x")]}})], [["x", 0, 0]],
        [["a", 0, 0]],
    )  # fmt: skip
    spec = from_config(document)
    assert spec["a"].calls[0].refs() == (TensorRef("x"), TensorRef("x"))
    assert to_config(spec)["config"]["layers"][1]["inbound_nodes"] == document["config"]["layers"][1]["inbound_nodes"]


def test_counts_the_calls_of_nested_models_from_zero() -> None:
    inner = functional([source("i"), layer("d", "Dense", [tensor("i")])], ["i", 0, 0], ["d", 0, 0], name="inner")
    nested = {**inner, "name": "inner", "inbound_nodes": [
        {"args": [tensor("x")], "kwargs": {}}, {"args": [tensor("inner")], "kwargs": {}},
    ]}  # fmt: skip
    document = functional([source(), nested], ["x", 0, 0], {"first": ["inner", 1, 0], "second": ["inner", 2, 0]})
    spec = from_config(document)
    assert spec.outputs == {"first": TensorRef("inner"), "second": TensorRef("inner", 1)}
    assert spec["inner/d"].inbound == ("i",)
    assert to_config(spec)["config"]["output_layers"] == document["config"]["output_layers"]


def test_wires_a_sequential_as_a_chain() -> None:
    spec = from_config(sequential([source(), layer("a", "Dense"), layer("b", "Dense")]))
    assert [one.inbound for one in spec.layers] == [(), ("x",), ("a",)]
    assert (spec.inputs, spec.outputs) == (TensorRef("x"), TensorRef("b"))
    assert to_config(spec)["config"]["build_input_shape"] == [None, 4]


def test_a_sequential_that_was_never_built_has_no_inputs() -> None:
    spec = from_config(sequential([layer("a", "Dense"), layer("b", "Dense")]))
    assert (spec.inputs, spec["a"].inbound, spec["b"].inbound) == (None, (), ("a",))
    assert "build_input_shape" not in to_config(spec)["config"]


def test_a_sequential_that_states_only_its_shape_gets_an_input() -> None:
    spec = from_config(sequential([layer("a", "Dense")], build_input_shape=[None, 4]))
    assert spec.inputs == TensorRef("input_layer")
    assert spec.layers[0].outputs == (TensorSpec((None, 4)),)


def test_drops_identities_of_objects_without_state() -> None:
    document = chain()
    for entry in document["config"]["layers"][1:]:
        entry["config"]["dtype"] = {"class_name": "DTypePolicy", "config": {"name": "float32"}, "shared_object_id": 139}
    assert "shared_object_id" not in json.dumps(to_config(from_config(document)))


def test_refuses_a_layer_that_two_models_share() -> None:
    shared = {**layer("d", "Dense", [tensor("i")]), "shared_object_id": 7}
    inner = functional([source("i"), shared], ["i", 0, 0], ["d", 0, 0], name="inner")
    nested = {**inner, "name": "inner", "inbound_nodes": [{"args": [tensor("x")], "kwargs": {}}]}
    outer = {**layer("d", "Dense", [tensor("inner")]), "shared_object_id": 7}
    with pytest.raises(ModelUnsupported, match="part of two models here: d"):
        from_config(functional([source(), nested, outer], ["x", 0, 0], ["d", 0, 0]))


def test_refuses_a_subclassed_model() -> None:
    with pytest.raises(ModelUnsupported, match=r"subclassed model \(MyModel\)"):
        from_config({"class_name": "MyModel", "config": {"units": 3}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layers: layers.append(layer("b", "Dense", [tensor("a")])), "several layers of one name: b"),
        (lambda layers: layers.append(layer("loose", "Dense", [tensor("a")])), "lead to no output: loose"),
        (lambda layers: layers.pop(1), "reads the tensor a"),
        (lambda layers: layers[0]["config"].pop("batch_shape"), "the input 'x' has no shape"),
        (lambda layers: layers[1].update(name="a/b"), "name Keras does not allow: 'a/b'"),
        (lambda layers: layers[1].update(inbound_nodes=[7]), "the calls of layer 'a' cannot be read"),
        (lambda layers: layers[1]["inbound_nodes"][0].update(args=[tensor("b")]), "cycle"),
    ],
)
def test_refuses_what_contradicts_itself(change: Any, message: str) -> None:
    document = chain()
    change(document["config"]["layers"])
    with pytest.raises(ModelInvalid, match=message):
        from_config(document)


def test_states_the_shape_that_a_layer_gets_now() -> None:
    document = chain()
    document["config"]["layers"][2]["build_config"] = {"input_shape": [None, 99]}
    assert to_config(from_config(document))["config"]["layers"][2]["build_config"] == {"input_shape": [None, 4]}


def test_leaves_out_shapes_of_arguments_that_are_no_longer_true() -> None:
    document = chain()
    document["config"]["layers"][2]["build_config"] = {"shapes_dict": {"query_shape": [None, 99]}}
    assert "build_config" not in to_config(from_config(document))["config"]["layers"][2]


def roundtrip(model: Any) -> tuple[ModelSpec, Any]:
    """The model, through our spec and back into Keras."""
    import keras

    spec = from_config(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))
    document = json.loads(json.dumps(to_config(spec), sort_keys=True))
    assert from_config(document) == spec
    return spec, keras.saving.deserialize_keras_object(document)


@pytest.mark.keras
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.integers(0, 2**32))
def test_keras_loads_what_we_write(seed: int) -> None:
    from tests.model.keras_graphs import assert_same, flat_layers, random_model, randomize

    model = random_model(Random(seed))
    randomize(model)
    _, again = roundtrip(model)
    copies = flat_layers(again)
    for path, original in flat_layers(model).items():
        copies[path].set_weights(original.get_weights())
    assert_same(model, again)


@pytest.mark.keras
def test_layers_with_several_arguments_masks_and_slices() -> None:
    import keras
    from keras import layers, ops

    from tests.model.keras_graphs import inputs_for

    x = keras.Input((5,), name="words")
    y = layers.Embedding(7, 4, mask_zero=True)(x)
    y = layers.MultiHeadAttention(2, 2)(y, value=y[:, 1:4])
    y, state, _ = layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")(y)
    y = layers.Bidirectional(layers.GRU(2))(layers.GRU(3, return_sequences=True)(y, initial_state=state))
    model = keras.Model([x], {"end": ops.concatenate([y, state], axis=-1), "cut": y[..., :2]})
    spec, again = roundtrip(model)
    assert spec["lstm"].calls[0].outputs[1].shape == (None, 3)
    again.set_weights(model.get_weights())
    data = [abs(inputs_for(model)[0])]
    for key, value in model(data).items():
        assert ops.all(ops.equal(value, again(data)[key]))


@pytest.mark.keras
@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_an_input_may_be_part_of_two_models(name: str, tmp_path: Path) -> None:
    """`Model(base.input, head(base(base.input)))`, as tutorials write it."""
    import warnings

    import keras

    from surgery.model.archive import open_weights, read_model, write_archive

    x = keras.Input((3,))
    base = keras.Model(x, keras.layers.Dense(4, name="d")(x), name="base")
    model = keras.Model(x, keras.layers.Dense(2, name="head")(base(x)))
    with warnings.catch_warnings(action="ignore"):  # of HDF5
        model.save(tmp_path / name)
    spec = read_model(tmp_path / name)
    with open_weights(tmp_path / name) as values:
        write_archive(tmp_path / "again.keras", spec, values)
    again = keras.models.load_model(tmp_path / "again.keras")
    assert [(a == b).all() for a, b in zip(model.get_weights(), again.get_weights(), strict=True)] == [True] * 4
