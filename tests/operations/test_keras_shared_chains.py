"""A chain whose layers read each other, at a layer that is called several times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.errors import GraphUnsupported, UnknownLayer
from tests.plain_keras import applied, example, outputs, refused

pytestmark = pytest.mark.keras

layers = keras.layers
X, Y = example(5, 4), example(5, 4, seed=1)


def shared(side: bool = False) -> Any:
    """s(x) - s(y), and with a side that neither reads."""
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    s = layers.Dense(4, name="s")
    ends = layers.Subtract(name="sub")([s(x), s(y)])
    more = layers.Dense(4, name="side")(x) if side else None
    return keras.Model([x, y], [layers.Dense(2, name="out")(ends), *([more] if side else [])])


def dense(model: Any, name: str, values: Any) -> Any:
    kernel, bias = model.get_layer(name).get_weights()
    return values @ kernel + bias


def of(result: Any, each: Any) -> Any:
    """What comes of `out`, when each call makes this."""
    return dense(result, "out", each(X) - each(Y))


@pytest.mark.parametrize("name", ["s", "add_s"])
def test_insert_after_reads_the_layer_before_in_each_call(tmp_path: Path, name: str) -> None:
    new = f"[{{Dense: {{units: 4, name: a}}}}, {{Add: {{inputs: [a, s], name: {name}_sum}}}}]"
    _, result = applied(tmp_path, shared(), f"{{op: insert, after: s, layers: {new}}}")
    once = lambda v: dense(result, "a", dense(result, "s", v)) + dense(result, "s", v)  # noqa: E731
    assert np.allclose(outputs(result, X, Y)[0], of(result, once), atol=1e-5)


def test_replace_by_layers_that_read_each_other(tmp_path: Path) -> None:
    new = "[{Dense: {units: 4, name: a}}, {Dense: {units: 4, name: b}}, {Concatenate: {inputs: [a, b]}}, {Dense: {units: 4, name: c}}]"
    _, result = applied(tmp_path, shared(), f"{{op: replace, layers: s, with: {new}}}")

    def once(v: Any) -> Any:
        a = dense(result, "a", v)
        return dense(result, "c", np.concatenate([a, dense(result, "b", a)], 1))

    assert np.allclose(outputs(result, X, Y)[0], of(result, once), atol=1e-5)


def test_insert_before_reads_what_it_comes_after(tmp_path: Path) -> None:
    """x in both calls: there it is a layer of the model, called once."""
    new = "[{Dense: {units: 4, name: a}}, {Add: {inputs: [a, x]}}]"
    _, result = applied(tmp_path, shared(), f"{{op: insert, before: s, layers: {new}}}")
    once = lambda v: dense(result, "s", dense(result, "a", v) + X)  # noqa: E731
    assert np.allclose(outputs(result, X, Y)[0], of(result, once), atol=1e-5)


def test_a_layer_that_reads_nothing_of_the_calls_is_called_once(tmp_path: Path) -> None:
    new = "[{Dense: {units: 4, inputs: [side], name: a}}, {Add: {inputs: [a, s]}}]"
    _, result = applied(tmp_path, shared(side=True), f"{{op: insert, after: s, layers: {new}}}")
    assert len(result.get_layer("a")._inbound_nodes) == 1
    a = dense(result, "a", dense(result, "side", X))
    assert np.allclose(outputs(result, X, Y)[0], of(result, lambda v: dense(result, "s", v) + a), atol=1e-5)


def test_an_input_for_all_calls(tmp_path: Path) -> None:
    new = "[{Input: {shape: [4], name: z}}, {Add: {inputs: [s, z]}}, {Dense: {units: 4, name: a}}]"
    _, result = applied(tmp_path, shared(), f"{{op: insert, after: s, layers: {new}}}")
    z = example(5, 4, seed=2)
    wanted = of(result, lambda v: dense(result, "a", dense(result, "s", v) + z))
    assert np.allclose(outputs(result, X, Y, z)[0], wanted, atol=1e-5)


def test_a_chain_without_its_start_feeds_every_call_the_same(tmp_path: Path) -> None:
    new = "[{Dense: {units: 4, name: a, inputs: [side]}}]"
    _, result = applied(tmp_path, shared(side=True), f"{{op: replace, layers: s, with: {new}}}")
    assert len(result.get_layer("a")._inbound_nodes) == 1
    assert np.allclose(outputs(result, X, Y)[0], dense(result, "out", np.zeros((5, 4))), atol=1e-5)


def test_a_layer_that_feeds_itself(tmp_path: Path) -> None:
    x = keras.Input((4,), name="x")
    s = layers.Dense(4, name="s")
    model = keras.Model(x, layers.Dense(2, name="out")(s(s(x))))
    new = "[{Dense: {units: 4, name: a}}, {ReLU: {name: r}}, {Add: {inputs: [a, r]}}]"
    _, result = applied(tmp_path, model, f"{{op: replace, layers: s, with: {new}}}")

    def once(v: Any) -> Any:
        a = dense(result, "a", v)
        return a + a.clip(0)

    assert np.allclose(outputs(result, X)[0], dense(result, "out", once(once(X))), atol=1e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_one_call_of_a_shared_layer_is_named_as_plans_print_it(tmp_path: Path, number: int) -> None:
    new = f"[{{Dense: {{units: 4, name: a}}}}, {{Concatenate: {{inputs: [a, 's[{number}][0]']}}}}]"
    model = shared()
    _, result = applied(tmp_path, model, f"{{op: append, layers: {new}}}")
    a = dense(result, "a", outputs(model, X, Y)[0])
    wanted = np.concatenate([a, dense(result, "s", (X, Y)[number])], 1)
    assert np.allclose(outputs(result, X, Y)[0], wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("operation", "what"),
    [
        (
            "{op: append, layers: [{Dense: {units: 4, name: a}}, {Concatenate: {inputs: [a, s]}}]}",
            "'s' is called 2 times",
        ),
        ("{op: append, layers: [{Dense: {units: 4}}, {ReLU: {inputs: ['s[2][0]']}}]}", "'s' makes no tensor 's[2][0]'"),
        ("{op: append, layers: [{Dense: {units: 4}}, {ReLU: {inputs: ['s[0][1]']}}]}", "'s' makes no tensor 's[0][1]'"),
        ("{op: append, layers: [{Dense: {units: 4, name: a, inputs: [b]}}, {Dense: {units: 4, name: b}}]}", "later in"),
        ("{op: append, layers: [{Dense: {units: 4, name: a, inputs: [a]}}]}", "'a' reads itself"),
        (
            "{op: append, layers: [{Dense: {units: 4, name: s}}, {Add: {inputs: [s, sub]}}]}",
            "called 's' is there already",
        ),
        ("{op: append, layers: [{Dense: {units: 4, name: a}}, {Dense: {units: 4, name: a}}]}", "'a' is there already"),
        ("{op: replace, layers: out, with: [{Dense: {units: 2, name: q}}, {Add: {inputs: [q, out]}}]}", "'out' goes"),
        ("{op: replace, layers: s, with: [{Concatenate: {inputs: [x, out]}}]}", "needs its own output"),
        ("{op: insert, before: out, layers: [{Concatenate: {inputs: [sub, out]}}]}", "needs its own output"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, operation: str, what: str) -> None:
    assert what in refused(tmp_path, shared(), operation).what


def test_the_kinds_of_these_errors(tmp_path: Path) -> None:
    later = refused(tmp_path, shared(), "{op: append, layers: [{ReLU: {inputs: [b]}}, {ReLU: {name: b}}]}")
    assert isinstance(later, UnknownLayer)
    cycle = refused(tmp_path, shared(), "{op: insert, before: out, layers: [{ReLU: {inputs: [out]}}]}")
    assert isinstance(cycle, GraphUnsupported)
