"""The one-key map: what it accepts, every mistake that it finds, and its JSON Schema."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from surgery.model.keras_object import (
    CallbackObject,
    LayerObject,
    LossObject,
    MetricObject,
    OptimizerObject,
    ScheduleObject,
    from_serialized,
    serialized,
)


def mistakes(kind: type, value: Any) -> list[tuple[str, tuple[Any, ...], str]]:
    """Code, place and mark of every mistake."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return [(str(e["type"]), e["ctx"]["at"], e["ctx"]["mark"]) for e in caught.value.errors()]


def test_a_layer() -> None:
    layer = LayerObject.parse({"Dense": {"units": 10, "activation": "relu", "name": "head"}})
    assert (layer.class_name, layer.config["units"], layer.name) == ("Dense", 10, "head")
    assert (layer.inputs, layer.inherit, layer.is_custom) == (None, False, False)


@pytest.mark.parametrize("config", [None, {}])
def test_a_layer_without_arguments(config: Any) -> None:
    assert LayerObject.parse({"Flatten": config}).config == {}


def test_inputs_and_inherit_are_the_recipes_and_not_the_layers() -> None:
    layer = LayerObject.parse({"Conv2D": {"inherit": True, "filters": 64, "inputs": ["left", "right"]}})
    assert (layer.inherit, layer.inputs, layer.config) == (True, ("left", "right"), {"filters": 64})
    assert LayerObject.parse({"Add": {"inputs": "left"}}).inputs == ("left",)


def test_an_alias_becomes_the_class_itself() -> None:
    assert LayerObject.parse({"MaxPool2D": {"pool_size": 3}}).class_name == "MaxPooling2D"


def test_a_class_of_ones_own_takes_anything() -> None:
    layer = LayerObject.parse({"shop.layers>Scale": {"factor": 2}})
    assert (layer.custom_module, layer.class_name, layer.key) == ("shop.layers", "Scale", "shop.layers>Scale")
    assert layer.config == {"factor": 2}


def test_bare_names() -> None:
    assert OptimizerObject.parse("adam") == OptimizerObject("Adam")
    assert OptimizerObject.parse("RMSprop") == OptimizerObject("RMSprop")
    loss = LossObject.parse("sparse_categorical_crossentropy")
    assert (loss.class_name, loss.plain, serialized(loss)) == (loss.class_name, True, "sparse_categorical_crossentropy")
    assert MetricObject.parse("accuracy").plain
    assert MetricObject.parse({"AUC": {"curve": "PR"}}).config == {"curve": "PR"}


def test_a_schedule_as_learning_rate() -> None:
    decay = {"CosineDecay": {"initial_learning_rate": 0.01, "decay_steps": 100}}
    assert OptimizerObject.parse({"Adam": {"learning_rate": decay}}).config == {"learning_rate": decay}
    assert ScheduleObject.parse(decay).class_name == "CosineDecay"


