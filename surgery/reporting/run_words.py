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
    near = f"within {features['difference']:.0e} of the largest value ({features['tolerance']:g} is allowed) of"
    how = "equal bit for bit to" if features["exact"] else near
    return f"; {how} what the whole network computes, on {features['examples']} examples"


def precision_note(stage: Mapping[str, Any]) -> str:
    """By what the loss of a stage was scaled, and what that left out; empty where it was not."""
    scale = stage.get("loss_scale")
    if not scale:
        return ""
    left_out = f"{scale['skipped']} of {scale['steps']} steps left out, for their gradients were not finite"
    return f"the loss was scaled, by {scale['last']:g} at the end{f'; {left_out}' if scale['skipped'] else ''}"


def unmoved_note(stage: Mapping[str, Any]) -> str:
    """Which of the variables that a stage trains are as they were; empty where all moved."""
    still = stage.get("unmoved")
    if not still:
        return ""
    layers: dict[str, list[str]] = {}
    for variable in still["variables"]:
        path, _, name = variable.rpartition(" ")
        layers.setdefault(path, []).append(name)
    named = [f"{path} ({', '.join(names)})" for path, names in layers.items()]
    shown = ", ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more layers" if len(named) > NAMED else "")
    if still["is_all"]:
        return f"WARNING: none of the {still['of']} variables that it trains changed: {shown}. {_WHY_NONE}"
    return f"{len(still['variables'])} of the {still['of']} variables that it trains did not change: {shown}"


NAMED = 8
"""Layers that a sentence names."""
_WHY_NONE = (
    "Is the learning rate 0, every gradient 0 or not finite (an activation that is dead, a precision that is too short), "
    "or are there fewer steps than gradient_accumulation_steps?"
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
