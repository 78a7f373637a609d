"""Arrays in blocks: the same values, few pages held."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgery.model.blocks import blocks, same_bits

SHAPES = st.lists(st.integers(0, 7), max_size=3).map(tuple)


@given(SHAPES, st.integers(1, 200), st.sampled_from(["f4", "f2", "i8", "?"]), st.booleans())
def test_blocks_are_the_array(shape: tuple[int, ...], size: int, dtype: str, turned: bool) -> None:
    array = (np.arange(np.prod(shape, dtype=int)) % 3).astype(dtype).reshape(shape)
    array = array.T if turned else array
    found = [block for (block,) in blocks(array, size=size)]
    assert all(block.ndim == 1 for block in found)
    joined = np.concatenate(found) if found else np.empty(0, dtype)
    np.testing.assert_array_equal(joined, array.reshape(-1))


@given(SHAPES, st.integers(1, 64))
def test_parallel_blocks_belong_together(shape: tuple[int, ...], size: int) -> None:
    array = np.arange(np.prod(shape, dtype=int), dtype="f4").reshape(shape)
    turned = np.asfortranarray(array)
    for one, other in blocks(array, turned, size=size):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("offset", [0, 1, 4])
@pytest.mark.parametrize("at", [0, 5, 300_000, 999_999])
def test_same_bits_finds_one_bit_at_any_alignment(offset: int, at: int) -> None:
    one = np.zeros(1_000_000 + offset, "u1")[offset:]
    other = np.zeros(1_000_000, "u1")
    assert same_bits(one, other)
    other[at] = 1
    assert not same_bits(one, other)


def test_same_bits_are_bits() -> None:
    nan = np.array([np.nan, 1.0], "f4")
    assert same_bits(nan, nan.copy())
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    assert same_bits(np.array(3.0), np.array(3.0))


def _mapped(path: Path, size: int) -> tuple[mmap.mmap, NDArray[np.float32]]:
    path.write_bytes(b"\1" * size)
    descriptor = os.open(path, os.O_RDONLY)
    pages = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    os.close(descriptor)
    return pages, np.frombuffer(pages, dtype=np.float32, offset=4)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell how much is resident")
def test_pages_are_given_back(tmp_path: Path) -> None:
    """Two files of 128 MiB: never much more than two times 16 MiB of them in memory."""
    _, one = _mapped(tmp_path / "one", 1 << 27)
    _, other = _mapped(tmp_path / "other", 1 << 27)
    before = _resident()
    most = max(_resident() for _ in blocks(one, other))
    assert most - before < 3 << 25
    assert _resident() - before < 1 << 25
    assert same_bits(one, other)
