"""Locks: what they hold, when they drift, how they merge."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgery import api
from surgery.cli.main import run
from surgery.errors import LockInvalid
from surgery.planning import stack
from surgery.planning.lock import (
    FIRST_LINE,
    Lock,
    digest_of,
    drift,
    lock_text,
    make_lock,
    parse_lock,
    read_lock,
)
from surgery.planning.lock_driver import merge_files
from surgery.planning.lock_merge import merge_locks
from surgery.recipe import load_recipe
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe

BODY = """
parameters: {rate: 0.1}
operations:
  - {op: freeze, layers: conv1}
training:
  data: {train: {npz: data.npz, x: x, y: y}}
  stages:
    - name: head
      epochs: 1
      optimizer: {SGD: {learning_rate: "${rate}"}}
      loss: sparse_categorical_crossentropy
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    np.savez(tmp_path / "data.npz", x=np.zeros((4, 8, 8, 1), "float32"), y=np.arange(4))
    return write_recipe(tmp_path, BODY)


def locked(recipe: Path) -> Lock:
    return read_lock(api.lock(api.plan(load_recipe(recipe))))


def test_it_is_sorted_with_one_fact_a_line(recipe: Path) -> None:
    path = api.lock(api.plan(load_recipe(recipe)))
    assert path == recipe.parent / "test.lock"
    lines = path.read_text().splitlines()
    assert lines[0] == FIRST_LINE
    facts = [line.split(" = ")[0].strip('"') for line in lines[2:]]
    assert facts == sorted(facts)
    assert {"backend", "device", "seed", "version keras", "model config", "data npz data.npz"} <= set(facts)
    assert "model variable conv1 vars/0 kernel" in facts
    assert str(recipe.parent) not in path.read_text()


def test_it_is_toml(recipe: Path) -> None:
    import tomllib

    path = api.lock(api.plan(load_recipe(recipe)))
    assert tomllib.loads(path.read_text()) == read_lock(path).facts


def test_writing_it_again_changes_nothing(recipe: Path) -> None:
    path = api.lock(api.plan(load_recipe(recipe)))
    before = path.read_bytes()
    api.lock(api.plan(load_recipe(recipe)))
    assert path.read_bytes() == before


def test_layout_and_comments_do_not_count(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lock", str(recipe)]) == 0
    text = recipe.read_text().replace("  - {op: freeze, layers: conv1}", "  # why\n  - op: freeze\n    layers: conv1")
    recipe.write_text(text.replace("training:", "description: of a test\ntraining:"))
    assert run(["lock", str(recipe), "--check"]) == 0
    assert "facts hold" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("layers: conv1", "layers: conv2", "recipe operations 1 freeze"),
        ("rate: 0.1", "rate: 0.2", "recipe training stages 1 head"),
        ("surgery: 1", "surgery: 1\nseed: 3", "seed"),
    ],
)
def test_the_fact_that_drifted_is_named(
    recipe: Path, old: str, new: str, fact: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["lock", str(recipe)])
    recipe.write_text(recipe.read_text().replace(old, new))
    assert run(["lock", str(recipe), "--check"]) == 4
    text = capsys.readouterr().err
    assert text.count("error[") == 1
    line = next(n for n, line in enumerate((recipe.parent / "test.lock").read_text().splitlines(), 1) if fact in line)
    assert f"test.lock:{line}:1: error[lock-drift]: {fact}: was " in text


