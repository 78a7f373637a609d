"""What the tests of resuming share: three stages with all that has a state, and a progress that sends a signal at a chosen moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from surgery.execution import stopping
from surgery.training import progress
from surgery.training.history import EpochRecord
from surgery.training.progress import Quiet
from surgery.training.resuming.checkpoint import Checkpoint, read_checkpoint
from surgery.training.resuming.keeping import Keeping
from surgery.training.setting import StageWork
from surgery.training.stages import Outcome, train
from tests.training import small

FROZEN = {"hidden": False, "norm": False, "drop": True, "head": True}
ALL = dict.fromkeys(FROZEN, True)
PATIENT = {"EarlyStopping": {"monitor": "val_loss", "patience": 1, "restore_best_weights": True}}
SLOWER = {"ReduceLROnPlateau": {"monitor": "val_loss", "patience": 1, "factor": 0.5, "cooldown": 1}}
RISING = {"EarlyStopping": {"monitor": "val_loss", "patience": 2, "mode": "max", "restore_best_weights": True}}

STAGES = [
    StageWork(small.stage("head", epochs=2, callbacks=(PATIENT, SLOWER)), FROZEN),
    StageWork(
        small.stage(
            "all",
            epochs=3,
            optimizer={"AdamW": {"learning_rate": 0.02, "use_ema": True, "gradient_accumulation_steps": 2}},
            warmup={"steps": 9},
            callbacks=(SLOWER,),
        ),
        ALL,
        1,
    ),
    StageWork(
        small.stage(
            "settle",
            epochs=4,
            optimizer={"SGD": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 20}}}},
            callbacks=(RISING,),
        ),
        ALL,
        2,
    ),
]
"""6 steps an epoch, of 16 examples."""


class At(Quiet):
    """Sends a signal at a step of an epoch of a stage; step 0 is the end of the epoch."""

    def __init__(self, stage: str, epoch: int, step: int) -> None:
        self._when = (stage, epoch, step)
        self._stage = ""

    def stage(self, name: str, epochs: int, steps: int | None) -> None:
        self._stage = name

    def step(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        self._maybe(epoch, step)

    def epoch(self, record: EpochRecord) -> None:
        self._maybe(record.epoch, 0)

    def _maybe(self, epoch: int, step: int) -> None:
        if (self._stage, epoch, step) == self._when:
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def obeying() -> Iterator[None]:
    """Signals as in a command, and every step reported."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    redrawn, progress.REDRAWN = progress.REDRAWN, 0.0
    stopping.obey_signals()
    try:
        yield
    finally:
        progress.REDRAWN = redrawn
        stopping._Asked.number = None
        for number, handler in before.items():
            signal.signal(number, handler)


def trained(folder: Path, at: At | None = None, resume: bool = False, **changes: Any) -> tuple[keras.Model, Outcome]:
    """A training of a new model, up to the signal or to its end."""
    model, path = changes.pop("make", small.model)(), folder / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    stages = changes.pop("stages", STAGES)
    kept = read_checkpoint(path)[1] if resume else None
    setting = small.setting(folder, progress=at, **changes)
    with obeying():
        return model, train(model, stages, setting, keeping=Keeping(Checkpoint(path, {}), kept))


def states(model: keras.Model) -> list[np.ndarray]:
    """All weights, and the states of random generators."""
    return [
        np.array(keras.ops.convert_to_numpy(variable)) for variable in model.variables if "metric" not in variable.path
    ]


def plain(outcome: Outcome) -> list[dict[str, Any]]:
    """The history without what a clock or a cache says."""
    found = outcome.history.to_json()
    for stage in found:
        stage["seconds"] = 0
        stage["frozen_prefix"] = None
        for epoch in stage["epochs"]:
            epoch["seconds"] = 0
    return found
