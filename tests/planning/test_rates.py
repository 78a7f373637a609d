"""Which layers of a stage learn slower, and how much."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import NothingToDo, SurgeryError, UnknownLayer
from surgery.planning.depth import depths
from surgery.planning.rates import Rate
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.networks import classifier, network
from tests.recipes_text import plan_of

BODY = """
operations: [{{op: freeze, layers: conv1}}]
training:
  data: {{train: {{npz: data.npz, x: x, y: y}}}}
  stages:
    - name: head
      epochs: 1
      optimizer: Adam
      loss: mse
      {rates}
"""


def rates_of(folder: Path, rates: str) -> dict[str, Rate]:
    (folder / "data.npz").touch()
    (stage,) = plan_of(folder, BODY.format(rates=rates)).stages
    return dict(stage.rates)


def test_depth_counts_matrices_on_the_longest_way() -> None:
    model = network(
        {"Conv2D": {"filters": 2, "kernel_size": 1, "name": "conv"}},
        {"BatchNormalization": {"name": "norm"}},
        {"Flatten": {"name": "flatten"}},
        {"Dense": {"units": 2, "name": "dense"}},
        {"Dense": {"units": 2, "name": "head"}},
    )
    assert depths(model) == {"head": 0, "dense": 1, "flatten": 2, "norm": 2, "conv": 2, "image": 3}


def test_layer_decay_leaves_frozen_layers_out(tmp_path: Path) -> None:
    assert rates_of(tmp_path, "layer_decay: 0.5") == {"conv2": Rate(0.25), "dense": Rate(0.5)}


def test_the_later_selector_holds_and_depth_comes_on_top(tmp_path: Path) -> None:
    rates = (
        "learning_rates: [{layers: {class: Dense}, multiplier: 0.1}, {layers: predictions, multiplier: 3}]\n"
        "      layer_decay: 0.5\n      weight_decay: [{layers: dense, rate: 0}]"
    )
    assert rates_of(tmp_path, rates) == {
        "conv2": Rate(0.25),
        "dense": Rate(0.05, 0.0),
        "predictions": Rate(3.0),
    }


@pytest.mark.parametrize(
    ("layers", "error"), [("nothing", UnknownLayer), ("conv1", NothingToDo), ("flatten", NothingToDo)]
)
def test_a_selector_without_a_trained_layer_is_an_error(tmp_path: Path, layers: str, error: type[SurgeryError]) -> None:
    with pytest.raises(error) as caught:
        rates_of(tmp_path, f"learning_rates: [{{layers: {layers}, multiplier: 0.1}}]")
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.column) == (13, 33)


def test_a_warm_up_lasts_steps_or_epochs(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError, match="either steps or epochs"):
        rates_of(tmp_path, "warmup: {steps: 3, epochs: 1}")


def test_the_plan_shows_them(tmp_path: Path) -> None:
    (tmp_path / "data.npz").touch()
    plan = plan_of(tmp_path, BODY.format(rates="layer_decay: 0.5"), classifier())
    assert "learning rate x 0.25  conv2" in plan_text(plan)
    assert "| head | learning rate x 0.5 | dense |" in plan_markdown(plan)
    assert plan.to_json()["stages"][0]["rates"][0] == {"path": "conv2", "multiplier": 0.25, "weight_decay": None}
