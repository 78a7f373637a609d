"""`freeze` and `unfreeze`."""

from __future__ import annotations

import pytest

from surgery.errors import UnknownLayer
from surgery.model.edits import UpdateConfig
from tests.networks import changed, classifier, edits_of


def test_freeze_sets_the_flag_of_a_range() -> None:
    frozen = changed(classifier(), op="freeze", layers={"to": "flatten"})
    assert [layer.name for layer in frozen.layers if not layer.trainable] == ["conv1", "pool1", "conv2", "flatten"]


def test_freeze_counts_parameters() -> None:
    model = classifier()
    frozen = changed(model, op="freeze", layers="conv1")
    assert model.trainable_parameters - frozen.trainable_parameters == 3 * 3 * 1 * 4 + 4
    assert model.parameters == frozen.parameters


def test_freeze_leaves_frozen_layers_alone() -> None:
    frozen = changed(classifier(), op="freeze", layers="conv1")
    assert edits_of(frozen, op="freeze", layers="conv*") == [UpdateConfig("conv2", {"trainable": False})]


def test_freeze_of_all_frozen_layers_has_no_edits() -> None:
    frozen = changed(classifier(), op="freeze", layers="conv1")
    assert edits_of(frozen, op="freeze", layers="conv1") == []


def test_unfreeze_is_the_way_back() -> None:
    model = classifier()
    frozen = changed(model, op="freeze", layers="*")
    assert frozen.trainable_parameters == 0
    assert changed(frozen, op="unfreeze", layers="*").trainable_parameters == model.trainable_parameters


def test_unknown_layer_points_at_the_field() -> None:
    with pytest.raises(UnknownLayer) as caught:
        edits_of(classifier(), op="freeze", layers="convv_*")
    assert caught.value.field[0] == "layers"
    assert caught.value.fix
