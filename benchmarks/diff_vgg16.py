"""How long `surgery diff` takes for two VGG16 archives (553 MB each) that differ in the head, beside `cmp`.

`python benchmarks/diff_vgg16.py` makes the files without Keras, and prints for each of seven rounds what `cmp` needs to read
two such files to their end, what `surgery diff` needs, and the peak memory of the larger of its processes; processor time too, for
both use both cores of a quiet machine and what else runs takes some of them away. Both run in turn, so that a busy machine slows
both. Once the files are read from the disk, as after a checkout, and once from memory, where starting Python counts most.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from surgery.model.archive import write_archive
from tests.networks import changed, network, values_of

ROUNDS = 7
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
LEAN = """
import sys
from surgery.cli.main import run
status = run(["diff", "--exit-code", *sys.argv[1:]])
heavy = {"keras", "tensorflow", "jax", "torch", "numpy", "h5py"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else status)
"""
# Bytecode is kept between processes, as it is for anything installed.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def write_models(folder: Path) -> tuple[Path, Path]:
    """VGG16 with random weights, and the same with a head of 10 classes."""
    layers = []
    for block, (convolutions, filters) in enumerate(BLOCKS, 1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            layers.append({"Conv2D": {"filters": filters, "kernel_size": 3, "padding": "same", "name": name}})
        layers.append({"MaxPooling2D": {"name": f"block{block}_pool"}})
    layers += [
        {"Flatten": {"name": "flatten"}},
        {"Dense": {"units": 4096, "activation": "relu", "name": "fc1"}},
        {"Dense": {"units": 4096, "activation": "relu", "name": "fc2"}},
        {"Dense": {"units": 1000, "activation": "softmax", "name": "predictions"}},
    ]
    old = network(*layers, shape=(224, 224, 3))
    new = changed(old, op="replace", layers="predictions", **{"with": [{"Dense": {"units": 10, "name": "photos"}}]})
    values = values_of(old)
    values |= {("photos", "vars/0"): np.zeros((4096, 10), "float32"), ("photos", "vars/1"): np.zeros(10, "float32")}
    for name, model in (("old", old), ("new", new)):
        write_archive(folder / f"{name}.keras", model, values)
    return folder / "old.keras", folder / "new.keras"


def forget(file: Path) -> None:
    """Has the system drop what it keeps of a file in memory."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@dataclass(frozen=True)
class Measured:
    """What a process took, with those that it started: seconds, seconds of processors, peak megabytes of the largest."""

    seconds: float
    processor: float
    megabytes: float


def measured(command: Sequence[str | Path], status: int, forgotten: Sequence[Path] = ()) -> Measured:
    """Runs a process of its own, after these files are forgotten."""
    for file in forgotten:
        forget(file)
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT) as process:
        _, code, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode != status:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return Measured(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="surgery-bench-") as name:
        # In a process of its own: what a child holds before it starts its program counts as its peak memory.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            old, new = pool.apply(write_models, (Path(name),))
        copy = Path(shutil.copyfile(old, Path(name) / "copy.keras"))
        measured([sys.executable, "-c", LEAN, old, new], 4)
        diff = [sys.executable, "-m", "surgery", "diff", "--exit-code", old, new]
        print(f"{old.stat().st_size:,} and {new.stat().st_size:,} bytes")
        for where in ("disk", "memory"):
            ratios = []
            for number in range(1, ROUNDS + 1):
                cmp = measured(["cmp", old, copy], 0, [old, copy] if where == "disk" else [])
                ours = measured(diff, 4, [old, new] if where == "disk" else [])
                ratios.append(ours.seconds / cmp.seconds)
                said = f"cmp {cmp.seconds:.2f} s, diff {ours.seconds:.2f} s, {ratios[-1]:.2f} times, {ours.megabytes:.0f} MB"
                print(
                    f"from {where}, round {number}: {said} (processors {cmp.processor:.2f} s and {ours.processor:.2f} s)"
                )
            print(f"from {where}, median: {statistics.median(ratios):.2f} times the time of cmp")


if __name__ == "__main__":
    main()
