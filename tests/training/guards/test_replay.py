from __future__ import annotations

import numpy as np
import pytest

from surgery.errors import DataInvalid
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.order import Batches, permutation
from surgery.training.guards.replay import Mixing, check_old, joined, mixed_order

pytestmark = pytest.mark.keras

PLACE = ("training", "guards", 0, "replay", "data")


def numbered(first: int, count: int, weight: float | None = None) -> ArrayExamples:
    """Examples whose input and target are their number."""
    numbers = np.arange(first, first + count)
    weights = None if weight is None else np.full(count, weight, "float32")
    return ArrayExamples((numbers[:, None].astype("float32"),), (numbers,), ("x",), None, weights)


def test_every_batch_has_its_share_and_an_epoch_is_one_pass_over_the_new_ones() -> None:
    mixing = Mixing(new=10, old=5, batch_size=4, old_in_batch=1)
    order = mixing.order(np.arange(10), lambda number: np.arange(5), 0)
    assert order.tolist() == [0, 1, 2, 10, 3, 4, 5, 11, 6, 7, 8, 12, 9, 13]
    assert len(order) == len(mixing)


def test_the_old_ones_go_round_over_the_epochs() -> None:
    mixing = Mixing(new=6, old=5, batch_size=4, old_in_batch=2)
    rounds = [np.array([4, 3, 2, 1, 0]), np.array([0, 2, 4, 1, 3]), np.array([1, 0, 2, 3, 4])]
    epochs = [mixing.order(np.arange(6), lambda number: rounds[number], epoch) for epoch in range(2)]
    drawn = [[index - 6 for index in order if index >= 6] for order in epochs]
    assert drawn == [[4, 3, 2, 1, 0, 0], [2, 4, 1, 3, 1, 0]]


def test_more_old_ones_than_there_are_come_round_in_one_epoch() -> None:
    mixing = Mixing(new=4, old=1, batch_size=4, old_in_batch=3)
    assert mixing.order(np.arange(4), lambda number: np.arange(1), 0).tolist() == [
        0,
        4,
        4,
        4,
        1,
        4,
        4,
        4,
        2,
        4,
        4,
        4,
        3,
        4,
        4,
        4,
    ]


def test_the_order_is_a_function_of_seed_stage_and_epoch() -> None:
    mixing = Mixing(new=20, old=30, batch_size=8, old_in_batch=2)
    order = mixed_order(mixing, 3, "head", True, 5)
    assert order.tobytes() == mixed_order(mixing, 3, "head", True, 5).tobytes()
    for other in ((4, "head", 5), (3, "all", 5), (3, "head", 6)):
        assert order.tobytes() != mixed_order(mixing, other[0], other[1], True, other[2]).tobytes()
    new = [index for index in order if index < 20]
    assert new == permutation(3, "head", 5, 20).tolist()


def test_without_shuffling_both_come_as_they_are_stored() -> None:
    mixing = Mixing(new=3, old=3, batch_size=2, old_in_batch=1)
    assert [mixed_order(mixing, 0, "head", False, epoch).tolist() for epoch in (0, 7)] == [[0, 3, 1, 4, 2, 5]] * 2


def test_batches_of_both_are_exact() -> None:
    both = joined(numbered(0, 5), numbered(100, 3))
    mixing = Mixing(5, 3, 3, 1)
    batches = Batches(both, 3, lambda epoch: mixed_order(mixing, 0, "head", False, epoch), length=len(mixing))
    batches.start(0)
    found = [batches[number] for number in range(len(batches))]
    assert [batch[1].tolist() for batch in found] == [[0, 1, 100], [2, 3, 101], [4, 102]]
    assert [batch[0][:, 0].tolist() for batch in found] == [[0, 1, 100], [2, 3, 101], [4, 102]]
    batches.start(1)
    assert [batches[number][1].tolist() for number in range(3)] == [[0, 1, 100], [2, 3, 101], [4, 102]]


def test_any_order_of_both_can_be_taken() -> None:
    both = joined(numbered(0, 5), numbered(100, 3))
    assert both.take(np.array([7, 0, 5, 4]))[1].tolist() == [102, 0, 100, 4]
    assert both.take(np.array([6, 5]))[1].tolist() == [101, 100]
    assert [array.tolist() for array in both.targets] == [[0, 1, 2, 3, 4, 100, 101, 102]]
    assert len(both) == 8


@pytest.mark.parametrize(
    ("new", "old", "wanted"),
    [(None, 2.0, [1, 2]), (3.0, None, [3, 1]), (3.0, 2.0, [3, 2])],
)
def test_weights_of_one_of_the_two_are_enough(new: float | None, old: float | None, wanted: list[float]) -> None:
    both = joined(numbered(0, 5, new), numbered(100, 3, old))
    assert both.take(np.array([0, 5]))[2].tolist() == wanted
    assert both.take(np.array([0]))[2].tolist() == wanted[:1]


def test_several_inputs_and_targets_stay_apart() -> None:
    def several(first: int) -> ArrayExamples:
        one = np.arange(first, first + 3)
        return ArrayExamples((one, one * 10), (one, one * 100), ("a", "b"))

    (x, more), (y, other) = joined(several(0), several(7)).take(np.array([3, 1]))
    assert [array.tolist() for array in (x, more, y, other)] == [[7, 1], [70, 10], [7, 1], [700, 100]]


def test_examples_of_another_shape_cannot_stand_in_one_batch() -> None:
    flat = ArrayExamples((np.zeros((4, 64)),), (np.zeros(4, "int64"),), ("image",))
    square = ArrayExamples((np.zeros((4, 8, 8)),), (np.zeros((4, 1), "int64"),), ("image",))
    assert check_old(flat, flat, PLACE) == []
    errors = check_old(square, flat, PLACE)
    assert all(isinstance(error, DataInvalid) and error.field == PLACE for error in errors)
    assert [error.what for error in errors] == [
        "replay: image has the shape (64,) in an old example and (8, 8) in a new one",
        "replay: the target has the shape () in an old example and (1,) in a new one",
    ]
