"""What the source model and the result of a recipe compute alike, whatever was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgery.model.spec import TensorRef
from surgery.planning.prefix import Prefix
from surgery.planning.shared_prefix import shared_prefix
from tests.networks import classifier
from tests.recipes_text import plan_of

TRAINING = """\
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - {name: head, epochs: 1, optimizer: SGD, loss: mse}
"""
FREEZE = "{op: freeze, layers: {to: flatten}}"
NEW_HEAD = "{op: replace, layers: predictions, with: [{Dense: {units: 3, name: other}}]}"


def shared(folder: Path, *operations: str, training: str = TRAINING) -> Prefix:
    np.savez(folder / "data.npz", x=np.zeros((4, 8, 8, 1)), y=np.zeros((4, 5)))
    listed = "".join(f"  - {operation}\n" for operation in operations)
    return shared_prefix(plan_of(folder, f"operations:\n{listed}{training}", classifier()))


def test_it_goes_as_far_as_what_is_frozen_and_kept(tmp_path: Path) -> None:
    found = shared(tmp_path, NEW_HEAD, FREEZE)
    assert found.layers == ("conv1", "pool1", "conv2", "flatten")
    assert found.cut == (TensorRef("flatten"),)


@pytest.mark.parametrize(
    ("operation", "layers"),
    [
        ("{op: reinitialize, layers: conv2}", ("conv1", "pool1")),
        ("{op: rename, layers: {conv2: second}}", ("conv1", "pool1")),
        ("{op: insert, after: conv1, layers: [{ReLU: {name: more}}]}", ("conv1",)),
        ("{op: reconfigure, layers: conv1, config: {activation: tanh}}", ()),
    ],
)
def test_it_ends_where_the_source_is_another(tmp_path: Path, operation: str, layers: tuple[str, ...]) -> None:
    assert shared(tmp_path, operation, FREEZE).layers == layers


def test_what_trains_in_any_stage_does_not_belong_to_it(tmp_path: Path) -> None:
    second = "    - {name: all, operations: [{op: unfreeze, layers: conv2}], epochs: 1, optimizer: SGD, loss: mse}\n"
    assert shared(tmp_path, FREEZE, training=TRAINING + second).layers == ("conv1", "pool1")


def test_both_models_can_be_cut_there(tmp_path: Path) -> None:
    """The result reads the output of conv1 past the others, the source that of flatten alone."""
    found = shared(
        tmp_path,
        "{op: branch, from: conv1, layers: [{Flatten: {name: early}}, {Dense: {units: 2, name: second}}]}",
        FREEZE,
        training=TRAINING.replace("y: y}", "y: {predictions: y}}"),
    )
    assert set(found.cut) == {TensorRef("conv1"), TensorRef("flatten")}


def test_without_training_there_is_none(tmp_path: Path) -> None:
    assert shared(tmp_path, FREEZE, training="").cut == ()
