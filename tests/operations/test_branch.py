"""`branch`: a further head, one more output."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surgery.errors import GraphUnsupported, NameTaken
from surgery.model.spec import TensorRef
from surgery.model.weights import Fresh, Stored
from tests.networks import changed, classifier, edits_of, residual

HEAD = [{"GlobalAveragePooling2D": {"name": "pool"}}, {"Dense": {"units": 1, "name": "age"}}]


def test_one_output_becomes_a_list() -> None:
    model = changed(classifier(), **{"op": "branch", "from": "conv2", "layers": HEAD})
    assert model.outputs == [TensorRef("predictions"), TensorRef("age")]
    assert model["pool"].inbound == ("conv2",)
    assert all(isinstance(weight.source, Fresh) for weight in model["age"].weights)
    assert all(isinstance(weight.source, Stored) for weight in model["predictions"].weights)


def test_a_list_grows() -> None:
    model = changed(classifier(), **{"op": "branch", "from": "conv2", "layers": HEAD})
    third = changed(model, **{"op": "branch", "from": "dense", "layers": [{"Dense": {"units": 2, "name": "sex"}}]})
    assert [ref.layer for ref in third.refs_out()] == ["predictions", "age", "sex"]


def test_a_dict_gets_the_name_of_the_last_layer() -> None:
    model = replace(classifier(), outputs={"digit": TensorRef("predictions")})
    assert changed(model, **{"op": "branch", "from": "conv2", "layers": HEAD}).outputs == {
        "digit": TensorRef("predictions"),
        "age": TensorRef("age"),
    }


def test_a_sequential_becomes_functional() -> None:
    model = changed(classifier("Sequential"), **{"op": "branch", "from": "conv2", "layers": HEAD})
    assert model.class_name == "Functional"


def test_from_a_merge() -> None:
    layers = [{"Dense": {"units": 3, "name": "extra"}}]
    assert changed(residual(), **{"op": "branch", "from": "sum", "layers": layers})["extra"].inbound == ("sum",)


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(NameTaken):
        changed(classifier(), **{"op": "branch", "from": "conv2", "layers": [{"Flatten": {"name": "flatten"}}]})


def test_one_layer_alone() -> None:
    with pytest.raises(GraphUnsupported) as caught:
        edits_of(classifier(), **{"op": "branch", "from": ["conv1", "conv2"], "layers": HEAD})
    assert caught.value.field == ("from",)
