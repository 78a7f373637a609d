"""Times `surgery plan` and `surgery inspect` on a 550 MB VGG16 against `keras.models.load_model`, each in a process of its own.

    make bench

The model has random weights. For each: seconds from the start of the process to its end, the best of three; peak memory,
the larger one of the process and its children; and whether Keras or TensorFlow was imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECIPE = """\
surgery: 1
model: {path: vgg16.keras}
operations:
  - op: replace
    layers: predictions
    with:
      - Dense: {units: 10, activation: softmax, name: ten}
  - op: freeze
    layers: {to: block4_pool}
"""

MAKE = """
import sys, keras
keras.applications.VGG16(weights=None).save(sys.argv[1])
"""

LOAD = """
import keras, time
began = time.perf_counter()
keras.models.load_model(sys.argv[1])
extra = {"load_seconds": time.perf_counter() - began}
"""

SURGERY = """
import contextlib, io
from surgery.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    status = run(sys.argv[1:])
assert status == 0, status
extra = {}
"""

ACCOUNT = """
import json, resource
usage = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
heavy = sorted({"keras", "tensorflow"} & set(sys.modules))
print(json.dumps({"megabytes": max(usage), "imported": heavy, **extra}))
"""


@dataclass(frozen=True)
class Measured:
    """What a process took."""

    seconds: float
    megabytes: float
    imported: tuple[str, ...]
    load_seconds: float | None = None
    """Of `load_model` alone, without importing Keras."""


# Bytecode is kept between processes, as it is for anything installed.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def measure(code: str, *arguments: str) -> Measured:
    """Runs code in three fresh processes, one after the other; the quickest counts."""
    return min((_measured(code, arguments) for _ in range(3)), key=lambda measured: measured.seconds)


def _measured(code: str, arguments: Sequence[str]) -> Measured:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{ACCOUNT}", *arguments],
        env=ENVIRONMENT | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    return Measured(
        time.perf_counter() - began, found["megabytes"], tuple(found["imported"]), found.get("load_seconds")
    )


def line(name: str, measured: Measured) -> str:
    imported = ", ".join(measured.imported) or "nothing heavy"
    return f"{name:<18}{measured.seconds:8.2f} s {measured.megabytes:8.0f} MB   imported: {imported}"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        model, recipe = Path(folder) / "vgg16.keras", Path(folder) / "recipe.yaml"
        recipe.write_text(RECIPE, encoding="utf-8")
        subprocess.run([sys.executable, "-c", MAKE, str(model)], check=True, stderr=subprocess.DEVNULL)
        print(f"VGG16: {model.stat().st_size / 1e6:.0f} MB")
        inspect = measure(SURGERY, "inspect", str(model))
        plan = measure(SURGERY, "plan", str(recipe))
        keras = measure(LOAD, str(model))
    print(line("surgery inspect", inspect), line("surgery plan", plan), line("load_model", keras), sep="\n")
    for name, measured in (("inspect", inspect), ("plan", plan)):
        print(
            f"{name} takes {measured.seconds / keras.seconds:.3f} of the whole process that loads the model, "
            f"{measured.seconds / (keras.load_seconds or keras.seconds):.3f} of the call of load_model in it"
        )
    holds = all(not m.imported and m.megabytes < 150 and m.seconds < keras.seconds / 10 for m in (inspect, plan))
    print("holds" if holds else "does not hold", "(no Keras, under 150 MB, under a tenth of the process)")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
