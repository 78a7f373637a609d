from __future__ import annotations

import numpy as np

from surgery.model.carried import carried, carried_size
from surgery.model.derive import derive
from surgery.model.weights import NEW, Averaged, Cast, Fresh, Overlap, Resampled, Sliced, Stored, WeightSource

OLD = Stored("head", "vars/0", (4, 3), "float32")
FRESH = Fresh("Zeros")


def values(source: WeightSource, shape: tuple[int, ...]) -> np.ndarray:
    """Ones where a value is carried, as the place that makes the values sees it."""
    return derive(source, lambda stored: np.ones(stored.shape, "float32"), lambda: np.zeros(shape, "float32"))


def mask(source: WeightSource, shape: tuple[int, ...]) -> np.ndarray:
    held = np.zeros(shape, "float32")
    held[np.ix_(*(np.flatnonzero(np.array(axis) != NEW) for axis in carried(source, shape)))] = 1
    return held


def test_a_kept_variable_is_carried_as_a_whole() -> None:
    assert carried(OLD, (4, 3)) == ((0, 1, 2, 3), (0, 1, 2))
    assert carried_size(carried(OLD, (4, 3))) == 12


def test_a_fresh_one_is_not_carried_at_all() -> None:
    assert carried_size(carried(FRESH, (4, 3))) == 0
    assert carried_size(carried(FRESH, ())) == 0


def test_the_mask_is_what_derive_makes_of_ones_and_zeros() -> None:
    both: list[tuple[WeightSource, tuple[int, ...]]] = [
        (Overlap(OLD, FRESH), (5, 2)),
        (Overlap(OLD, FRESH), (2, 6)),
        (Sliced(OLD, ((1, (2, NEW, 0, NEW)),), FRESH), (4, 4)),
        (Sliced(OLD, ((0, (3, 1)), (1, (NEW, 1))), FRESH), (2, 2)),
        (Sliced(Sliced(OLD, ((0, (3, 1)),)), ((1, (NEW, 1, 0)),), FRESH), (2, 3)),
        (Cast(Sliced(OLD, ((1, (2, 0)),)), "float32", "float16"), (4, 2)),
        (Averaged(((OLD, 0.5), (OLD, 0.5))), (4, 3)),
        (Resampled(OLD, (8, 3)), (8, 3)),
    ]
    for source, shape in both:
        np.testing.assert_array_equal(mask(source, shape), values(source, shape))
        assert carried_size(carried(source, shape)) == values(source, shape).sum()


def test_rows_that_are_the_mean_of_the_old_ones_begin_anew() -> None:
    assert carried(Sliced(OLD, ((1, (0, NEW)),), "mean"), (4, 2)) == ((0, 1, 2, 3), (0, NEW))


def test_a_class_is_followed_through_several_moves() -> None:
    once = Sliced(OLD, ((1, (2, 0, 1)),))
    assert carried(Sliced(once, ((1, (NEW, 0, 2)),), FRESH), (4, 3))[1] == (NEW, 2, 1)
