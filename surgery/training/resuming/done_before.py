"""Stages that an earlier run has done, by the digest of all that they follow from: they are not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from surgery.errors import CheckpointForeign, FileMissing, FileUnreadable
from surgery.model.fingerprint import canonical_json, variable_digest
from surgery.planning.facts import Facts
from surgery.training.frozen_prefix.agreement import TOLERANCES
from surgery.training.optimizer_state import OptimizerState
from surgery.training.resuming import store
from surgery.training.resuming.bundle import read_bundle, write_bundle
from surgery.training.resuming.course import Course
from surgery.training.resuming.state import TrainingState, value_of
from surgery.training.setting import StageWork

FORMAT = "surgery-stage-2"


@dataclass
class DoneBefore:
    """The stages that are kept.

    Args:
        folder: Where they lie.
        room: How many bytes all of them may take.
        facts: What the weights follow from beside the stages.
        again: Why some stages are done in every run, by name.
    """

    folder: Path
    room: int
    facts: Facts
    again: Mapping[str, str] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def find(self, course: Course, work: StageWork) -> TrainingState | None:
        """A stage that is done, as an earlier run of this user left it: the model has its values. Everything else is thrown away."""
        course.key = self._key(course, work)
        if course.key is None:
            return None
        place = self.folder / course.key
        try:
            head, value = read_bundle(place)
            if head["stage"] != course.key:
                raise ValueError("another stage under this name")
            kept = TrainingState.from_value(value)
            (record,) = kept.stages
            course.variables.restore(kept.variables)
        except FileMissing:
            return None
        except (CheckpointForeign, FileUnreadable, LookupError, TypeError, ValueError):
            store.remove(place)
            return None
        store.use(place)
        return replace(kept, stages=(replace(record, reused=True),))

    def keep(self, course: Course) -> None:
        """Keeps the stage that was done last. Where the disk has no room it is done again some day."""
        if course.key is None:
            return
        state = course.state()
        size = course.variables.size + sum(value.nbytes for value in state.optimizer.slots.values())
        if size > self.room:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            store.make_room(self.folder, self.room - size)
            done = replace(state, stages=state.stages[-1:])
            write_bundle(self.folder / course.key, {"stage": course.key}, done.to_value())

    def _key(self, course: Course, work: StageWork) -> str | None:
        """The digest of all that a stage follows from. None where it is done in every run."""
        if work.stage.name in self.again or not self.room:
            return None
        parts = [FORMAT, dict(self.facts), self._start(course), _carried(course.optimizer), _planned(work)]
        return hashlib.sha256(canonical_json(parts)).hexdigest()

    def _start(self, course: Course) -> dict[str, str]:
        """The digest of each variable of the model; one that no stage has changed is read once."""
        for name, variable in course.variables.all().items():
            if name not in self._digests or course.variables.is_changed(variable):
                self._digests[name] = variable_digest(value_of(variable))
        return self._digests


def _carried(optimizer: OptimizerState) -> list[Any]:
    slots = [[*name, variable_digest(values)] for name, values in sorted(optimizer.slots.items())]
    return [slots, [[*name, count] for name, count in sorted(optimizer.updates.items())]]


def _planned(work: StageWork) -> dict[str, Any]:
    """The stage as planned. Its name is part of it: the order of the data follows from it."""
    return {
        "stage": work.stage.model_dump(mode="json", by_alias=True),
        "trainable": dict(work.trainable),
        "rates": {path: [rate.multiplier, rate.weight_decay] for path, rate in work.rates.items()},
        "adapted": list(work.adapted),
        "prefix": [work.prefix.digest, list(work.prefix.layers)],
        "tolerances": TOLERANCES,
        "carries": [work.goes_on, work.hands_on],
    }
