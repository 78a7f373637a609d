"""The recipes of the repository: each is valid, each is run at a size that suits the test machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery import api
from surgery.model.archive import open_weights
from surgery.recipe import load_recipe
from surgery.training.run import RunResult
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.keras

ALL = sorted((REPOSITORY / "recipes").glob("*/*.yaml"))


def run(path: Path, **parameters: object) -> RunResult:
    return api.run(load_recipe(path, parameters))


def changed(before: Path, after: Path, layers: list[str]) -> list[str]:
    """Those of the layers whose kernel is not bit-identical in the two files."""
    with open_weights(before) as old, open_weights(after) as new:
        return [name for name in layers if old[name, "vars/0"].tobytes() != new[name, "vars/0"].tobytes()]


def test_there_are_five() -> None:
    assert len(ALL) == 5


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_each_has_a_readme_that_names_it(path: Path) -> None:
    assert path.name in (path.parent / "README.md").read_text(encoding="utf-8")


def test_fine_tune_last_blocks_trains_the_last_five_layers_of_the_base(recipes: Path) -> None:
    path = recipes / "fine-tune-last-blocks" / "temple-or-flower.yaml"
    plan = api.plan(load_recipe(path, {"weights": None, "size": 32, "units": 16, "epochs": 1}))
    trainable = [path for path, flag in plan.stages[0].trainable.items() if flag]
    result = api.run_plan(plan)
    convolutions = [f"block{block}_conv1" for block in range(1, 6)]
    assert changed(plan.source.path, result.model, convolutions) == ["block5_conv1"]
    assert trainable == [
        "input_layer",  # it has no flag in a saved model, and nothing to train
        *("block4_pool", "block5_conv1", "block5_conv2", "block5_conv3", "block5_pool"),
        *("pooling", "features", "temple_or_flower"),
    ]


def test_second_head_learns_and_the_old_one_answers_as_before(recipes: Path) -> None:
    result = run(recipes / "second-head" / "digits-and-parity.yaml", epochs=4)
    old, new = result.document["evaluation"]
    assert old["after"] >= old["before"] - 0.01
    assert new["after"] > 0.9
    assert changed(recipes / "assets" / "digits.h5", result.model, ["conv1", "dense"]) == ["conv1", "dense"]


def test_add_layers_trains_the_new_head_alone(recipes: Path) -> None:
    result = run(recipes / "add-layers" / "odd-or-even.yaml", epochs=3)
    trained = ["conv1", "conv2", "dense", "predictions"]
    assert changed(recipes / "assets" / "digits.h5", result.model, trained) == []
    (head,) = result.document["stages"]
    assert head["epochs"][-1]["metrics"]["val_accuracy"] > 0.95
