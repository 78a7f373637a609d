"""Weights that do not fit their layer any more, and are cut: the misfit stays one, whatever the cut makes of its shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import surgery
from surgery.api import apply_to_file
from surgery.errors import WeightMismatch
from surgery.planning import Plan

pytestmark = pytest.mark.keras

CUTS = ["{op: prune, layers: a, keep: 3}", "{op: resize, layer: a, units: 3}"]
GROWS = "{op: insert, after: a, layers: [{Concatenate: {inputs: [a, other]}}]}"
SHRINKS = "{op: replace, layers: flatten, with: [{GlobalMaxPooling1D: {name: pooled}}]}"
ANEW = "{op: reinitialize, layers: out}"


def of_two(keras: Any) -> Any:
    x, other = keras.Input((4,)), keras.Input((5,), name="other")
    y = keras.layers.Dense(3, name="out")(keras.layers.Dense(6, name="a")(x))
    return keras.Model([x, other], [y, keras.layers.Dense(2)(other)])


def of_a_sequence(keras: Any) -> Any:
    x = keras.Input((4, 5))
    y = keras.layers.Flatten(name="flatten")(keras.layers.Dense(6, name="a")(x))
    return keras.Model(x, keras.layers.Dense(3, name="out")(y))


def planned(folder: Path, build: Any, *operations: str) -> Plan:
    import keras

    build(keras).save(folder / "model.keras")
    lines = "".join(f"  - {operation}\n" for operation in operations)
    (folder / "recipe.yaml").write_text(f"surgery: 1\nmodel: {{path: model.keras}}\noperations:\n{lines}")
    return surgery.plan(surgery.load_recipe(folder / "recipe.yaml"))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("build", "change", "sizes"),
    [(of_two, GROWS, ("(11, 3)", "(6, 3)")), (of_a_sequence, SHRINKS, ("(6, 3)", "(24, 3)"))],
)
def test_the_operation_that_made_it_is_named_and_new_weights_end_it(
    build: Any, change: str, sizes: tuple[str, str], cut: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightMismatch) as caught:
        planned(tmp_path, build, change, cut)
    assert caught.value.what.startswith(change[5:].split(",")[0])
    assert "would be {} float32, and its weights are {}".format(*sizes) in caught.value.what
    assert caught.value.fix == f"add: {ANEW}"
    plan = planned(tmp_path, build, change, cut, ANEW)
    apply_to_file(plan, tmp_path / "out.keras")
    assert plan.spec["a"].weights[0].shape[-1] == 3
