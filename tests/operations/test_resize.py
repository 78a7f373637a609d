"""`resize`: other units by number or by label, other input channels, and the layers that follow."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from surgery.errors import GraphUnsupported
from surgery.model.spec import ModelSpec
from surgery.model.weights import NEW, Fresh, Sliced, Stored
from tests.networks import as_saved, changed, classifier, edits_of, network, operation, residual


def rows(model: ModelSpec, path: str, index: int = 0) -> dict[int, tuple[int, ...]]:
    source = model[path].weights[index].source
    assert isinstance(source, Sliced)
    return dict(source.axes)


def test_labels_move_rows() -> None:
    labels = {"old": ["a", "b", "c", "d", "e"], "new": ["e", "x", "a"]}
    model = changed(classifier(), op="resize", layer="predictions", labels=labels, new="mean")
    assert model["predictions"].config["units"] == 3
    assert rows(model, "predictions") == {1: (4, NEW, 0)}
    assert rows(model, "predictions", 1) == {0: (4, NEW, 0)}
    source = model["predictions"].weights[0].source
    assert isinstance(source, Sliced)
    assert source.rest == "mean"
    assert isinstance(model["dense"].weights[0].source, Stored)


def test_fewer_units_and_the_next_layer_follows() -> None:
    model = changed(classifier(), op="resize", layer="dense", units=2)
    assert rows(model, "dense") == {1: (0, 1)}
    assert rows(model, "predictions") == {0: (0, 1)}
    assert isinstance(model["predictions"].weights[1].source, Stored)


def test_through_flatten() -> None:
    model = changed(classifier(), op="resize", layer="conv2", units=5)
    moved = rows(model, "dense")[0]
    assert moved[:10] == (0, 1, 2, 3, NEW, 4, 5, 6, 7, NEW)
    assert model["dense"].weights[0].shape == (45, 6)
    source = model["dense"].weights[0].source
    assert isinstance(source, Sliced)
    assert source.rest == Fresh("GlorotUniform")


def test_through_pooling_and_activation() -> None:
    model = changed(classifier(), op="resize", layer="conv1", units=3)
    assert rows(model, "conv2") == {2: (0, 1, 2)}


def test_normalization_and_depthwise_follow() -> None:
    model = network(
        {"Conv2D": {"filters": 3, "kernel_size": 1, "name": "conv"}},
        {"BatchNormalization": {"name": "norm"}},
        {"ReLU": {"name": "relu"}},
        {"DepthwiseConv2D": {"kernel_size": 3, "depth_multiplier": 2, "name": "depthwise"}},
        {"GlobalAveragePooling2D": {"name": "pool"}},
        {"Dense": {"units": 2, "name": "head"}},
    )
    model = changed(model, op="resize", layer="conv", units=2)
    assert [rows(model, "norm", index) for index in range(4)] == [{0: (0, 1)}] * 4
    assert rows(model, "depthwise") == {2: (0, 1)}
    assert rows(model, "head") == {0: (0, 1, 2, 3)}


def test_concatenations_shift() -> None:
    model = network({"Dense": {"units": 3, "name": "a"}}, {"Dense": {"units": 2, "name": "b"}}, shape=(4,))
    model = changed(model, op="append", layers=[{"Concatenate": {"name": "both", "inputs": ["a", "b"]}}])
    model = as_saved(changed(model, op="append", layers=[{"Dense": {"units": 2, "name": "head"}}]))
    model = changed(model, op="resize", layer="a", units=4, new="zero")
    assert rows(model, "head") == {0: (0, 1, 2, NEW, 3, 4)}
    assert rows(model, "b") == {0: (0, 1, 2, NEW)}


@pytest.mark.parametrize("layer", ["image", "conv1"])
def test_input_channels(layer: str) -> None:
    model = changed(classifier(), op="resize", layer=layer, input_channels=3)
    assert model["image"].outputs[0].shape == (None, 8, 8, 3)
    assert rows(model, "conv1") == {2: (0, NEW, NEW)}


def test_input_channels_of_a_sequential() -> None:
    model = changed(classifier("Sequential"), op="resize", layer="conv1", input_channels=3)
    assert model.class_name == "Sequential"
    assert model["conv1"].weights[0].shape == (3, 3, 3, 4)


def test_a_layer_that_is_added_to_another_is_refused() -> None:
    with pytest.raises(GraphUnsupported, match="'sum' joins"):
        edits_of(residual(), op="resize", layer="left", units=6)


def test_the_same_size_changes_nothing() -> None:
    assert edits_of(classifier(), op="resize", layer="dense", units=6) == []


def test_labels_must_be_as_many_as_units() -> None:
    with pytest.raises(GraphUnsupported) as caught:
        edits_of(classifier(), op="resize", layer="predictions", labels={"old": ["a"], "new": ["a", "b"]})
    assert caught.value.field == ("labels", "old")


@pytest.mark.parametrize(
    "fields", [{}, {"units": 3, "input_channels": 3}, {"labels": {"old": ["a", "a"], "new": ["a"]}}]
)
def test_what_is_no_resize(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        operation(op="resize", layer="dense", **fields)
