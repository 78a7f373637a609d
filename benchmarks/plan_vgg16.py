"""Times `surgery plan` and `surgery inspect` on a 550 MB VGG16 against `keras.models.load_model`, each in processes of its own.

    make bench

The model has random weights. For each: seconds from the start of the process to its end, the median of five, scan included; peak
memory of the largest process; and what heavy modules were imported. The three take turns, so that a busy machine slows them alike.
"""

from __future__ import annotations

import json
import os
import statistics
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
print(time.perf_counter() - began)
"""

IMPORTED = """
import contextlib, io, json
from surgery.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    assert run(sys.argv[1:]) == 0
print(json.dumps(sorted({"keras", "tensorflow", "jax", "torch", "numpy", "h5py"} & set(sys.modules))))
"""
ROUNDS = 5


@dataclass(frozen=True)
class Measured:
    """What a process took, with those that it started."""

    seconds: float
    megabytes: float
    load_seconds: float = 0.0
    """Of `load_model` alone, without importing Keras."""


# Bytecode is kept between processes, as it is for anything installed.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
}


def measure(command: Sequence[str]) -> Measured:
    """Runs a process. The last line that it prints may be a number of seconds."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        printed = process.stdout.read().split()
        _, code, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}")
    load = float(printed[-1]) if command[1] == "-c" else 0.0
    return Measured(seconds, usage.ru_maxrss / 1024, load)


def imported(*arguments: str) -> list[str]:
    """The heavy modules that a command imports."""
    command = [sys.executable, "-c", f"import sys\n{IMPORTED}", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        model, recipe = Path(folder) / "vgg16.keras", Path(folder) / "recipe.yaml"
        recipe.write_text(RECIPE, encoding="utf-8")
        subprocess.run([sys.executable, "-c", MAKE, str(model)], check=True, stderr=subprocess.DEVNULL)
        print(f"VGG16: {model.stat().st_size / 1e6:.0f} MB")
        commands = {"inspect": ["inspect", str(model)], "plan": ["plan", str(recipe)]}
        heavy = {name: imported(*command) for name, command in commands.items()}
        rounds: dict[str, list[Measured]] = {name: [] for name in (*commands, "load_model")}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                rounds[name].append(measure([sys.executable, "-m", "surgery", *command]))
            rounds["load_model"].append(measure([sys.executable, "-c", f"import sys\n{LOAD}", str(model)]))
    found = {name: sorted(measured, key=lambda one: one.seconds)[ROUNDS // 2] for name, measured in rounds.items()}
    keras = found.pop("load_model")
    call = statistics.median(one.load_seconds for one in rounds["load_model"])
    print(
        f"{'load_model':<10}{keras.seconds:8.2f} s {keras.megabytes:8.0f} MB   of these {call:.2f} s in the call itself"
    )
    for name, one in found.items():
        print(
            f"{name:<10}{one.seconds:8.2f} s {one.megabytes:8.0f} MB   {one.seconds / keras.seconds:.3f} of the process, "
            f"{one.seconds / call:.3f} of the call; imported: {', '.join(heavy[name]) or 'nothing heavy'}"
        )
    holds = all(one.megabytes < 150 and one.seconds < call / 10 for one in found.values()) and not any(heavy.values())
    print("holds" if holds else "does not hold", "(nothing heavy, under 150 MB, under a tenth of the call)")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
