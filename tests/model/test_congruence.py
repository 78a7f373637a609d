"""Which tensors of a result are those of the source, and where they end."""

from __future__ import annotations

from typing import Any

import pytest

from surgery.model.congruence import congruent, frontier, is_inert
from surgery.model.spec import ModelSpec, TensorRef
from tests.networks import changed, classifier, residual

FROZEN = {"op": "freeze", "layers": "*"}


def ends(model: ModelSpec, *operations: dict[str, Any]) -> dict[str, str]:
    """The last layers that are the same, each with the one that it is in the source."""
    result = model
    for operation in operations:
        result = changed(result, **operation)
    same = congruent(model, result)
    return {ref.layer: same[ref].layer for ref in frontier(result, same)}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (FROZEN, {"predictions": "predictions"}),
        ({"op": "rename", "layers": {"predictions": "digits", "conv1": "first"}}, {"digits": "predictions"}),
        (
            {"op": "insert", "before": "dense", "layers": [{"Dropout": {"rate": 0.5}}]},
            {"predictions": "predictions"},
        ),
        (
            {"op": "insert", "after": "dense", "layers": [{"Activation": {"activation": "linear"}}]},
            {"predictions": "predictions"},
        ),
        ({"op": "insert", "after": "dense", "layers": [{"ReLU": {}}]}, {"dense": "dense"}),
        ({"op": "truncate", "after": "conv2"}, {"conv2": "conv2"}),
        ({"op": "reinitialize", "layers": "dense"}, {"flatten": "flatten"}),
        ({"op": "reconfigure", "layers": "conv1", "config": {"activation": "tanh"}}, {}),
        ({"op": "remove", "layers": "conv2"}, {"pool1": "pool1"}),
        (
            {"op": "branch", "from": "dense", "layers": [{"Dense": {"units": 2}}]},
            {"predictions": "predictions", "dense": "dense"},
        ),
        (
            {
                "op": "replace",
                "layers": "conv2",
                "with": [{"Conv2D": {"inherit": True, "name": "new"}}],
                "weights": "keep",
            },
            {"predictions": "predictions"},
        ),
        (
            {"op": "replace", "layers": "predictions", "with": [{"Dense": {"units": 7}}]},
            {"dense": "dense"},
        ),
    ],
)
def test_where_the_source_ends(operation: dict[str, Any], expected: dict[str, str]) -> None:
    assert ends(classifier(), operation) == expected


def test_operations_after_one_another() -> None:
    renamed = {"op": "rename", "layers": {"flatten": "flat"}}
    head = {"op": "replace", "layers": "predictions", "with": [{"Dense": {"units": 7, "name": "dense_7"}}]}
    assert ends(classifier(), renamed, head, FROZEN) == {"dense": "dense"}


def test_the_other_way_around_an_addition() -> None:
    assert ends(residual(), {"op": "reinitialize", "layers": "left"}) == {"stem": "stem"}


def test_layers_that_swap_their_names_are_still_themselves() -> None:
    model = classifier()
    away = {"op": "rename", "layers": {"conv1": "x"}}
    assert ends(model, away, {"op": "rename", "layers": {"conv2": "conv1"}}) == {"predictions": "predictions"}


def test_an_unbuilt_model_has_no_tensors() -> None:
    model = classifier()
    assert congruent(ModelSpec("Sequential", "empty", (), None, TensorRef("x")), model) == {}


def test_what_is_inert() -> None:
    assert is_inert("GaussianNoise", {"stddev": 1.0})
    assert not is_inert("Activation", {"activation": "relu"})
    assert not is_inert("BatchNormalization", {})
