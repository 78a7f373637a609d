"""What a Diff says of two models that are known by construction."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from surgery.model.changes import Diff, Rename, Rewiring, TrainabilityChange, diff
from surgery.model.changes.document import DiffDocument
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, WeightSpec
from surgery.model.weights import Stored
from tests.model.graphs import GLOROT, call, classifier, layer, model, operation, random_models

Values = dict[tuple[str, str], NDArray[Any]]
Spec = tuple[ModelSpec, Values]


@dataclass(frozen=True)
class Dense:
    """A Dense layer with values from a seed."""

    name: str
    source: str
    units: int = 16
    seed: int | None = None
    drift: float = 0.0
    config: Mapping[str, Any] = ()  # type: ignore[assignment]


def dense(name: str, source: str, seed: int | None, units: int = 16, drift: float = 0.0, **config: Any) -> Dense:
    return Dense(name, source, units, seed, drift, config)


def build(*layers: Dense | LayerSpec, name: str = "m") -> Spec:
    """A model with an InputLayer `x` and these layers. A seed of None gives zeros."""
    specs, values = [layer("x", "InputLayer")], {}
    for one in layers:
        if isinstance(one, LayerSpec):
            specs.append(one)
            continue
        specs.append(_weighted(one))
        values[one.name, "vars/0"] = _kernel(one)
        values[one.name, "vars/1"] = np.zeros(one.units, "f4")
    return model(name, *specs), values


def _weighted(one: Dense) -> LayerSpec:
    shapes = {"kernel": (16, one.units), "bias": (one.units,)}
    weights = tuple(
        WeightSpec(f"vars/{n}", name, shape, "float32", True, Stored(one.name, f"vars/{n}", shape, "float32"))
        for n, (name, shape) in enumerate(shapes.items())
    )
    return replace(layer(one.name, "Dense", one.source, units=one.units, **dict(one.config)), weights=weights)


def _kernel(one: Dense) -> NDArray[np.float32]:
    if one.seed is None:
        return np.zeros((16, one.units), "f4")
    kernel = np.random.default_rng(one.seed).standard_normal((16, one.units))
    drift = np.random.default_rng(99).standard_normal((16, one.units)) * one.drift
    return (kernel + drift).astype("f4")


def compare(old: Spec, new: Spec) -> Diff:
    found = diff(old[0], new[0], old[1], new[1])
    TypeAdapter(DiffDocument).validate_python(found.to_json(), strict=True)
    json.dumps(found.to_json(), allow_nan=False)
    return found


def paths(entries: Any) -> list[str]:
    return [entry.path for entry in entries]


OLD = build(dense("dense", "x", 1), dense("dense_1", "dense", 2), dense("head", "dense_1", 3, units=5))


def test_the_same_model_is_identical() -> None:
    found = compare(OLD, OLD)
    assert found.identical
    assert found.equal_variables == 6
    assert found.values_compared
    assert found.to_json()["parameters"] == {"before": 629, "after": 629}
    assert found.size == (4 * 629, 4 * 629)


def test_names_compilation_and_addresses_do_not_count() -> None:
    spec, values = OLD
    config = {**spec["dense"].config, "kernel_initializer": {**GLOROT, "shared_object_id": 3}}
    one = spec.with_layer("dense", replace(spec["dense"], config={**config}))
    config["kernel_initializer"] = {**GLOROT, "shared_object_id": 4}
    other = replace(
        one.with_layer("dense", replace(one["dense"], config=config)), name="n", compile_config={"loss": "mse"}
    )
    assert compare((one, values), (other, values)).identical


def test_a_replaced_head() -> None:
    new = build(dense("dense", "x", 1), dense("dense_1", "dense", 2), dense("digits", "dense_1", 4, units=10))
    found = compare(OLD, new)
    assert [(entry.path, entry.class_name, entry.parameters, entry.inputs) for entry in found.added] == [
        ("digits", "Dense", 170, ("dense_1",))
    ]
    assert paths(found.removed) == ["head"]
    assert [(value.key, value.old, value.new) for value in found.changed[0].values] == [
        ("outputs", ["head"], ["digits"])
    ]
    assert (found.renamed, found.rewired, found.weights, found.trainability) == ((), (), (), ())


def test_config_reshaped_weights_and_trainability() -> None:
    new = build(
        dense("dense", "x", 1, trainable=False),
        dense("dense_1", "dense", 2, activation="relu"),
        dense("head", "dense_1", 3, units=7),
    )
    found = compare(OLD, new)
    assert found.trainability == (TrainabilityChange("dense", True, False),)
    assert [(c.path, [(v.key, v.old, v.new) for v in c.values]) for c in found.changed] == [
        ("dense_1", [("activation", "linear", "relu")]),
        ("head", [("units", 5, 7)]),
    ]
    assert [(w.path, w.variable, w.status, w.old_shape, w.new_shape) for w in found.weights] == [
        ("head", "kernel", "reshaped", (16, 5), (16, 7)),
        ("head", "bias", "reshaped", (5,), (7,)),
    ]
    assert found.to_json()["trainable_parameters"] == {"before": 629, "after": 272 + 119}


def test_arguments_inside_an_object() -> None:
    old = build(dense("dense", "x", 1, kernel_initializer=GLOROT))
    new = build(dense("dense", "x", 1, kernel_initializer={**GLOROT, "config": {"seed": 8}}))
    assert [(v.key, v.old, v.new) for v in compare(old, new).changed[0].values] == [("kernel_initializer.seed", 7, 8)]


def test_an_argument_that_an_older_version_did_not_write() -> None:
    old = build(dense("dense", "x", 1))
    same = build(dense("dense", "x", 1, lora_rank=None, use_bias=True))
    other = build(dense("dense", "x", 1, use_bias=False))
    assert compare(old, same).identical
    assert [(v.key, v.old, v.new) for v in compare(old, other).changed[0].values] == [("use_bias", True, False)]


def test_another_class_under_the_same_name() -> None:
    new = build(
        dense("dense", "x", 1), layer("dense_1", "Dropout", "dense", rate=0.5), dense("head", "dense_1", 3, units=5)
    )
    found = compare(OLD, new)
    assert paths(found.changed) == ["dense_1"]
    assert [v.key for v in found.changed[0].values] == ["class_name", "rate", "units"]
    assert [w.status for w in found.weights] == ["removed", "removed"]


class TestRenames:
    def test_by_content_against_the_names(self) -> None:
        """An inserted layer takes the name `dense`; every later one moves on."""
        new = build(
            dense("dense", "x", 7),
            dense("dense_1", "dense", 1),
            dense("dense_2", "dense_1", 2),
            dense("head", "dense_2", 3, units=5),
        )
        found = compare(OLD, new)
        assert found.renamed == (Rename("dense", "dense_1", "Dense"), Rename("dense_1", "dense_2", "Dense"))
        assert paths(found.added) == ["dense"]
        assert found.rewired == (Rewiring("dense_1", ("x",), ("dense",)),)
        assert (found.weights, found.changed, found.removed) == ((), (), ())

    def test_by_likeness_after_training(self) -> None:
        new = build(
            dense("dense", "x", 7),
            dense("dense_1", "dense", 1, drift=0.1),
            dense("dense_2", "dense_1", 2, drift=0.1),
            dense("head", "dense_2", 3, units=5, drift=0.1),
        )
        found = compare(OLD, new)
        assert [(rename.old, rename.new) for rename in found.renamed] == [("dense", "dense_1"), ("dense_1", "dense_2")]
        assert {(w.path, w.status) for w in found.weights} == {(p, "changed") for p in ("dense_1", "dense_2", "head")}

    def test_the_neighbours_are_enough_without_weights(self) -> None:
        old = build(dense("a", "x", 1), layer("drop", "Dropout", "a", rate=0.5), dense("b", "drop", 2))
        new = build(dense("a", "x", 1), layer("rest", "Dropout", "a", rate=0.5), dense("b", "rest", 2))
        found = compare(old, new)
        assert found.renamed == (Rename("drop", "rest", "Dropout", "position"),)
        assert (found.added, found.removed, found.rewired) == ((), (), ())

    def test_fresh_values_under_another_name_are_another_layer(self) -> None:
        new = build(dense("dense", "x", 1), dense("other", "dense", 8), dense("head", "other", 3, units=5))
        found = compare(OLD, new)
        assert (paths(found.added), paths(found.removed), found.renamed) == (["other"], ["dense_1"], ())

    @pytest.mark.parametrize("seed", [8, None])
    def test_a_fresh_head_in_the_place_of_one_is_another_layer(self, seed: int | None) -> None:
        new = build(dense("dense", "x", 1), dense("dense_1", "dense", 2), dense("new", "dense_1", seed, units=5))
        found = compare(OLD, new)
        assert (paths(found.added), paths(found.removed), found.renamed) == (["new"], ["head"], ())

    def test_a_head_whose_values_are_not_made_yet_is_another_layer(self) -> None:
        new, values = build(dense("dense", "x", 1), dense("dense_1", "dense", 2), dense("new", "dense_1", 3, units=5))
        there = {name: array for name, array in values.items() if name[0] != "new"}
        made = {("new", f"vars/{index}"): f"seed {index}" for index in range(2)}
        found = diff(OLD[0], new, OLD[1], there, fresh=({}, made))
        assert (paths(found.added), paths(found.removed), found.renamed) == (["new"], ["head"], ())
        again = diff(new, new, there, there, fresh=(made, made))
        assert again.identical

    @pytest.mark.parametrize("seed", range(20))
    def test_a_few_fresh_values_are_not_similar_by_chance(self, seed: int) -> None:
        old = build(dense("a", "x", 1), dense("b", "a", 2, units=1))
        new = build(dense("a", "x", 1), dense("c", "a", 100 + seed, units=1))
        assert compare(old, new).renamed == ()

    def test_scales_near_one_are_not_similar(self) -> None:
        def normalized(name: str, gamma: NDArray[Any]) -> Spec:
            spec, values = build(dense("a", "x", 1), dense(name, "a", None))
            weight = WeightSpec("vars/0", "gamma", (16,), "float32", True, Stored(name, "vars/0", (16,), "float32"))
            one = replace(layer(name, "LayerNormalization", "a"), weights=(weight,))
            return spec.with_layer(name, one), {**values, (name, "vars/0"): gamma}

        trained = np.random.default_rng(1).normal(1, 0.1, 16).astype("f4")
        for gamma in (np.ones(16, "f4"), np.random.default_rng(2).normal(1, 0.1, 16).astype("f4")):
            found = compare(normalized("b", trained), normalized("c", gamma))
            assert (paths(found.added), paths(found.removed), found.renamed) == (["c"], ["b"], ())

    def test_equal_constants_in_one_place_are_the_same_layer(self) -> None:
        old = build(dense("a", "x", 1), dense("b", "a", None))
        new = build(dense("a", "x", 1), dense("c", "a", None))
        assert compare(old, new).renamed == (Rename("b", "c", "Dense", "position"),)

    def test_another_dtype_under_another_name(self) -> None:
        old = build(dense("a", "x", 1), dense("b", "a", 2))
        spec, values = build(dense("a", "x", 1), dense("c", "a", 2, dtype="float16"))
        half = replace(spec["c"], weights=tuple(replace(weight, dtype="float16") for weight in spec["c"].weights))
        values |= {name: array.astype("float16") for name, array in values.items() if name[0] == "c"}
        found = compare(old, (spec.with_layer("c", half), values))
        assert found.renamed == (Rename("b", "c", "Dense", "similar weights"),)
        assert [(w.path, w.old_dtype, w.new_dtype) for w in found.weights] == [("c", "float32", "float16")] * 2

    @pytest.mark.parametrize("is_fresh", [True, False])
    def test_a_nested_model_of_one_make(self, is_fresh: bool) -> None:
        def around(name: str, *seeds: int) -> Spec:
            inner, values = build(dense("a", "x", seeds[0]), dense("b", "a", seeds[1]), name=name)
            outer = model("m", layer("in", "InputLayer"), layer(name, "Functional", "in", inner=inner))
            return outer, {(f"{name}/{path}", key): value for (path, key), value in values.items()}

        found = compare(around("base", 1, 2), around("other", *((7, 8) if is_fresh else (1, 2))))
        if is_fresh:
            assert (paths(found.added), paths(found.removed), found.renamed) == (["other"], ["base"], ())
        else:
            assert found.renamed == (Rename("base", "other", "Functional", "layers inside"),)

    def test_fresh_values_under_the_same_name_are_the_same_layer(self) -> None:
        new = build(dense("dense", "x", 1), dense("dense_1", "dense", 8), dense("head", "dense_1", 3, units=5))
        found = compare(OLD, new)
        assert [(w.path, w.variable) for w in found.weights] == [("dense_1", "kernel")]
        assert abs(found.weights[0].statistics.cosine) < 0.3  # type: ignore[union-attr]

    def test_zeros_tell_nothing(self) -> None:
        old = build(dense("a", "x", None), dense("b", "a", 1))
        new = build(dense("a", "x", 2), dense("b", "a", None))
        assert compare(old, new).renamed == ()

    def test_all_at_once(self) -> None:
        old = build(*(dense(f"a{n}", f"a{n - 1}" if n else "x", n) for n in range(50)))
        new = build(*(dense(f"b{n}", f"b{n - 1}" if n else "x", n) for n in range(50)))
        assert len(compare(old, new).renamed) == 50
        without = diff(old[0], new[0])
        assert len(without.renamed) == 50
        assert not without.values_compared

    def test_nested_model(self) -> None:
        old = classifier()
        inner = replace(old["encoder"], name="backbone")
        layers = [inner if one is old["encoder"] else _reading(one, "encoder", "backbone") for one in old.layers]
        found = diff(old, replace(old, layers=tuple(layers)))
        assert found.renamed == (Rename("encoder", "backbone", "Functional", "layers inside"),)
        assert (found.added, found.removed, found.rewired, found.changed) == ((), (), (), ())

    def test_out_of_a_nested_model(self) -> None:
        inner, values = build(dense("a", "x", 1), dense("b", "a", 2), name="base")
        nested = model("m", layer("in", "InputLayer"), layer("base", "Functional", "in", inner=inner))
        flat = build(dense("a", "x", 1), dense("b", "a", 2))
        found = compare((nested, {(f"base/{path}", key): value for (path, key), value in values.items()}), flat)
        assert {Rename("base/a", "a", "Dense"), Rename("base/b", "b", "Dense")} <= set(found.renamed)
        assert "base" in paths(found.removed)
        assert found.weights == ()


def _reading(one: LayerSpec, old: str, new: str) -> LayerSpec:
    return replace(one, calls=tuple(c.map({TensorRef(old): TensorRef(new)}) for c in one.calls))


def test_a_removed_nested_model_stands_for_its_layers() -> None:
    old = classifier()
    layers = [_reading(one, "encoder", "x") for one in old.layers if one.name != "encoder"]
    found = diff(old, replace(old, layers=tuple(layers)))
    assert paths(found.removed) == ["encoder"]
    assert [(r.path, r.old, r.new) for r in found.rewired] == [
        ("left", ("encoder",), ("x",)),
        ("right", ("encoder",), ("x",)),
    ]


def test_inside_a_nested_model() -> None:
    old = classifier()
    conv = old["encoder/conv1"]
    found = diff(old, old.with_layer("encoder/conv1", replace(conv, config={**conv.config, "activation": "gelu"})))
    assert [(c.path, c.values[0].key) for c in found.changed] == [("encoder/conv1", "activation")]


def test_bare_operations_and_their_arguments() -> None:
    scale = replace(operation("scale", "x"), calls=(Call((TensorRef("x"), 0.5)),))
    other = replace(scale, calls=(Call((TensorRef("x"), 0.3)),))
    old, new = (model("m", layer("x", "InputLayer"), one, layer("y", "Dense", "scale")) for one in (scale, other))
    (change,) = diff(old, new).changed
    assert (change.path, change.values[0].key) == ("scale", "arguments")


def test_a_layer_called_once_more() -> None:
    shared = replace(layer("shared", "Dense", "x"), calls=(call("x"),))
    twice = replace(shared, calls=(call("x"), call(TensorRef("shared"))))
    old, new = (model("m", layer("x", "InputLayer"), one, layer("y", "Add", "shared")) for one in (shared, twice))
    assert diff(old, new).rewired == (Rewiring("shared", ("x",), ("x", "shared")),)


def test_statistics() -> None:
    spec, values = build(dense("a", "x", 1))
    moved = {key: value.copy() for key, value in values.items()}
    moved["a", "vars/0"][0, 0] += 3
    moved["a", "vars/1"][:] = 1
    kernel, bias = compare((spec, values), (spec, moved)).weights
    norm = float(np.linalg.norm(values["a", "vars/0"]))
    assert kernel.statistics is not None
    assert kernel.statistics.relative_norm == pytest.approx(3 / norm)
    assert kernel.statistics.share == 1 / 256
    flat = [v["a", "vars/0"].ravel().astype("f8") for v in (values, moved)]
    assert kernel.statistics.cosine == pytest.approx(flat[0] @ flat[1] / math.prod(np.linalg.norm(f) for f in flat))
    assert bias.statistics is not None
    assert math.isinf(bias.statistics.relative_norm)
    assert math.isnan(bias.statistics.cosine)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_statistics_of_broken_weights(value: float) -> None:
    spec, values = build(dense("a", "x", 1))
    broken = {key: array.copy() for key, array in values.items()}
    broken["a", "vars/0"][3, 3] = value
    (change,) = compare((spec, values), (spec, broken)).weights
    assert change.statistics is not None
    assert change.statistics.share == 1 / 256


def test_another_dtype() -> None:
    spec, values = build(dense("a", "x", 1))
    half = spec.with_layer(
        "a", replace(spec["a"], weights=tuple(replace(w, dtype="float16") for w in spec["a"].weights))
    )
    kernel, bias = compare((spec, values), (half, {key: v.astype("f2") for key, v in values.items()})).weights
    assert (kernel.old_dtype, kernel.new_dtype, kernel.status) == ("float32", "float16", "changed")
    assert kernel.statistics is not None
    assert kernel.statistics.cosine == pytest.approx(1)
    assert bias.statistics is not None
    assert bias.statistics.share == 0


@given(random_models())
def test_every_model_is_identical_to_itself(spec: ModelSpec) -> None:
    assert diff(spec, spec).identical


@given(random_models(), random_models())
def test_every_layer_is_accounted_for(old: ModelSpec, new: ModelSpec) -> None:
    found = diff(old, new)
    every = {(path, layer.class_name) for path, layer in _nodes(new)}
    assert set(found.pairs.values()).isdisjoint(paths(found.added))
    assert set(found.pairs).isdisjoint(paths(found.removed))
    assert len(set(found.pairs.values())) == len(found.pairs)
    covered = set(found.pairs.values()) | set(paths(found.added))
    for path, _ in every:
        assert any(path == one or path.startswith(f"{one}/") for one in covered)
    json.dumps(found.to_json(), allow_nan=False)


@settings(max_examples=40)
@given(random_models(), st.randoms(use_true_random=False))
def test_new_names_alone_are_only_renames(spec: ModelSpec, random: Any) -> None:
    """With values, however the layers are called, each is found again."""
    spec, values = _with_values(spec)
    names = [one.name for one in spec.layers]
    shuffled = list(names)
    random.shuffle(shuffled)
    name_of = dict(zip(names, shuffled, strict=True))
    layers = tuple(_renamed(one, name_of.__getitem__) for one in spec.layers)
    ends = {TensorRef(old): TensorRef(new) for old, new in name_of.items()}
    other = replace(spec, layers=layers, inputs=ends[spec.inputs], outputs=ends[spec.outputs])
    moved = {(_head(path, name_of), key): value for (path, key), value in values.items()}
    found = compare((spec, values), (other, moved))
    with_weights = {path for path, _ in values}
    assert {path: found.pairs[path] for path in with_weights} == {path: _head(path, name_of) for path in with_weights}
    assert found.weights == ()


def _head(path: str, name_of: Mapping[str, str]) -> str:
    first, slash, rest = path.partition("/")
    return name_of[first] + slash + rest


def _renamed(one: LayerSpec, name_of: Callable[[str], str]) -> LayerSpec:
    calls = tuple(c.map({ref: replace(ref, layer=name_of(ref.layer)) for ref in c.refs()}) for c in one.calls)
    return replace(one, name=name_of(one.name), calls=calls)


def _with_values(spec: ModelSpec) -> Spec:
    """The model with a distinct kernel in every Dense and Conv2D of the top level."""
    values: Values = {}
    for number, one in enumerate(spec.layers):
        if one.class_name in ("Dense", "Conv2D") and one.is_layer:
            source = Stored(one.name, "vars/0", (4, 4), "float32")
            weight = WeightSpec("vars/0", "kernel", (4, 4), "float32", True, source)
            spec = spec.with_layer(one.name, replace(one, weights=(weight,)))
            values[one.name, "vars/0"] = np.random.default_rng(number).standard_normal((4, 4)).astype("f4")
    return spec, values


def _nodes(spec: ModelSpec, inside: str = "") -> Any:
    for one in spec.layers:
        yield inside + one.name, one
        if one.inner:
            yield from _nodes(one.inner, f"{inside}{one.name}/")
