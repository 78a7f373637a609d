from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgery.training.data.order import Batches, in_stored_order, permutation
from tests.training import small

pytestmark = pytest.mark.keras


@given(st.integers(0, 2**32 - 1), st.text(max_size=8), st.integers(0, 50), st.integers(1, 200))
def test_an_order_holds_each_example_once_and_is_the_same_when_asked_again(
    seed: int, stage: str, epoch: int, length: int
) -> None:
    order = permutation(seed, stage, epoch, length)
    assert sorted(order.tolist()) == list(range(length))
    assert order.tolist() == permutation(seed, stage, epoch, length).tolist()


def test_every_epoch_stage_and_seed_has_another_order() -> None:
    orders = [permutation(*key, 50).tolist() for key in ((1, "a", 0), (1, "a", 1), (1, "b", 0), (2, "a", 0))]
    assert all(orders[i] != orders[j] for i in range(4) for j in range(i))


def test_the_order_does_not_move_with_versions() -> None:
    assert permutation(7, "head", 0, 8).tolist() == [1, 2, 5, 3, 7, 6, 4, 0]


def test_batches_cover_an_epoch_in_its_order_whatever_was_drawn_before() -> None:
    data = small.examples(10)
    batches = Batches(data, 4, lambda epoch: permutation(3, "head", epoch, 10))
    batches.start(5)
    drawn = np.concatenate([batches[index][1] for index in range(len(batches))])
    assert [len(batches[index][0]) for index in range(len(batches))] == [4, 4, 2]
    assert drawn.tolist() == data.y[0][permutation(3, "head", 5, 10)].tolist()


def test_what_is_looked_at_comes_as_it_is_stored() -> None:
    data = small.examples(10)
    batches = in_stored_order(data, 4)
    batches.start(1)
    assert batches[1][1].tolist() == data.y[0][4:8].tolist()
    assert in_stored_order(None, 4) is None
