"""What operations claim, and what came of measuring it, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from surgery.planning import Plan

NOT_NEEDED = "Keras was not needed; apply --prove measures"
NOT_ALL_NEEDED = "Keras loads and calls the result, whose source an older Keras wrote; apply --prove measures"
NOT_WANTED = "as --no-prove asks"


@dataclass(frozen=True)
class Check:
    """One tensor of the result, and the one of the source that it must be."""

    layer: str
    source: str
    is_output: bool
    difference: float
    """The largest, over the largest value of the source's tensor; 0 when every bit is the same."""
    held: bool


@dataclass(frozen=True)
class Claimed:
    """What an operation of the recipe claims."""

    op: str
    line: int
    claim: str


@dataclass(frozen=True)
class Evidence:
    """What is claimed, what was measured; or why nothing was."""

    claims: tuple[Claimed, ...]
    checks: tuple[Check, ...] = ()
    not_measured: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What `run.json` holds of it."""
        return {
            "claims": [asdict(claim) for claim in self.claims],
            "checks": [asdict(check) for check in self.checks],
            "not_measured": self.not_measured,
        }


def claims_of(plan: Plan) -> tuple[Claimed, ...]:
    """What the operations of a plan claim, in their order."""
    found = ((step, step.operation.claim()) for step in plan.steps)
    return tuple(Claimed(step.op, step.line, claim) for step, claim in found if claim)
