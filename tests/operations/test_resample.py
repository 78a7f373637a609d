"""`weights: resample` of `replace` and `reconfigure`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgery.errors import WeightMismatch
from surgery.execution.commit import apply_to_file
from surgery.model.archive import open_weights
from surgery.model.spec import ModelSpec
from surgery.model.weights import Resampled, Stored
from tests.networks import changed, classifier, network
from tests.recipes_text import plan_of


def positions(rows: int = 16) -> ModelSpec:
    """Indices of positions, embedded."""
    return network(
        {"Embedding": {"input_dim": rows, "output_dim": 4, "name": "positions"}},
        {"Dense": {"units": 2, "name": "head"}},
        shape=(rows,),
    )


def test_a_larger_kernel(tmp_path: Path) -> None:
    body = """
    operations:
      - op: replace
        layers: conv2
        with: [{Conv2D: {inherit: true, kernel_size: 5}}]
        weights: resample
    """
    plan = plan_of(tmp_path, body)
    kernel, bias = plan.spec["conv2"].weights
    assert isinstance(kernel.source, Resampled)
    assert isinstance(bias.source, Stored)
    line = next(line for line in plan.ledger if (line.path, line.variable) == ("conv2", "kernel"))
    assert line.source == "moved from conv2 (3, 3, 4, 4), resampled"
    apply_to_file(plan, tmp_path / "out.keras")
    with open_weights(tmp_path / "out.keras") as new, open_weights(tmp_path / "model.keras") as old:
        large, small = new["conv2", "vars/0"], old["conv2", "vars/0"]
        assert large.shape == (5, 5, 4, 4)
        assert np.allclose(large[2, 2], small[1, 1])
        assert np.allclose(large[0, 0], small[0, 0])


def test_more_positions() -> None:
    model = changed(positions(), op="reconfigure", layers="positions", config={"input_dim": 40}, weights="resample")
    source = model["positions"].weights[0].source
    assert isinstance(source, Resampled)
    assert (source.shape, source.grid) == ((40, 4), None)


def test_a_grid_of_positions() -> None:
    model = changed(
        positions(), op="reconfigure", layers="positions", config={"input_dim": 64}, weights="resample_grid"
    )
    source = model["positions"].weights[0].source
    assert isinstance(source, Resampled)
    assert source.grid == (4, 4)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"layers": "conv2", "config": {"filters": 8}}, "only spatial axes"),
        ({"layers": "predictions", "config": {"units": 8}}, "only spatial axes"),
    ],
)
def test_what_is_not_interpolated(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(WeightMismatch, match=reason):
        changed(classifier(), op="reconfigure", weights="resample", **fields)


def test_no_grid() -> None:
    with pytest.raises(WeightMismatch, match="no square grid"):
        changed(positions(), op="reconfigure", layers="positions", config={"input_dim": 40}, weights="resample_grid")
