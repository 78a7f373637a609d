"""Datasets that are cut into chunks or compressed: the same values, in little memory, and never more than they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from surgery.errors import FileUnreadable
from surgery.model.archive import unpacking
from surgery.model.blocks import blocks
from surgery.model.scan import scan
from tests.hostile import HOSTILE
from tests.hostile.model import Json, functional, weights, write_hdf5, write_model
from tests.hostile.weights import chunked, deflated

DIFF = """
import json, re, resource, sys
from pathlib import Path
from surgery.cli.main import run
limit = 1200 << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
status = run(["diff", *sys.argv[1:]])
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([status, peak >> 10]))
"""


def diffed(one: Path, other: Path) -> tuple[int, int, str]:
    """The status of a diff in a process of its own, its peak memory in MiB, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", DIFF, str(one), str(other)], capture_output=True, text=True, check=True, timeout=60
    )
    status, peak = json.loads(done.stdout.splitlines()[-1])
    return status, peak, done.stderr


@pytest.mark.parametrize("name", ["filter_deflate_of_deflate", "chunk_larger_than_its_dataset"])
def test_bomb_of_a_chunk_is_refused_in_little_memory(tmp_path: Path, name: str) -> None:
    path = HOSTILE[name].build(tmp_path)
    assert path.stat().st_size < 1 << 20
    status, peak, said = diffed(path, path)
    assert (status, "hdf5-" in said) == (1, True)
    assert peak < 150


@pytest.mark.parametrize(
    ("mebibytes", "what"), [(240, "inflates to more than its 262148 bytes"), (512, "a chunk of 262148 bytes has ")]
)
def test_chunk_that_inflates_beyond_itself(tmp_path: Path, mebibytes: int, what: str) -> None:
    """A chunk of 256 KiB, whose bytes become far more: libhdf5 would make room for all of them."""
    config: Json = functional()
    paths = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        paths.append(write_model(tmp_path / name, config, weights(chunked(deflated(mebibytes), (256, 256)))))
    for path in paths:
        assert scan(path).is_accepted
    status, peak, said = diffed(*paths)
    assert (status, what in said) == (1, True)
    assert peak < 150


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (7, 3)},
        {"chunks": (4, 4), "fletcher32": True},
        {"chunks": (64, 64), "maxshape": (None, None), "compression": "gzip"},
    ],
)
@pytest.mark.parametrize("small", [1 << 24, 0])
def test_values_are_those_that_were_written(
    tmp_path: Path, options: dict[str, object], small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "SMALL", small)
    values = np.random.default_rng(1).normal(size=(40, 30)).astype("float32")
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, **options)
    found = read(path)
    assert np.array_equal(found, values)
    assert [block.nbytes for (block,) in blocks(found)] == [values.nbytes]


def read(path: Path) -> np.ndarray:
    from surgery.model.archive.container import open_container
    from surgery.model.archive.values import Place, WeightValues
    from surgery.model.hdf5 import open_file, read_block

    container = open_container(path)
    assert container.weights is not None
    with open_file(container.weights, "x") as file:
        block = read_block(file["x"], container.weights.size)
    with WeightValues(container, {("", "x"): Place((block,))}) as opened:
        return opened["", "x"]


def test_chunk_with_a_wrong_check_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    values = np.arange(64, dtype="float32")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(64,), fletcher32=True)
    data = bytearray(path.read_bytes())
    data[data.find(values.tobytes()) + 9] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileUnreadable, match="the values of /x in"):
        read(path)


def test_ordinary_chunks_are_accepted(tmp_path: Path) -> None:
    def spoil(file: h5py.File) -> None:
        for number, options in enumerate(
            [{"chunks": True}, {"compression": "gzip", "shuffle": True}, {"maxshape": (None, 8)}]
        ):
            file.create_dataset(f"x{number}", data=np.random.default_rng(0).normal(size=(9, 8)), **options)

    assert scan(write_hdf5(tmp_path, functional(), spoil)).is_accepted
