"""A run made again, and compared with what the lock says came out of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from surgery.errors import raise_all
from surgery.planning import Plan
from surgery.planning.facts import Facts
from surgery.planning.lock import Lock
from surgery.planning.outputs import compare_outputs, other_stack, output_facts, was_on_features
from surgery.training.process import carry_out


@dataclass(frozen=True)
class Verification:
    """That a run came to the same again."""

    outputs: int
    """How many facts were compared."""
    other_stack: tuple[str, ...]
    """What bits follow from and is another than when the lock was written, in lines."""
    notes: tuple[str, ...]
    """What repetition does not cover, in sentences."""

    @property
    def is_same_stack(self) -> bool:
        """Whether they are equal bit for bit; else they are as near as the lock's tolerances ask for."""
        return not self.other_stack


def verify(plan: Plan, lock: Lock, inputs: Facts, trust: Sequence[str] = ()) -> Verification:
    """Carries out a plan in a scratch folder, which is gone afterwards. Where no stage of the locked run trained on features of frozen
    layers, none does now.

    Args:
        plan: The plan of the recipe.
        lock: Its lock, with outputs.
        inputs: What goes into the run now.
        trust: The modules outside Keras that may be imported.

    Raises:
        LockDrift: for each output that is not as it is locked.
        SurgeryError: the run itself failed.
    """
    with tempfile.TemporaryDirectory(prefix="surgery-verify-") as scratch, _own_cache(scratch):
        result = carry_out(plan, trust=trust, output=Path(scratch) / "model.keras", cache=was_on_features(lock))
        outputs = output_facts(result.model, result.document)
    others = tuple(other_stack(lock, inputs, outputs))
    errors = compare_outputs(lock, outputs, plan, same_stack=not others)
    if errors:
        within = f"the same, within the tolerances of the lock, for bits cannot be asked for: {'; '.join(others)}"
        errors[-1].expected = within if others else "the same bits"
        errors[-1].fix = "if the new result is meant, lock it: surgery run --lock RECIPE"
        if others:
            errors[-1].fix += "; or verify where the lock was written"
    raise_all(errors)
    return Verification(len(outputs), others, tuple(result.document["notes"]))


@contextmanager
def _own_cache(folder: str) -> Iterator[None]:
    """Nothing that an earlier run computed and kept is taken over: it would be compared with itself."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
