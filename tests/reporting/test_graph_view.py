"""A model as boxes and edges: nested models are opened, and nothing is left unconnected."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery import api
from surgery.reporting.graph_view import graph_view
from tests.networks import classifier, residual


def test_a_chain() -> None:
    view = graph_view(classifier())
    assert list(view.boxes)[:3] == ["image", "conv1", "pool1"]
    assert view.edges[0] == ("image", "conv1")
    assert len(view.edges) == len(view.boxes) - 1


def test_branches() -> None:
    assert {("stem", "left"), ("stem", "sum"), ("left", "sum"), ("sum", "head")} <= set(graph_view(residual()).edges)


@pytest.mark.parametrize("name", ["nested.h5", "nested_frozen.h5", "several.h5"])
def test_saved_models(name: str, repository: Path) -> None:
    model = api.read_model(repository / "tests/model/keras2" / name)
    view = graph_view(model)
    nested = {path for path, layer in model.walk() if layer.inner}
    assert not nested & set(view.boxes)
    assert any("/" in path for path in view.boxes) is bool(nested)
    assert {end for edge in view.edges for end in edge} == set(view.boxes)
