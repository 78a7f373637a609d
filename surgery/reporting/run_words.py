"""Numbers and sentences that the reports of a run share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


def metric(value: float | None) -> str:
    """Four decimals, or an exponent where those would say nothing; empty where there is no value."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def epochs(number: int) -> str:
    """`1 epoch`, `2 epochs`."""
    return "1 epoch" if number == 1 else f"{number} epochs"


def computed_once(stage: Mapping[str, Any]) -> str:
    """What the frozen layers of a stage cost, how often they would have, and how near that comes to the whole network; or why it
    trained whole. Empty where nothing was to be computed once."""
    number = len(stage["epochs"])
    if stage.get("whole_because"):
        return f"the whole network in every step: {stage['whole_because']}"
    if not stage.get("frozen_prefix"):
        return ""
    spared = f", instead of in each of {number} epochs" if number > 1 else ""
    return f"{stage['frozen_prefix']}{spared}{_nearness(stage.get('features'))}"


def _nearness(features: Mapping[str, Any] | None) -> str:
    if not features:
        return ""
    how = f"within {features['difference']:.0e} of the largest value of ({features['tolerance']:g} is allowed)"
    return (
        f"; {'equal bit for bit to' if features['exact'] else how} the whole network on {features['examples']} examples"
    )


def status_sentence(document: Mapping[str, Any], escape: Callable[[str], str]) -> str:
    """How the run ended, in one sentence."""
    match document["status"]:
        case "done":
            return "The run is done."
        case "gate-failed":
            return "**A gate failed, so no model was written.**"
        case _:
            return f"**The run failed: {escape(document['failure'])}**"