def test_model_data_and_versions_drift(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = locked(recipe)
    write_network(recipe.parent / "model.keras", classifier(), seed=2)
    np.savez(recipe.parent / "data.npz", x=np.ones((4, 8, 8, 1), "float32"), y=np.arange(4))
    monkeypatch.setattr(stack, "version_of", lambda name: "0")
    from surgery.planning.facts import input_facts

    names = [error.what.partition(":")[0] for error in drift(lock, input_facts(api.plan(load_recipe(recipe))))]
    assert "data npz data.npz" in names
    assert "version keras" in names
    assert len([name for name in names if name.startswith("model variable")]) == 8


def test_there_is_no_lock(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lock", str(recipe), "--check"]) == 1
    assert run(["verify", str(recipe)]) == 1
    assert run(["run", "--locked", str(recipe)]) == 1
    assert capsys.readouterr().err.count("fix:      write it: surgery lock RECIPE") == 3


def test_run_and_verify_refuse_before_keras_is_loaded(recipe: Path) -> None:
    run(["lock", str(recipe)])
    code = (
        "import sys\nfrom surgery.cli.main import run\n"
        f"recipe = {str(recipe)!r}\n"
        "assert run(['verify', recipe]) == 4\n"
        "assert run(['lock', recipe, '--check']) == 0\n"
        "open(recipe, 'a').write('seed: 9')\n"
        "assert run(['run', '--locked', recipe]) == 4\n"
        "assert run(['verify', recipe]) == 4\n"
        "sys.exit(len({'keras', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_locks_of_two_formats_merge(tmp_path: Path) -> None:
    text = lock_text(make_lock({"seed": "1"}))
    base, ours, theirs = (tmp_path / name for name in ("base", "ours", "theirs"))
    base.write_text(text.replace("lock 2:", "lock 1:"))
    ours.write_text(lock_text(make_lock({"seed": "1", "code house": "sha256:1"})))
    theirs.write_text(text.replace("lock 2:", "lock 1:").replace('seed = "1"', 'seed = "2"'))
    status, said = merge_files(base, ours, theirs, "test.lock")
    assert (status, said) == (
        0,
        ["test.lock: a side has a lock of format 1, which sees less: write it anew: surgery lock RECIPE"],
    )
    assert read_lock(ours).inputs == {"seed": "2", "code house": "sha256:1"}
    assert ours.read_text().splitlines()[0] == FIRST_LINE


def test_outputs_stay_with_their_inputs() -> None:
    first = make_lock({"seed": "1"}, outputs={"output config": "a"})
    assert first.outputs == {"output config": "a", "output of": digest_of({"seed": "1"})}
    assert make_lock({"seed": "1"}, first).outputs == first.outputs
    assert make_lock({"seed": "2"}, first).outputs == {}


def test_tolerances_are_the_users(recipe: Path) -> None:
    path = api.lock(api.plan(load_recipe(recipe)))
    path.write_text(path.read_text().replace('"tolerance metric" = "0.02"', '"tolerance metric" = "0.5"'))
    assert locked(recipe).tolerances["tolerance metric"] == "0.5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"seed = 7", "this line is no fact"),
        (b'seed = "7"\nseed = "8"', "'seed' stands here a second time"),
        (b'<<<<<<< ours\nseed = "7"', "unresolved merge conflict"),
        (b"\xff", "it is not UTF-8"),
        (b'"\\x" = "7"', "this line is no fact"),
        (b"[" * 10_000, "this line is no fact"),
        (b'seed = "7" # mine', "this line is no fact"),
    ],
)
def test_what_is_no_lock(text: bytes, said: str) -> None:
    with pytest.raises(LockInvalid, match=said):
        parse_lock(text, Path("test.lock"))


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_fact_comes_back(facts: dict[str, str]) -> None:
    assert parse_lock(lock_text(Lock(facts)).encode(), Path("test.lock")).facts == facts


@given(st.binary())
def test_no_bytes_crash_it(data: bytes) -> None:
    with contextlib.suppress(LockInvalid):
        parse_lock(data, Path("test.lock"))


SMALL = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"))


@given(SMALL, SMALL)
def test_a_merge_with_what_did_not_change_is_what_did(base: dict[str, str], ours: dict[str, str]) -> None:
    for sides in ((Lock(base), Lock(ours), Lock(base)), (Lock(base), Lock(base), Lock(ours))):
        assert merge_locks(*sides).text == lock_text(Lock(ours))


@given(SMALL, SMALL, SMALL)
def test_a_merge_takes_each_fact_that_one_side_changed(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    merged = merge_locks(Lock(base), Lock(ours), Lock(theirs))
    both = {
        name
        for name in {*base, *ours, *theirs}
        if ours.get(name) != theirs.get(name) and base.get(name) not in (ours.get(name), theirs.get(name))
    }
    assert set(merged.conflicts) == {
        name for name in both if base.get(name) != ours.get(name) and base.get(name) != theirs.get(name)
    }
    other = merge_locks(Lock(base), Lock(theirs), Lock(ours))
    assert bool(other.conflicts) is bool(merged.conflicts)
    if not merged.conflicts:
        assert merged.text == other.text


def test_outputs_of_other_inputs_are_left_out_of_a_merge() -> None:
    base = make_lock({"a": "1", "b": "1"}, outputs={"output config": "0"})
    ours = make_lock({"a": "2", "b": "1"}, outputs={"output config": "1"})
    theirs = make_lock({"a": "1", "b": "2"}, outputs={"output config": "2"})
    merged = merge_locks(base, ours, theirs)
    assert parse_lock(merged.text.encode(), Path("x")).outputs == {}
    assert "no side's outputs" in merged.notes[0]
    assert parse_lock(merge_locks(base, ours, base).text.encode(), Path("x")).outputs == ours.outputs


def test_a_conflict_is_marked_at_its_fact(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("base", "ours", "theirs")]
    for path, seed in zip(paths, "123", strict=True):
        path.write_text(lock_text(Lock({"seed": seed, "backend": "jax"})))
    status, said = merge_files(*paths, "test.lock")
    assert (status, said[0]) == (1, "test.lock: both sides changed 'seed'")
    assert paths[1].read_text().splitlines()[2:] == [
        'backend = "jax"',
        "<<<<<<< ours",
        'seed = "2"',
        "=======",
        'seed = "3"',
        ">>>>>>> theirs",
    ]


def test_another_kind_of_lock_is_merged_as_text(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("base", "ours", "theirs")]
    for path, text in zip(paths, ("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n"), strict=True):
        path.write_text(text)
    assert merge_files(*paths, "uv.lock") == (0, [])
    assert paths[1].read_text() == "A\nb\nc\nD\n"
    paths[2].write_text("Z\nb\nc\nd\n")
    assert merge_files(*paths, "uv.lock")[0] == 1


def test_a_lock_is_of_the_recipe_as_it_is_written(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", str(recipe), "--lock", "--set", "rate=0.5"]) == 2
    assert "--lock with --set would lock another recipe" in capsys.readouterr().err
    run(["lock", str(recipe)])
    assert run(["run", str(recipe), "--locked", "--set", "rate=0.5"]) == 4
    assert "recipe training stages 1 head: was" in capsys.readouterr().err