ONE_MISTAKE = [
    (LayerObject, {"Dens": {}}, "unknown-class", ("Dens",), "key"),
    (LayerObject, {"Adam": {}}, "unknown-class", ("Adam",), "key"),
    (LayerObject, {"Lambda": {"function": "x"}}, "unknown-class", ("Lambda",), "key"),
    (LayerObject, "Flatten", "wrong-type", (), "value"),
    (LayerObject, {"Flatten": {}, "Dense": {}}, "invalid-value", (), "value"),
    (LayerObject, {"Dense": [10]}, "wrong-type", ("Dense",), "value"),
    (LayerObject, {3: {}}, "wrong-type", (3,), "key"),
    (LayerObject, {"shop>1": {}}, "invalid-value", ("shop>1",), "key"),
    (LayerObject, {"Dense": {}}, "missing-key", ("Dense",), "key"),
    (LayerObject, {"Dense": {"units": 1, "activaton": "relu"}}, "unknown-argument", ("Dense", "activaton"), "key"),
    (LayerObject, {"Dense": {"units": -1}}, "invalid-value", ("Dense", "units"), "value"),
    (LayerObject, {"Dense": {"units": 1.5}}, "wrong-type", ("Dense", "units"), "value"),
    (LayerObject, {"Dense": {"units": True}}, "wrong-type", ("Dense", "units"), "value"),
    (LayerObject, {"Dense": {"units": None}}, "wrong-type", ("Dense", "units"), "value"),
    (LayerObject, {"Dense": {"units": 1, "use_bias": None}}, "wrong-type", ("Dense", "use_bias"), "value"),
    (LayerObject, {"Dense": {"units": 1, "activation": "rleu"}}, "invalid-value", ("Dense", "activation"), "value"),
    (LayerObject, {"Dense": {"units": 1, "name": 3}}, "wrong-type", ("Dense", "name"), "value"),
    (LayerObject, {"Dense": {"units": 1, "dtype": "float23"}}, "invalid-value", ("Dense", "dtype"), "value"),
    (LayerObject, {"Dropout": {"rate": 1.5}}, "invalid-value", ("Dropout", "rate"), "value"),
    (
        LayerObject,
        {"Conv2D": {"filters": 1, "kernel_size": [1, 2, 3]}},
        "invalid-value",
        ("Conv2D", "kernel_size"),
        "value",
    ),
    (
        LayerObject,
        {"Conv2D": {"filters": 1, "kernel_size": 3, "padding": "causal"}},
        "invalid-value",
        ("Conv2D", "padding"),
        "value",
    ),
    (
        LayerObject,
        {"Dense": {"units": 1, "kernel_regularizer": {"L3": {}}}},
        "unknown-class",
        ("Dense", "kernel_regularizer", "L3"),
        "key",
    ),
    (
        LayerObject,
        {"RNN": {"cell": [{"LSTMCell": {}}]}},
        "missing-key",
        ("RNN", "cell", 0, "LSTMCell"),
        "key",
    ),
    (
        LayerObject,
        {"TextVectorization": {"vocabulary": "words.txt"}},
        "wrong-type",
        ("TextVectorization", "vocabulary"),
        "value",
    ),
    (LayerObject, {"Add": {"inputs": 3}}, "wrong-type", ("Add", "inputs"), "value"),
    (LayerObject, {"Add": {"inherit": "yes"}}, "wrong-type", ("Add", "inherit"), "value"),
    (OptimizerObject, "adan", "unknown-class", (), "value"),
    (OptimizerObject, {"Adam": {"learning_rate": "fast"}}, "wrong-type", ("Adam", "learning_rate"), "value"),
    (LossObject, "sparse_categorical", "unknown-class", (), "value"),
    (MetricObject, {"acuracy": {}}, "unknown-class", ("acuracy",), "key"),
    (CallbackObject, {"EarlyStopping": {"patience": -1}}, "invalid-value", ("EarlyStopping", "patience"), "value"),
]


@pytest.mark.parametrize(("kind", "value", "code", "at", "mark"), ONE_MISTAKE, ids=lambda item: str(item)[:60])
def test_one_mistake(kind: type, value: Any, code: str, at: tuple[Any, ...], mark: str) -> None:
    assert mistakes(kind, value) == [(code, at, mark)]


def test_every_mistake_is_found_at_once() -> None:
    value = {"Dense": {"activation": "rleu", "use_bais": True, "kernel_regularizer": {"L2": {"l": 1}}}}
    assert mistakes(LayerObject, value) == [
        ("invalid-value", ("Dense", "activation"), "value"),
        ("unknown-argument", ("Dense", "use_bais"), "key"),
        ("unknown-argument", ("Dense", "kernel_regularizer", "L2", "l"), "key"),
        ("missing-key", ("Dense",), "key"),
    ]


def test_a_mistake_says_what_was_meant() -> None:
    with pytest.raises(ValidationError) as caught:
        LayerObject.parse({"Dense": {"units": 1, "activation": "rleu"}})
    (error,) = caught.value.errors()
    assert error["msg"].startswith("Dense: activation takes the name of an activation")
    assert error["ctx"]["fix"] == "did you mean 'relu'?"


def test_what_is_inherited_needs_no_required_arguments() -> None:
    assert LayerObject.parse({"Conv2D": {"inherit": True}}).config == {}


