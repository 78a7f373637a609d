"""What the words of the ledger mean in numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from surgery.model.derive import derive
from surgery.model.weights import (
    NEW,
    Averaged,
    Cast,
    Fresh,
    Overlap,
    Resampled,
    Sliced,
    Stored,
    WeightSource,
    has_fresh,
    shape_of,
    stored_in,
)

KERNEL = np.arange(12, dtype="float32").reshape(3, 4)
STORED = Stored("dense", "vars/0", (3, 4), "float32")
OTHER = Stored("dense", "vars/0", (3, 4), "float32", file="b.keras")
FRESH = Fresh("GlorotUniform")
COLUMNS = Sliced(STORED, ((1, (2, 0)),))


def value(source: WeightSource, fresh: Any = None) -> np.ndarray[Any, Any]:
    return derive(source, lambda stored: KERNEL * (3 if stored.file else 1), lambda: np.asarray(fresh, "float32"))


def test_rows_in_another_order() -> None:
    assert np.array_equal(value(COLUMNS), KERNEL[:, [2, 0]])


def test_rows_of_rows() -> None:
    assert np.array_equal(value(Sliced(COLUMNS, ((0, (1,)), (1, (1,))))), KERNEL[1:2, 0:1])


def test_new_rows_are_fresh_where_the_source_has_none() -> None:
    source = Sliced(STORED, ((0, (2, NEW)), (1, (0, NEW, 1))), FRESH)
    assert np.array_equal(value(source, np.full((2, 3), 7.0)), [[8, 7, 9], [7, 7, 7]])


def test_new_rows_may_be_zero_or_the_mean() -> None:
    axes = ((1, (NEW, 3)),)
    assert np.array_equal(value(Sliced(STORED, axes, "zero")), [[0, 3], [0, 7], [0, 11]])
    assert np.array_equal(value(Sliced(STORED, axes, "mean")), [[1.5, 3], [5.5, 7], [9.5, 11]])


def test_the_common_corner() -> None:
    assert np.array_equal(value(Overlap(STORED, FRESH), np.full((2, 5), 7.0)), [[0, 1, 2, 3, 7], [4, 5, 6, 7, 7]])


def test_an_average_is_weighted_and_keeps_the_dtype() -> None:
    average = value(Averaged(((STORED, 0.25), (OTHER, 0.75))))
    assert average.dtype == "float32"
    assert np.array_equal(average, KERNEL * 2.5)


def test_a_cast() -> None:
    assert value(Cast(STORED, "float32", "float16")).dtype == "float16"
    assert value(Cast(STORED, "float32", "bfloat16")).dtype.name == "bfloat16"


def test_resampling_keeps_what_is_linear() -> None:
    wide = value(Resampled(STORED, (3, 8)))
    assert np.allclose(wide[0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


def test_resampling_a_grid() -> None:
    rows = Resampled(Stored("p", "vars/0", (4, 2), "float32"), (16, 2), (2, 2))
    old = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    new = derive(rows, lambda _: old, lambda: old).reshape(4, 4, 2)
    assert np.allclose(new[:, 0, 0], [0, 0.25, 0.75, 1])
    assert np.allclose(new[0, :, 1], [0, 0.25, 0.75, 1])


OLD = replace(STORED, meaning="times 1.2")


@pytest.mark.parametrize(
    ("source", "shape", "is_fresh", "text"),
    [
        (STORED, (3, 4), False, "kept"),
        (OTHER, (3, 4), False, "transplanted from b.keras"),
        (COLUMNS, (3, 2), False, "sliced from dense: 2 of 4 on axis 1"),
        (
            Sliced(STORED, ((1, (0, NEW)),), FRESH),
            (3, 2),
            True,
            "sliced from dense: 1 of 4 on axis 1, 1 new: fresh, Gl",
        ),
        (Sliced(STORED, ((1, (0, NEW)),), "zero"), (3, 2), False, "sliced from dense: 1 of 4 on axis 1, 1 new: zero"),
        (Cast(STORED, "float32", "float16"), (3, 4), False, "moved from dense, cast from float32 to float16"),
        (Resampled(STORED, (3, 8)), (3, 8), False, "moved from dense (3, 4), resampled"),
        (
            Averaged(((STORED, 0.5), (OTHER, 0.5))),
            (3, 4),
            False,
            "transplanted, the average: 0.5 of the source, 0.5 of b",
        ),
        (Overlap(STORED, FRESH), None, True, "overlap of dense (3, 4), rest fresh"),
        (Cast(OLD, "float32", "float16"), (3, 4), False, "moved from dense, times 1.2, cast from float32 to float16"),
        (Overlap(OLD, FRESH), None, True, "overlap of dense (3, 4), times 1.2, rest fresh"),
        (
            Sliced(Cast(OLD, "float32", "float16"), ((1, (0, NEW)),), FRESH),
            (3, 2),
            True,
            "sliced from dense: 1 of 4 on axis 1, times 1.2, cast from float32 to float16, 1 new: fresh",
        ),
        (FRESH, None, True, "fresh, GlorotUniform"),
    ],
)
def test_what_a_source_says_of_itself(
    source: WeightSource, shape: tuple[int, ...] | None, is_fresh: bool, text: str
) -> None:
    assert shape_of(source) == shape
    assert has_fresh(source) is is_fresh
    assert source.describe("dense").startswith(text)
    assert all(stored.path == "dense" for stored in stored_in(source))
