"""An `Input` in a chain is one more input of the model, wherever the chain is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.errors import NameTaken
from tests.plain_keras import applied, example, outputs, planned, refused

pytestmark = pytest.mark.keras

layers = keras.layers
CHAIN = "[{Input: {shape: [3], name: extra}}, {Concatenate: {inputs: [BEFORE, extra], name: both}}, {Dense: {units: 2, name: new}}]"


def functional() -> Any:
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Dense(2, name="out")(layers.Dense(5, name="mid")(x)))


def sequential() -> Any:
    return keras.Sequential([keras.Input((4,), name="x"), layers.Dense(5, name="mid"), layers.Dense(2, name="out")])


def chain(before: str) -> str:
    return CHAIN.replace("BEFORE", before)


def dense(model: Any, name: str, values: Any) -> Any:
    kernel, bias = model.get_layer(name).get_weights()
    return values @ kernel + bias


X, EXTRA = example(6, 4), example(6, 3, seed=1)


@pytest.mark.parametrize("make", [functional, sequential])
@pytest.mark.parametrize(
    ("operation", "last"),
    [
        ("{op: append, layers: CHAIN_out}", ["mid", "out", "both", "new"]),
        ("{op: insert, before: out, layers: CHAIN_mid, optional: false}", None),
        ("{op: replace, layers: out, with: CHAIN_mid}", ["mid", "both", "new"]),
    ],
)
def test_a_chain_with_an_input(tmp_path: Path, make: Any, operation: str, last: list[str] | None) -> None:
    operation = operation.replace("CHAIN_out", chain("out")).replace("CHAIN_mid", chain("mid"))
    model = make()
    if last is None:  # the layer behind it takes five features
        operation = operation.replace("units: 2", "units: 5")
        last = ["mid", "both", "new", "out"]
    plan, result = applied(tmp_path, model, operation)
    assert type(result).__name__ == "Functional"
    assert [tensor.name for tensor in result.inputs] == ["x", "extra"]
    assert [ref.layer for ref in plan.spec.refs_in()] == ["x", "extra"]
    assert [tensor.shape for tensor in result.inputs] == [(None, 4), (None, 3)]
    values = X
    for name in last:
        values = np.concatenate([values, EXTRA], 1) if name == "both" else dense(result, name, values)
    assert np.allclose(outputs(result, X, EXTRA)[0], values, atol=1e-5)


def test_a_branch_with_an_input(tmp_path: Path) -> None:
    model = sequential()
    _, result = applied(tmp_path, model, f"{{op: branch, from: mid, layers: {chain('mid')}}}")
    old, new = outputs(result, X, EXTRA)
    assert np.array_equal(old, outputs(model, X)[0])
    assert np.allclose(new, dense(result, "new", np.concatenate([dense(result, "mid", X), EXTRA], 1)), atol=1e-5)


def test_without_inputs_the_next_layer_reads_the_input(tmp_path: Path) -> None:
    tower = (
        "[{Input: {shape: [3], name: extra}}, {Dense: {units: 2, name: tower}}, {Concatenate: {inputs: [out, tower]}},"
        " {Dense: {units: 1, name: new}}]"
    )
    _, result = applied(tmp_path, functional(), f"{{op: append, layers: {tower}}}")
    read = np.concatenate([dense(result, "out", dense(result, "mid", X)), dense(result, "tower", EXTRA)], 1)
    assert np.allclose(outputs(result, X, EXTRA)[0], dense(result, "new", read), atol=1e-5)


def test_dtype_and_batch_size(tmp_path: Path) -> None:
    words = (
        "[{Input: {shape: [], dtype: int32, batch_size: 6, name: word}}, {Embedding: {input_dim: 9, output_dim: 3}},"
        " {Concatenate: {inputs: [embedding, out]}}]"
    )
    plan, result = applied(tmp_path, functional(), f"{{op: append, layers: {words}}}")
    assert [(t.shape, t.dtype) for t in result.inputs] == [((None, 4), "float32"), ((6,), "int32")]
    assert result.outputs[0].shape == (6, 5)
    ref = plan.spec.refs_out()[0]
    assert plan.spec.tensor(ref).shape == (6, 5)  # type: ignore[union-attr]


@pytest.mark.parametrize("as_dict", [False, True])
def test_the_inputs_keep_their_form(tmp_path: Path, as_dict: bool) -> None:
    x = keras.Input((4,), name="x")
    ends: Any = layers.Dense(5, name="mid")(x)
    model = keras.Model({"x": x}, {"mid": ends}) if as_dict else keras.Model([x], [ends])
    _, result = applied(tmp_path, model, f"{{op: branch, from: mid, layers: {chain('mid')}}}")
    if not as_dict:
        assert [outputs(result, X, EXTRA)[n].shape for n in (0, 1)] == [(6, 5), (6, 2)]
        return
    made = result({"x": X, "extra": EXTRA})
    assert set(made) == {"mid", "new"}
    assert np.array_equal(np.asarray(made["mid"]), np.asarray(model({"x": X})["mid"]))


def test_a_second_operation_reads_it(tmp_path: Path) -> None:
    _, result = applied(
        tmp_path,
        functional(),
        f"{{op: branch, from: mid, layers: {chain('mid')}}}",
        "{op: branch, from: out, layers: [{Concatenate: {inputs: [out, extra]}}]}",
    )
    assert np.array_equal(outputs(result, X, EXTRA)[2][:, 2:], EXTRA)


def around(calls: int, make: Any = functional) -> Any:
    """A model with `enc` in it, called once for each input."""
    encoder = make()
    encoder.name = "enc"
    images = [keras.Input((4,), name=name) for name in ("left", "right")[:calls]]
    made = [encoder(image) for image in images]
    ends = layers.Subtract(name="end")(made) if calls > 1 else layers.ReLU(name="end")(made[0])
    return keras.Model(images if calls > 1 else images[0], ends)


@pytest.mark.parametrize("make", [functional, sequential])
def test_a_nested_model_gets_one_and_so_does_the_model_around(tmp_path: Path, make: Any) -> None:
    _, result = applied(tmp_path, around(1, make), f"{{op: replace, layers: enc/out, with: {chain('mid')}}}")
    assert [tensor.name for tensor in result.inputs] == ["left", "extra"]
    inner = result.get_layer("enc")
    assert [tensor.name for tensor in inner.inputs] == ["x", "extra"]
    new = dense(inner, "new", np.concatenate([dense(inner, "mid", X), EXTRA], 1))
    assert np.allclose(outputs(result, X, EXTRA)[0], new.clip(0), atol=1e-5)


def test_each_call_of_a_nested_model_has_its_own(tmp_path: Path) -> None:
    plan, result = applied(tmp_path, around(2), f"{{op: replace, layers: enc/out, with: {chain('mid')}}}")
    assert [tensor.name for tensor in result.inputs] == ["left", "right", "extra", "extra_1"]
    left, right, more = X, example(6, 4, seed=2), example(6, 3, seed=3)
    inner = result.get_layer("enc")
    read = [np.concatenate([dense(inner, "mid", a), b], 1) for a, b in ((left, EXTRA), (right, more))]
    wanted = dense(inner, "new", read[0]) - dense(inner, "new", read[1])
    assert np.allclose(outputs(result, left, right, EXTRA, more)[0], wanted, atol=1e-5)
    assert [edit.name for edit in plan.steps[0].edits if type(edit).__name__ == "FeedInput"] == ["extra"]


def test_two_levels_down(tmp_path: Path) -> None:
    inner = around(1)
    inner.name = "outer"
    x = keras.Input((4,), name="first")
    model = keras.Model(x, layers.Dense(1, name="last")(inner(x)))
    _, result = applied(tmp_path, model, f"{{op: replace, layers: outer/enc/out, with: {chain('mid')}}}")
    assert [tensor.name for tensor in result.inputs] == ["first", "extra"]
    enc = result.get_layer("outer").get_layer("enc")
    new = dense(enc, "new", np.concatenate([dense(enc, "mid", X), EXTRA], 1)).clip(0)
    assert np.allclose(outputs(result, X, EXTRA)[0], dense(result, "last", new), atol=1e-5)


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(NameTaken):
        planned(
            tmp_path,
            functional(),
            "{op: append, layers: [{Input: {shape: [3], name: mid}}, {Add: {inputs: [out, mid]}}]}",
        )


def test_without_a_name_it_gets_keras_own(tmp_path: Path) -> None:
    plan, _ = applied(
        tmp_path,
        functional(),
        "{op: append, layers: [{Input: {shape: [3]}}, {Concatenate: {inputs: [out, input_layer]}}]}",
    )
    assert [ref.layer for ref in plan.spec.refs_in()] == ["x", "input_layer"]


@pytest.mark.parametrize(
    ("new", "what"),
    [
        ("{Input: {name: extra}}", "Input needs 'shape'"),
        ("{Input: {shape: [3], batch_shape: [2, 3]}}", "Input takes one of 'shape' and 'batch_shape'"),
        ("{Input: {shape: [3], inputs: [mid]}}", "an Input reads nothing"),
        ("{Input: {shape: [3], call: {training: true}}}", "Input is called with no argument 'training'"),
        ("{Input: {shape: [3]}}", "nothing would read 'mid', 'out' any more"),
    ],
)
def test_what_is_no_input(tmp_path: Path, new: str, what: str) -> None:
    assert what in refused(tmp_path, functional(), f"{{op: append, layers: [{new}]}}").what


def heads(as_dict: bool = False) -> Any:
    """x -> a, b, c, all of them outputs."""
    x = keras.Input((4,), name="x")
    made = {name: layers.Dense(size, name=name)(x) for name, size in (("a", 2), ("b", 3), ("c", 4))}
    return keras.Model(x, made if as_dict else list(made.values()))


@pytest.mark.parametrize("as_dict", [False, True])
def test_outputs_that_the_first_layer_names_become_one(tmp_path: Path, as_dict: bool) -> None:
    model = heads(as_dict)
    new = "[{Concatenate: {inputs: [b, c]}}, {Dense: {units: 2, name: new}}]"
    plan, result = applied(tmp_path, model, f"{{op: append, layers: {new}}}")
    assert plan.steps[0].layers == ("b", "c")
    a, made = result(X).values() if as_dict else result(X)
    old = model(X)
    b, c = (old["b"], old["c"]) if as_dict else old[1:]
    assert np.allclose(np.asarray(made), dense(result, "new", np.concatenate([b, c], 1)), atol=1e-5)
    assert np.array_equal(np.asarray(a), np.asarray(old["a"] if as_dict else old[0]))
    if as_dict:
        assert list(result(X)) == ["a", "b"]


def test_all_outputs_become_one(tmp_path: Path) -> None:
    _, result = applied(tmp_path, heads(), "{op: append, layers: [{Concatenate: {inputs: [a, b, c]}}]}")
    assert np.array_equal(outputs(result, X)[0], np.concatenate(outputs(heads_of(result), X), 1))


def heads_of(result: Any) -> Any:
    return keras.Model(result.input, [result.get_layer(name).output for name in "abc"])


def test_several_outputs_of_which_none_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, heads(), "{op: append, layers: [{Dense: {units: 2}}]}")
    assert error.fix == "to: a"
