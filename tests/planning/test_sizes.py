"""Large models under hostile recipes: each plan is made or refused in seconds, never in hours or with all the memory."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from surgery import api
from surgery.errors import LimitExceeded, SurgeryError, flatten, render
from surgery.model.archive import read_model
from surgery.model.select import explain, read_selector
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.recipe import load_recipe
from tests.networks import network, write_network
from tests.recipes_text import HEAD

LAYERS = 2_000
EVIL = "ab" * 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model of layers that have long names, each much like the others."""
    layers = [{"Dropout": {"rate": 0.1, "name": f"{EVIL}_{number}"}} for number in range(LAYERS)]
    path = tmp_path_factory.mktemp("large")
    write_network(path / "model.keras", network(*layers, shape=(4,)))
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> ModelSpec:
    return read_model(folder / "model.keras")


def plan_of(folder: Path, *operations: str) -> Plan:
    path = folder / "recipe.yaml"
    path.write_text(HEAD + "operations:\n" + "".join(f"  - {operation}\n" for operation in operations))
    return api.plan(load_recipe(path))


def refused(folder: Path, *operations: str) -> list[SurgeryError]:
    with pytest.raises(SurgeryError) as caught:
        plan_of(folder, *operations)
    return flatten(caught.value)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "layers",
    [
        "{regex: '(a|b)*a(a|b){80}c'}",
        "{regex: '^(([ab]+)+_)+$'}",
        f"'{'*a' * 200}*c'",
        f"'{'*[!c-z]' * 60}*c'",
        "{all: [" + "{not: {regex: (b+)+c}}, " * 40 + "missing]}",
        f"{EVIL * 20}",
        f"{EVIL}_*x",
    ],
)
def test_a_hostile_selector_is_refused(folder: Path, layers: str) -> None:
    (error,) = refused(folder, f"{{op: freeze, layers: {layers}}}")
    assert len(render(error)) < 20_000


@pytest.mark.timeout(120)
def test_patterns_that_would_read_for_minutes(folder: Path) -> None:
    evil = "{op: freeze, layers: '*a*[!c-z]*_*', optional: true}"
    assert plan_of(folder, *[evil] * 5).steps
    (error,) = refused(folder, *[evil] * 30)
    assert isinstance(error, LimitExceeded)
    assert "30 globs and regular expressions would read 408,895 characters" in error.what
    assert error.location is not None
    assert error.location.line == 6


@pytest.mark.timeout(120)
def test_all_ways_between_two_layers(folder: Path, model: ModelSpec) -> None:
    plan = plan_of(folder, "{op: freeze, layers: {between: [image, {last: 1}]}}")
    assert len(plan.steps[0].layers) == LAYERS + 1
    parts = explain(model, f"{EVIL}_7", read_selector({"not": {"any": [{"regex": "(a+)+$"}, f"{'*a' * 200}c"]}}))
    assert parts[0].matches


@pytest.mark.timeout(120)
def test_hundreds_of_unknown_layers(folder: Path) -> None:
    errors = refused(folder, *(f"{{op: freeze, layers: {EVIL[:80]}_{number}x}}" for number in range(400)))
    assert len(errors) == 100
    assert all("list them with" in render(error) for error in islice(errors, 3))
    optional = (f"{{op: freeze, layers: {EVIL[:80]}_{number}x, optional: true}}" for number in range(400))
    assert plan_of(folder, *optional).steps == ()


@pytest.mark.timeout(120)
def test_operations_on_every_layer_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surgery.planning.simulate.MOST_EDITS", 20_000)
    both = [f"{{op: {word}, layers: {{first: {LAYERS}}}, optional: true}}" for word in ("freeze", "unfreeze")] * 60
    (error,) = refused(folder, *both)
    assert isinstance(error, LimitExceeded)
    assert "more than 20000 times" in error.what


@pytest.mark.parametrize("key", ["units", "input_channels"])
def test_rows_without_number(folder: Path, key: str) -> None:
    (error,) = refused(folder, f"{{op: resize, layer: {EVIL}_7, {key}: 99999999}}")
    assert isinstance(error, LimitExceeded)
    assert error.location is not None
    assert error.location.line == 6


@pytest.mark.timeout(120)
def test_a_step_says_what_refines_it_last(folder: Path) -> None:
    some = (f"{{op: {word}, layers: {EVIL}_3}}" for word in ("freeze", "unfreeze", "freeze"))
    plan = plan_of(folder, *some)
    assert [step.remark for step in plan.steps] == ["refined by line 8 for 1 of its layers"] * 2 + [None]
