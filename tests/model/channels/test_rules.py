"""What single layer classes do to channels, and what is fixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from surgery.model.channels import trace
from surgery.model.prove import prove
from surgery.model.spec import Call, ModelSpec, TensorRef
from tests.networks import changed, classifier, network


def reasons(model: ModelSpec, name: str, *, ends: bool = False) -> str:
    flow = trace(model)
    fixed = flow.fixed(ends=ends)
    return "; ".join({fixed[root] for root in flow.joins.roots(flow.spaces[name]).tolist() if root in fixed})


def places(model: ModelSpec, path: str, name: str, axis: int, maker: str) -> list[int]:
    """Where the channels of a layer are along an axis of a variable."""
    flow = trace(model)
    key = next(weight.key for weight in model[path].weights if weight.name == name)
    start = int(flow.spaces[maker][0])
    return [atom - start for atom in flow.uses[path, key][axis].tolist()]


def test_inputs_and_outputs_are_seen_from_outside() -> None:
    assert "an input of the model" in reasons(classifier(), "image", ends=True)
    assert "an output of the model" in reasons(classifier(), "predictions", ends=True)
    assert not reasons(classifier(), "predictions")
    assert not reasons(classifier(), "conv1", ends=True)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"GroupNormalization": {"groups": 2, "name": "it"}}, "in groups"),
        ({"Conv1D": {"filters": 4, "kernel_size": 1, "groups": 2, "name": "it"}}, "2 groups"),
        ({"Dot": {"axes": 1, "inputs": ["stem", "stem"], "name": "it"}}, "not known to pass channels on"),
        ({"Reshape": {"target_shape": [2, 6], "name": "it"}}, "over several axes"),
        ({"Rescaling": {"scale": [1.0, 2.0, 3.0, 4.0], "name": "it"}}, "number of its own"),
    ],
)
def test_what_is_fixed(layer: dict[str, Any], said: str) -> None:
    model = network({"Dense": {"units": 4, "name": "stem"}}, shape=(3, 4))
    assert said in reasons(changed(model, op="append", layers=[layer]), "stem")


def test_recurrent_layers_read_channels() -> None:
    model = network({"Dense": {"units": 4, "name": "stem"}}, {"LSTM": {"units": 2, "name": "lstm"}}, shape=(3, 4))
    assert not reasons(model, "stem")
    assert places(model, "lstm", "kernel", 0, "stem") == [0, 1, 2, 3]


def test_permuted_and_reshaped() -> None:
    model = network(
        {"Dense": {"units": 2, "name": "stem"}},
        {"Permute": {"dims": [2, 1], "name": "permute"}},
        {"Reshape": {"target_shape": [6], "name": "flat"}},
        {"Dense": {"units": 2, "name": "head"}},
        shape=(3, 4),
    )
    assert places(model, "head", "kernel", 0, "stem") == [0, 0, 0, 1, 1, 1]


def test_flattened_along_the_last_axis() -> None:
    model = network(
        {"Dense": {"units": 2, "name": "stem"}},
        {"Flatten": {"name": "flat"}},
        {"Dense": {"units": 2, "name": "head"}},
        shape=(3, 4),
    )
    assert places(model, "head", "kernel", 0, "stem") == [0, 1, 0, 1, 0, 1]


def test_separable_convolutions() -> None:
    model = network(
        {"Conv2D": {"filters": 2, "kernel_size": 1, "name": "stem"}},
        {"SeparableConv2D": {"filters": 3, "kernel_size": 1, "depth_multiplier": 2, "name": "separable"}},
    )
    assert places(model, "separable", "depthwise_kernel", 2, "stem") == [0, 1]
    assert places(model, "separable", "pointwise_kernel", 2, "stem") == [0, 0, 1, 1]


def test_through_a_nested_model() -> None:
    inner = network({"Dense": {"units": 3, "name": "inside"}}, shape=(4,))
    outer = network({"Dense": {"units": 4, "name": "stem"}}, {"Identity": {"name": "place"}}, shape=(4,))
    outer = changed(outer, op="append", layers=[{"Dense": {"units": 2, "name": "head"}}])
    nested = replace(
        outer["place"],
        class_name="Functional",
        module="keras.src.models.functional",
        config={"name": "place", "trainable": True},
        inner=replace(inner, name="place"),
        calls=(Call(args=(TensorRef("stem"),)),),
    )
    model = prove(outer.with_layer("place", nested))
    assert places(model, "place/inside", "kernel", 0, "stem") == [0, 1, 2, 3]
    assert places(model, "head", "kernel", 0, "place/inside") == [0, 1, 2]
    flow = trace(model)
    assert flow.settings["place/image"]["batch_shape"] == [None, 4]


def test_a_group_for_each_channel() -> None:
    model = network(
        {"Conv2D": {"filters": 2, "kernel_size": 1, "name": "stem"}},
        {"Conv2D": {"filters": 4, "kernel_size": 1, "groups": 2, "name": "grouped"}},
        {"Conv2D": {"filters": 3, "kernel_size": 1, "name": "next"}},
    )
    assert places(model, "grouped", "kernel", 3, "stem") == [0, 0, 1, 1]
    assert places(model, "next", "kernel", 2, "stem") == [0, 0, 1, 1]
    assert trace(model).settings["grouped"] == {"filters": 4, "groups": 2}
