"""What a scan costs: little memory whatever the file is, and time that ends."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import pytest

from surgery.model.scan import limits
from tests.hostile import HOSTILE
from tests.hostile.model import functional, members

MEASURED = """
import json, re, resource, sys
from pathlib import Path
from surgery.model import reader
from surgery.model.scan import scan
status = scan(sys.argv[1]).status
# Of those processes alone that were waited for.
reader.stop()
# What getrusage says of this process would be the memory of the one that started it, if that is larger.
own = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([status, max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)]))
"""


def measured(path: Path) -> tuple[str, int]:
    """The verdict, and the largest memory of the two processes in MiB."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    status, peak = json.loads(result.stdout)
    return str(status), int(peak) >> 10


@pytest.fixture
def large_model(tmp_path: Path) -> Path:
    """500 MiB of weights, most of them holes of a sparse file."""
    stored = tmp_path / "weights.h5"
    with h5py.File(stored, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        group = file.create_group("layers/dense/vars")
        h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((32_000, 4_096)), plist)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, data in members(functional()).items():
            if name != "model.weights.h5":
                archive.writestr(name, data)
        archive.write(stored, "model.weights.h5")
    stored.unlink()
    return tmp_path / "model.keras"


def test_large_model_takes_little_memory(large_model: Path) -> None:
    status, peak = measured(large_model)
    assert status == "accepted"
    assert peak <= 120


BOMBS = ["json_large", "json_many_values", "json_deep_and_open", "zip_bomb_as_config", "zip_large_directory", "attribute_large",
         "bomb_never_written", "bomb_compressed", "shape_dense", "nested_groups"]  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_stay_below_the_cap(name: str, tmp_path: Path) -> None:
    status, peak = measured(HOSTILE[name].build(tmp_path))
    assert status != "accepted"
    assert peak <= 120


def test_hanging_file_ends_in_time(tmp_path: Path) -> None:
    from surgery.model.scan import scan

    path = HOSTILE["cycle_in_the_tree"].build(tmp_path)
    start = time.monotonic()
    verdict = scan(path, seconds=2)
    assert [finding.code for finding in verdict.findings] == ["scan-timeout"]
    assert time.monotonic() - start < limits.WALL_SECONDS


def test_a_config_may_be_as_large_as_the_file_really_is(tmp_path: Path) -> None:
    from surgery.model.scan import scan
    from tests.hostile.model import write_zip

    config = functional()
    chance = random.Random(0)
    config["config"]["values"] = [[chance.randrange(10)] for _ in range(400_000)]
    stored = write_zip(tmp_path / "stored.keras", members(config))
    assert scan(stored).is_accepted
    packed = write_zip(tmp_path / "packed.keras", members(config), zipfile.ZIP_DEFLATED)
    assert [finding.code for finding in scan(packed).findings] == ["json-too-large"]


@pytest.mark.parametrize(("size", "seconds", "data"), [(0, 0, 0), (10 << 20, 40, 320 << 20), (1 << 40, 60, 480 << 20)])
def test_what_a_large_config_adds_has_bounds(size: int, seconds: int, data: int) -> None:
    assert (limits.more_seconds(size), limits.more_data(size)) == (seconds, data)