def test_serialized_is_whole() -> None:
    assert serialized(LayerObject.parse({"GlobalAveragePooling2D": None})) == {
        "module": "keras.layers",
        "class_name": "GlobalAveragePooling2D",
        "config": {
            "trainable": True,
            "dtype": {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": "float32"},
                "registered_name": None,
            },
            "data_format": "channels_last",
            "keepdims": False,
        },
        "registered_name": None,
    }


def test_serialized_and_back() -> None:
    custom = LayerObject.parse({"shop.layers>Scale": {"factor": 2}})
    form = serialized(custom)
    assert isinstance(form, dict)
    assert (form["module"], form["class_name"], form["registered_name"]) == ("shop.layers", "Scale", "Scale")
    assert from_serialized(LayerObject, form) == custom


class Document(BaseModel):
    """A document with objects of several kinds."""

    layers: tuple[LayerObject, ...] = ()
    other: LayerObject | None = None
    optimizer: OptimizerObject | None = None
    metrics: tuple[MetricObject, ...] = ()


def test_dumps_what_was_written() -> None:
    written = {
        "layers": [{"Add": {"name": "sum", "inputs": ["a", "b"]}}, {"x.y>Z": {}}],
        "other": {"Conv2D": {"filters": 1, "inherit": True}},
        "optimizer": {"Adam": {}},
        "metrics": ["accuracy"],
    }
    document = Document.model_validate(written)
    assert json.loads(document.model_dump_json()) == written
    assert Document.model_validate(document.model_dump(mode="json")) == document


def test_the_schema_has_each_kind_once() -> None:
    schema = Document.model_json_schema()
    assert {"KerasLayer", "KerasOptimizer", "KerasMetric", "KerasInitializer", "KerasRegularizer"} <= set(
        schema["$defs"]
    )
    assert schema["properties"]["layers"]["items"] == {"allOf": [{"$ref": "#/$defs/KerasLayer"}]}
    dense = schema["$defs"]["KerasLayer"]["properties"]["Dense"]
    assert dense["description"]
    assert dense["properties"]["units"] == {
        "description": "Positive integer, dimensionality of the output space.",
        "type": "integer",
        "minimum": 1,
    }
    assert len(json.dumps(schema)) < 700_000


@pytest.mark.parametrize(
    ("document", "is_valid"),
    [
        ({"layers": [{"Dense": {"units": 10, "activation": "relu", "inputs": ["a"]}}, {"Flatten": None}]}, True),
        ({"layers": [{"Dense": {"units": 10, "kernel_regularizer": {"L2": {"l2": 0.1}}}}]}, True),
        ({"layers": [{"Bidirectional": {"layer": {"LSTM": {"units": 3}}}}, {"a.b>C": {"x": 1}}]}, True),
        ({"layers": [{"RNN": {"cell": [{"LSTMCell": {"units": 3}}]}}, {"MaxPool2D": {}}]}, True),
        (
            {"optimizer": {"Adam": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 1, "decay_steps": 9}}}}},
            True,
        ),
        ({"optimizer": "adam", "metrics": ["accuracy", {"AUC": {}}]}, True),
        ({"layers": [{"Dense": {"units": "10"}}]}, False),
        ({"layers": [{"Dense": {"unit": 10}}]}, False),
        ({"layers": [{"Dens": {"units": 10}}]}, False),
        ({"layers": [{"Dense": {"units": 10}, "Flatten": {}}]}, False),
        ({"layers": [{"Lambda": {"function": "x"}}]}, False),
        ({"layers": [{"Bidirectional": {"layer": {"LTSM": {"units": 3}}}}]}, False),
        ({"optimizer": "adan"}, False),
    ],
    ids=str,
)
def test_the_schema_and_the_types_agree(document: Any, is_valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(Document.model_json_schema())
    assert validator.is_valid(document) == is_valid
    try:
        Document.model_validate(document)
    except ValidationError:
        assert not is_valid
    else:
        assert is_valid


def test_neither_keras_nor_jsonschema_is_imported() -> None:
    code = (
        "import sys; from surgery.model.keras_object import LayerObject, serialized;"
        "serialized(LayerObject.parse({'Dense': {'units': 1}}));"
        "print([name for name in ('keras', 'tensorflow', 'jsonschema') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
