"""What came out of a run, as facts of the lock; and whether another run came to the same."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgery.errors import LockDrift, SurgeryError
from surgery.model.archive import open_model
from surgery.model.fingerprint import config_digest, variable_digest, variable_norm
from surgery.model.proved import proved
from surgery.planning.facts import Facts, differing
from surgery.planning.lock import OUTPUT_OF, Lock
from surgery.planning.plan import Plan
from surgery.planning.stack import machine

MACHINE, DEVICE = "output machine", "output device"
FEATURES = "output features stage "
"""Whether a stage trained on features of its frozen layers, and how near these came to the whole network."""
EXACT, WHOLE = "equal bit for bit where compared", "none: the whole network"
STACK = ("version ", "backend", "device")
"""Inputs that another stack has otherwise, without the recipe, the model or the data being others."""


def output_facts(model: Path, document: Mapping[str, Any]) -> dict[str, str]:
    """What a run made.

    Args:
        model: The file that it wrote.
        document: What its `run.json` holds.
    """
    found = {MACHINE: machine(), DEVICE: str(document["device"]).partition(",")[0]}
    spec, values = open_model(model)
    with values:
        spec = proved(spec, model.name, lenient=True)
        found["output config"] = f"sha256:{config_digest(spec)}"
        for path, layer in spec.walk():
            for weight in layer.weights:
                array = values[path, weight.key]
                name = f"output variable {path} {weight.key} {weight.name}"
                found[name] = f"sha256:{variable_digest(array)} norm {variable_norm(array):.6g}"
    for one in document["evaluation"]:
        found[f"output metric {one['evaluation']}: {one['metric']}"] = repr(one["after"])
    for stage in document["stages"]:
        found[f"{FEATURES}{stage['name']}"] = _features(stage)
        for metric, value in (stage["epochs"][-1]["metrics"] if stage["epochs"] else {}).items():
            found[f"output metric stage {stage['name']}: {metric}"] = repr(value)
    return dict(sorted(found.items()))


def compare_outputs(lock: Lock, now: Facts, plan: Plan, *, same_stack: bool) -> list[SurgeryError]:
    """An error for each output that is not as it is locked.

    Args:
        lock: A lock with outputs.
        now: The outputs of the run that was made again.
        plan: The plan of that run: it says what training never touches, and that is equal bit for bit on every stack.
        same_stack: Whether nothing is another that bits follow from; else the tolerances of the lock hold.
    """
    locked = {name: fact for name, fact in _results(lock.outputs).items() if name != OUTPUT_OF}
    found = _results(now)
    untouched = set() if same_stack else _untouched(plan)
    return [
        LockDrift(text, location=lock.location(name))
        for name, text in differing(locked, found)
        if same_stack or name in untouched or not _is_near(name, locked.get(name), found.get(name), lock.tolerances)
    ]


def other_stack(lock: Lock, inputs: Facts, outputs: Facts) -> list[str]:
    """What about software, machine, device and features is another than when the lock was written, in a line each. Where nothing is,
    bits may be asked for."""
    then = {name: fact for name, fact in lock.inputs.items() if name.startswith(STACK)}
    then |= {name: lock.outputs.get(name, "") for name in (MACHINE, DEVICE)}
    now = {name: fact for name, fact in {**inputs, **outputs}.items() if name in then}
    for name, fact in lock.outputs.items():
        if name.startswith(FEATURES):
            then[name], now[name] = fact, outputs.get(name, WHOLE)
    return [text.removeprefix("output ") for _, text in differing(then, now)]


def elsewhere(lock: Lock) -> list[str]:
    """What to expect of a run with the inputs of a lock on another machine than that of its outputs, in a sentence."""
    then = lock.outputs.get(MACHINE, machine())
    if then == machine():
        return []
    return [
        f"what goes in is as it is locked. What came out is of another machine ({then}; this is {machine()}): the last bits may differ"
    ]


def was_on_features(lock: Lock) -> bool:
    """Whether a stage of the locked run may have trained on features. Older locks do not say."""
    found = [fact for name, fact in lock.outputs.items() if name.startswith(FEATURES)]
    return not found or any(fact != WHOLE for fact in found)


def _features(stage: Mapping[str, Any]) -> str:
    near = stage.get("features")
    if near is None or stage.get("whole_because"):
        return WHOLE
    return EXACT if near["exact"] else f"within {near['tolerance']:g} of the largest value"


def _results(outputs: Facts) -> dict[str, str]:
    """What came out, without how."""
    return {n: fact for n, fact in outputs.items() if n not in (MACHINE, DEVICE) and not n.startswith(FEATURES)}


def without_stack(facts: Facts) -> dict[str, str]:
    """The facts that must hold on every stack."""
    return {name: fact for name, fact in facts.items() if not name.startswith(STACK)}


def _untouched(plan: Plan) -> set[str]:
    """The variables that are kept and that no stage trains."""
    trained = {path for stage in plan.stages for path, value in stage.trainable.items() if value}
    kept = {(line.path, line.key, line.variable) for line in plan.ledger if line.is_kept and line.path not in trained}
    return {f"output variable {path} {key} {name}" for path, key, name in kept}


def _is_near(name: str, locked: str | None, now: str | None, tolerances: Facts) -> bool:
    if locked is None or now is None:
        return False
    if name.startswith("output metric "):
        return abs(_number(locked) - _number(now)) <= _number(tolerances.get("tolerance metric", "0"))
    one, other = (_number(text.partition(" norm ")[2]) for text in (locked, now))
    return abs(one - other) <= _number(tolerances.get("tolerance norm", "0")) * max(one, other)


def _number(text: str) -> float:
    """A number of the lock; what is none is near to nothing."""
    return float(text) if re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", text) else math.nan
