"""Small gradients in float16: the loss is scaled, with features and without, as Keras does for a model built so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.halves import halves
from tests.training.small_gradients import CASES

pytestmark = [pytest.mark.keras, halves]

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]


@pytest.fixture(scope="module", params=BACKENDS)
def moved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What each case came to on a backend, from a process of its own."""
    answer = tmp_path_factory.mktemp("precision") / "answer.json"
    environment = {**os.environ, "KERAS_BACKEND": request.param, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.small_gradients", str(answer)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(answer.read_text())
    return found


def number(moved: dict[str, dict[str, object]], case: str, what: str = "hidden") -> float:
    value = moved[case][what]
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("case", [case for case in CASES if case.endswith("float16") or "with" in case])
def test_float16_moves_what_float32_moves(moved: dict[str, dict[str, object]], case: str) -> None:
    like = case.replace("mixed_bfloat16", "float32").replace("mixed_float16", "float32")
    assert number(moved, like) > 0
    assert number(moved, case) == pytest.approx(number(moved, like), rel=0.1)
    assert moved[case]["unmoved"] is None


def test_the_loss_is_scaled_once_and_only_in_float16(moved: dict[str, dict[str, object]]) -> None:
    for case, found in moved.items():
        asked = "mixed_float16" in case or case.startswith(("own scale", "factor"))
        assert (found["loss_scale"] is not None) == asked, case
    assert number(moved, "own scale, mixed_float16", "loss_scale") == 16384
    assert number(moved, "factor, mixed_float16", "loss_scale") == 8192


def test_keras_itself_moves_as_much(moved: dict[str, dict[str, object]]) -> None:
    assert number(moved, "plain, mixed_float16") == pytest.approx(
        number(moved, "plain, mixed_float16", "keras"), rel=1e-3
    )


def test_features_change_nothing_about_it(moved: dict[str, dict[str, object]]) -> None:
    assert moved["cut, mixed_float16"]["has_features"]
    assert not moved["uncut, mixed_float16"]["has_features"]
    assert number(moved, "cut, mixed_float16") == pytest.approx(number(moved, "uncut, mixed_float16"), rel=0.05)


def test_a_stage_that_goes_on_goes_on(moved: dict[str, dict[str, object]]) -> None:
    like = number(moved, "going on, float32")
    assert number(moved, "going on, mixed_float16") == pytest.approx(like, rel=0.1)
