"""What a plan claims about the numbers that the result computes, measured: both models on one small seeded batch.

An operation says what it leaves as it is (`Operation.claim`). Which tensors of the result must then be those of the source
follows from the two specs; they are compared where they end: at the outputs, and where something new begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surgery.errors import PromiseBroken, SurgeryError
from surgery.execution.build import build_source_model
from surgery.execution.claims import Check, Evidence, claims_of
from surgery.model.congruence import congruent, frontier
from surgery.model.spec import ModelSpec, TensorRef
from surgery.planning import Plan

BATCH = 2
UNKNOWN = 16
"""The size of an axis that may have any, other than the batch."""
TOLERANCE = 1e-5
"""What the sums of one network may differ by when another order of operations is chosen, relative to the largest value."""
MOST = 16
"""Tensors that are compared, at most."""


def evidence(plan: Plan, result: Any, trust: Sequence[str] = ()) -> Evidence:
    """Compares the result with the source where nothing may have changed.

    Args:
        plan: The plan.
        result: The Keras model after its operations, not trained yet.
        trust: Modules outside Keras that may be imported.

    Raises:
        PromiseBroken: a tensor is not what the plan says.
    """
    claims, before, after = claims_of(plan), plan.source.spec, plan.spec
    if plan.source.holds_code:
        return Evidence(claims, not_measured="the source model carries code, which is never run")
    same = congruent(before, after)
    compared = frontier(after, same)[:MOST]
    if not compared:
        return Evidence(claims, not_measured="nothing of the source is left to compare")
    if len(before.refs_in()) != len(after.refs_in()):
        return Evidence(claims, not_measured="source and result take other inputs")
    batch = probe(before, plan.recipe.seed)
    try:
        old = computed(build_source_model(plan, trust), [same[ref] for ref in compared], batch)
        new = computed(result, compared, batch)
    except SurgeryError:
        raise
    except Exception as error:  # noqa: BLE001 - a layer may refuse numbers that it was not made for, with any exception
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Evidence(claims, not_measured=f"the model does not take a random batch: {reason}")
    outputs = set(after.refs_out())
    pairs = zip(compared, old, new, strict=True)
    checks = tuple(Check(str(ref), str(same[ref]), ref in outputs, *_compared(*both)) for ref, *both in pairs)
    for check in checks:
        if not check.held:
            raise PromiseBroken(
                f"the result computes other numbers at '{check.layer}' than the source at '{check.source}' (they differ by "
                f"{check.difference:.2g} of the largest), and no operation changes them"
            )
    return Evidence(claims, checks)


def probe(model: ModelSpec, seed: int) -> list[np.ndarray[Any, Any]]:
    """Numbers for every input: of [0, 1), or 0 and 1 where whole numbers go in."""
    generator = np.random.default_rng(seed)
    return [_numbers(generator, model, ref) for ref in model.refs_in()]


def _numbers(generator: np.random.Generator, model: ModelSpec, ref: TensorRef) -> np.ndarray[Any, Any]:
    tensor = model.by_name[ref.layer].outputs[0]
    known = [UNKNOWN if axis is None else axis for axis in tensor.shape[1:]]
    shape = (tensor.shape[0] or BATCH, *known)
    if tensor.dtype == "string":
        return np.full(shape, "a")
    if "int" in tensor.dtype or tensor.dtype == "bool":
        return generator.integers(0, 2, shape).astype(tensor.dtype)
    return generator.uniform(size=shape).astype("float32")


def computed(model: Any, refs: Sequence[TensorRef], batch: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The values of some tensors of a model, for values of its inputs in their flat order."""
    import keras

    graph = getattr(model, "_functional", None) or model
    nodes = {id(node) for depth in graph._nodes_by_depth.values() for node in depth}
    operations = {operation.name: operation for operation in graph.operations}
    ends = []
    for ref in refs:
        own = [node for node in operations[ref.layer]._inbound_nodes if id(node) in nodes]
        ends.append(own[ref.call].output_tensors[ref.output])
    part = keras.Model(graph.inputs, ends)
    values = part([keras.ops.convert_to_tensor(values) for values in batch], training=False)
    return [np.asarray(keras.ops.convert_to_numpy(value)) for value in keras.tree.flatten(values)]


def _compared(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> tuple[float, bool]:
    if old.shape != new.shape:
        return float("inf"), False
    if old.tobytes() == new.tobytes():
        return 0.0, True
    one, other = old.astype("float64"), new.astype("float64")
    if not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return float("inf"), False
    finite = np.isfinite(one)
    largest = float(np.abs(one[finite]).max(initial=1e-30))
    difference = float(np.abs(one[finite] - other[finite]).max(initial=0.0)) / largest
    return difference, difference <= TOLERANCE
