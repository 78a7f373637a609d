"""Pruning random graphs: channels that are zero everywhere are not missed, and every shape is the one that was promised."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgery.model.channels import changed_channels, trace
from surgery.model.derive import derive
from surgery.model.edits import apply_edits
from surgery.model.spec import ModelSpec
from surgery.model.weights import Stored, shape_of
from tests.model.channels.forward import Array, forward
from tests.networks import PROVE, as_saved, changed, network, values_of

STEPS, FEATURES = 3, 4


@st.composite
def graphs(draw: st.DrawFn) -> ModelSpec:
    """Layers on (steps, features), each on earlier ones; what is left over is flattened, put side by side, and read."""
    model = network({"Dense": {"units": 4, "name": "l0"}}, shape=(STEPS, FEATURES))
    names = ["l0"]
    for number in range(1, draw(st.integers(3, 9))):
        layer = draw(_layer(model, names))
        class_name = next(iter(layer))
        layer[class_name]["name"] = f"l{number}"
        model = changed(model, op="append", layers=[layer])
        names.append(f"l{number}")
    used = {name for layer in model.layers for name in layer.inbound}
    loose = [name for name in names if name not in used]
    for name in loose:
        model = changed(model, op="append", layers=[{"Flatten": {"name": f"flat_{name}", "inputs": [name]}}])
    flat = [f"flat_{name}" for name in loose]
    if len(flat) > 1:
        model = changed(model, op="append", layers=[{"Concatenate": {"name": "all", "inputs": flat}}])
    return as_saved(changed(model, op="append", layers=[{"Dense": {"units": 2, "name": "head"}}]))


@st.composite
def _layer(draw: st.DrawFn, model: ModelSpec, names: list[str]) -> dict[str, dict[str, Any]]:
    first = draw(st.sampled_from(names))
    size = model[first].outputs[0].shape[-1]
    alike = [name for name in names if model[name].outputs[0].shape[-1] == size and name != first]
    kinds = ["Dense", "ReLU", "BatchNormalization", "DepthwiseConv1D", "Concatenate"] + ["Add", "Multiply"] * 2
    kind = draw(st.sampled_from(kinds))
    if kind in ("Add", "Multiply") and not alike:
        kind = "Dense"
    match kind:
        case "Dense":
            return {"Dense": {"units": draw(st.integers(2, 5)), "inputs": [first]}}
        case "DepthwiseConv1D":
            return {kind: {"kernel_size": 1, "depth_multiplier": draw(st.integers(1, 2)), "inputs": [first]}}
        case "Add" | "Multiply":
            return {kind: {"inputs": [first, draw(st.sampled_from(alike))]}}
        case "Concatenate" if len(names) > 1:
            other = draw(st.sampled_from([name for name in names if name != first]))
            return {kind: {"inputs": [first, other]}}
        case "Concatenate":
            return {"ReLU": {"inputs": [first]}}
        case _:
            return {kind: {"inputs": [first]}}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs(), st.integers(0, 10**6))
def test_channels_that_are_zero_everywhere_are_not_missed(model: ModelSpec, choice: int) -> None:
    flow = trace(model)
    fixed = flow.fixed(ends=True)
    makers = [name for name in flow.spaces if name not in ("image", "head")]
    maker = makers[choice % len(makers)]
    roots = flow.joins.roots(flow.spaces[maker])
    gone = int(roots[choice % len(roots)])
    assert gone not in fixed
    spaces = {}
    for name, atoms in flow.spaces.items():
        left = flow.joins.roots(atoms) != gone
        if not left.any():
            return
        if not left.all():
            spaces[name] = atoms[left]

    values = values_of(model)
    for name in values:
        values[name] = np.abs(values[name]) + 0.1 if values[name].ndim == 1 else values[name]
    for key, axis in flow.made.items():
        values[key][(slice(None),) * axis + (flow.joins.roots(flow.uses[key][axis]) == gone,)] = 0

    pruned = apply_edits(model, changed_channels(model, flow, spaces), PROVE)
    x = np.random.default_rng(0).normal(size=(2, STEPS, FEATURES)).astype("float32")
    old = forward(model, values, x)
    assert np.allclose(old, forward(pruned, derived(pruned, values), x), atol=1e-5)


def derived(model: ModelSpec, values: dict[tuple[str, str], Array]) -> dict[tuple[str, str], Array]:
    """The values by the ledger, each of the shape that was proved."""

    def read(stored: Stored) -> Array:
        return values[stored.path, stored.key]

    found = {}
    for path, layer in model.walk():
        for weight in layer.weights:
            assert shape_of(weight.source) == weight.shape
            found[path, weight.key] = derive(weight.source, read, lambda: np.zeros(0))
    return found
