"""Whole runs under guards: what they keep of an old task, and what they leave as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import DataInvalid, SurgeryError, Terminated
from surgery.model.fingerprint import config_digest
from surgery.training.progress import Progress, Quiet
from surgery.training.result import RunResult
from surgery.training.run import run
from tests.training.resuming.interrupting import At, obeying

pytestmark = pytest.mark.keras

OLD, NEW = (0, 1, 2), (3, 4, 5)
LOSS = "sparse_categorical_crossentropy"
RECIPE = """\
surgery: 1
name: forgetting
seed: 3
model: {{path: base.keras}}
operations:
  - {{op: resize, layer: head, units: 6}}
  {operations}
training:
  data: {{train: {{npz: new.npz, x: x, y: y}}, batch_size: 16}}
  guards: {guards}
  stages:
    - {{name: one, epochs: {epochs}, optimizer: {{Adam: {{learning_rate: 0.03}}}}, loss: {loss}}}
    {more}
evaluation:
  - {{name: old, data: {{npz: old.npz, x: x, y: y}}, metrics: [accuracy]}}
  - {{name: old among old, data: {{npz: old.npz, x: x, y: y}}, metrics: [accuracy], classes: [0, 1, 2]}}
  - {{name: new, data: {{npz: new.npz, x: x, y: y}}, metrics: [accuracy]}}
"""
SAMPLES = "data: {npz: old.npz, x: x, y: y}"
GUARDS = {
    "l2_sp": "{l2_sp: {strength: 0.3}}",
    "ewc": f"{{ewc: {{strength: 30000000, {SAMPLES}, samples: 64}}}}",
    "distill": "{distill: {weight: 3.0}}",
    "replay": f"{{replay: {{{SAMPLES}, share: 0.5}}}}",
}


def examples(classes: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes on a circle, the new ones between the old ones: what tells the new ones apart need not tell the old ones."""
    generator = np.random.default_rng(seed)
    y = generator.choice(classes, 96)
    angle = np.array([0, 0.7, 1.4, 0.35, 1.05, 1.75])[y] + generator.normal(0, 0.06, 96)
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype("float32") * 2, y


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken over from other runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def network() -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((2,), name="place"),
            layers.Dense(24, activation="relu", name="first"),
            layers.Dense(24, activation="relu", name="second"),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the old classes, and examples of old and new ones."""
    made = tmp_path_factory.mktemp("forgetting")
    for name, classes in (("old", OLD), ("new", NEW)):
        x, y = examples(classes, len(name) + classes[0])
        np.savez(made / f"{name}.npz", x=x, y=y, flat=x.reshape(-1), three=np.pad(x, ((0, 0), (0, 1))))
    keras.utils.set_random_seed(1)
    model, bare = network(), network()
    model.compile(keras.optimizers.Adam(0.02), LOSS)
    # No longer than it takes: of an answer that is all too sure JAX and Torch have no gradient left.
    model.fit(*examples(OLD, 3), epochs=20, verbose=0)
    bare.set_weights(model.get_weights())
    bare.save(made / "base.keras")
    return made


def carried_out(
    folder: Path,
    *guards: str,
    progress: Progress | None = None,
    cache: bool = True,
    resume: bool = False,
    **changes: Any,
) -> RunResult:
    parts = {"guards": f"[{', '.join(guards)}]", "operations": "", "epochs": 10, "loss": LOSS, "more": ""}
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(**(parts | changes)), encoding="utf-8")
    plan = surgery.plan(surgery.load_recipe(path))
    with obeying():
        return run(plan, progress=progress or Quiet(), cache=cache, resume=resume)


def accuracies(result: RunResult) -> dict[str, float]:
    return {one["evaluation"]: one["after"] for one in result.document["evaluation"]}


@pytest.fixture(scope="module")
def plain(folder: Path) -> RunResult:
    return carried_out(folder)


def test_without_a_guard_the_old_task_is_lost(plain: RunResult) -> None:
    found = accuracies(plain)
    assert all(one["before"] > 0.98 for one in plain.document["evaluation"][:2])
    assert found["new"] > 0.98
    assert found["old"] < 0.2
    assert found["old among old"] < 0.8


@pytest.mark.parametrize("kind", GUARDS)
def test_each_guard_keeps_the_old_task_and_learns_the_new_one(folder: Path, plain: RunResult, kind: str) -> None:
    result = carried_out(folder, GUARDS[kind])
    found = accuracies(result)
    assert found["new"] > 0.9
    assert found["old among old"] > 0.95
    if kind == "replay":
        assert found["old"] > 0.95
    assert_only_values_differ(result, plain)
    (stage,) = result.document["stages"]
    assert {one["evaluation"]: one["value"] for one in stage["evaluation"]} == found
    assert [guard["loss"] > 0 for guard in stage["guards"]] == ([] if kind == "replay" else [True])


def assert_only_values_differ(result: RunResult, other: RunResult) -> None:
    one, two = (surgery.read_model(each.model) for each in (result, other))
    assert config_digest(one) == config_digest(two)
    assert result.document["digests"]["model"] != other.document["digests"]["model"]


def test_all_guards_are_the_same_with_frozen_layers_computed_once_and_in_a_run_that_goes_on(folder: Path) -> None:
    more = f"- {{name: two, epochs: 1, optimizer: SGD, loss: {LOSS}}}"
    parts = {"operations": "- {op: freeze, layers: first}", "epochs": 2, "more": more}
    results = [carried_out(folder, *GUARDS.values(), cache=cache, **parts) for cache in (True, False)]
    with pytest.raises(Terminated):
        carried_out(folder, *GUARDS.values(), cache=False, progress=At("one", 2, 5), **parts)
    results.append(carried_out(folder, *GUARDS.values(), cache=False, resume=True, **parts))
    firsts = [result.document["stages"][0] for result in results]
    # On some CPUs features are near to what the whole network computes, and not the same.
    alike = 0 if firsts[0]["features"]["exact"] else 1
    assert firsts[0]["features"]["difference"] <= 1e-5
    assert len({result.document["digests"]["model"] for result in results[alike:]}) == 1
    assert "computed once for 192 examples" in firsts[0]["frozen_prefix"]
    assert [stage["frozen_prefix"] for stage in firsts[1:]] == [None, None]
    assert [one["evaluation"] for one in firsts[0]["evaluation"]] == ["old", "old among old", "new"]
    assert all(first["evaluation"] == firsts[2]["evaluation"] for first in firsts[alike:])
    assert [guard["number"] for guard in firsts[0]["guards"]] == [0, 1, 2]
    assert set(results[0].document["data"]) == {"train", "old samples of ewc", "old samples of replay"}


@pytest.mark.parametrize(
    ("guard", "what", "key"),
    [
        ("{replay: {data: {npz: old.npz, x: three, y: y}}}", "has the shape (3,)", "replay"),
        ("{replay: {data: {npz: old.npz, x: x, y: x}}}", "targets", "replay"),
        ("{ewc: {strength: 1, data: {npz: new.npz, x: x, y: y}}}", "labels go up to 5, and 'head' has 3 units", "ewc"),
        ("{ewc: {strength: 1, data: {npz: new.npz, x: nothing, y: y}}}", "no array 'nothing'", "ewc"),
    ],
)
def test_old_samples_that_do_not_fit_are_refused_before_the_first_step(
    folder: Path, guard: str, what: str, key: str
) -> None:
    with pytest.raises(SurgeryError) as caught:
        carried_out(folder, guard)
    assert isinstance(caught.value, DataInvalid)
    assert what in caught.value.what
    assert caught.value.field[:4] == ("training", "guards", 0, key)
    assert caught.value.location is not None
