"""What a plan claims about the numbers that the result computes, measured: both models on one small seeded batch.

An operation says what it leaves as it is (`Operation.claim`). Which tensors of the result must then be those of the source
follows from the two specs; they are compared where they end: at the outputs, and where something new begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgery.errors import PromiseBroken, SurgeryError
from surgery.execution.build import build_source_model
from surgery.execution.claims import Check, Evidence, claims_of
from surgery.model.congruence import congruent, frontier
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef
from surgery.planning import Plan

BATCH = 2
UNKNOWN = 16
"""The size of an axis that may have any, other than the batch."""
TOLERANCE = 1e-5
"""What the sums of one network may differ by when another order of operations is chosen, relative to the largest value."""
AT_ONCE = 16
"""Tensors that are in memory together."""

Arrays = list[np.ndarray[Any, Any]]


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
    if len(before.refs_in()) != len(after.refs_in()):
        return Evidence(claims, not_measured="source and result take other inputs")
    try:
        # Nothing is built where nothing can be compared.
        if not any(True for _ in _places(before, after)):
            return Evidence(claims, not_measured="nothing of the source is left to compare")
        models = Pair(before, after, build_source_model(plan, trust), result)
        checks = tuple(_checked(models, probe(before, plan.recipe.seed)))
    except SurgeryError:
        raise
    except Exception as error:  # noqa: BLE001 - a layer may refuse numbers that it was not made for, with any exception
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Evidence(claims, not_measured=f"the model does not take a random batch: {reason}")
    for check in checks:
        if not check.held:
            raise PromiseBroken(
                f"the result computes other numbers at '{check.layer}' than the source at '{check.source}' (they differ by "
                f"{check.difference:.2g} of the largest), and no operation changes them"
            )
    return Evidence(claims, checks)


@dataclass(frozen=True)
class Pair:
    """A model of the source, or one nested in it, and what became of it: both specs, both live."""

    before: ModelSpec
    after: ModelSpec
    old: Any
    new: Any
    path: str = ""
    """Of a nested model in the result, with a slash at the end."""
    path_before: str = ""


Nested = tuple[LayerSpec, LayerSpec, tuple[TensorRef, ...]]
"""A nested model of the source, what became of it, and the tensors of the source's model that go into both."""


def _checked(pair: Pair, batch: Arrays) -> Iterator[Check]:
    """Compares what must be the same in two models, and in the nested models of which only a part is."""
    same = congruent(pair.before, pair.after)
    compared, outputs = frontier(pair.after, same), set(pair.after.refs_out())
    for begin in range(0, len(compared), AT_ONCE):
        refs = compared[begin : begin + AT_ONCE]
        values = zip(
            refs, computed(pair.old, [same[ref] for ref in refs], batch), computed(pair.new, refs, batch), strict=True
        )
        for ref, *both in values:
            is_output = not pair.path and ref in outputs
            yield Check(f"{pair.path}{ref}", f"{pair.path_before}{same[ref]}", is_output, *how_near(*both))
    for theirs, ours, inputs in _nested(pair.before, pair.after, same):
        assert theirs.inner is not None
        assert ours.inner is not None
        models = (pair.old.get_layer(theirs.name), pair.new.get_layer(ours.name))
        paths = (f"{pair.path}{ours.name}/", f"{pair.path_before}{theirs.name}/")
        yield from _checked(Pair(theirs.inner, ours.inner, *models, *paths), computed(pair.old, inputs, batch))


def _places(before: ModelSpec, after: ModelSpec) -> Iterator[TensorRef]:
    """The tensors that will be compared, those of nested models included."""
    same = congruent(before, after)
    yield from frontier(after, same)
    for theirs, ours, _ in _nested(before, after, same):
        if theirs.inner and ours.inner:
            yield from _places(theirs.inner, ours.inner)


def _nested(before: ModelSpec, after: ModelSpec, same: Mapping[TensorRef, TensorRef]) -> Iterator[Nested]:
    """The nested models that get the same inputs and do not compute the same."""
    theirs = {layer.origin: layer for layer in before.layers if layer.inner and layer.inner.inputs is not None}
    for layer in after.layers:
        old = theirs.get(layer.origin)
        if old is None or not layer.inner or layer.inner.inputs is None or TensorRef(layer.name) in same:
            continue
        inputs = tuple(same.get(ref) for ref in layer.calls[0].refs())
        if inputs == old.calls[0].refs() and len(layer.inner.refs_in()) == len(inputs):
            yield old, layer, old.calls[0].refs()


def probe(model: ModelSpec, seed: int) -> Arrays:
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


def computed(model: Any, refs: Sequence[TensorRef], batch: Arrays) -> Arrays:
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


def how_near(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> tuple[float, bool]:
    """By how much of the largest value of the first two arrays differ, 0 where all bits are equal; and whether that is rounding."""
    if old.shape != new.shape:
        return float("inf"), False
    if old.tobytes() == new.tobytes():
        return 0.0, True
    one, other = old.astype("float64"), new.astype("float64")
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return float("inf"), False
    largest = float(np.abs(one[finite]).max(initial=1e-30))
    difference = float(np.abs(one[finite] - other[finite]).max(initial=0.0)) / largest
    # 0.0 and -0.0 do not differ, and are not the same bits.
    return max(difference, np.finfo("float64").tiny), difference <= TOLERANCE
