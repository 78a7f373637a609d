"""What the commands import: Keras only where it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes_text import write_recipe

CHECK = """
import sys
from surgery.cli.main import run
status = run(sys.argv[1:])
loaded = sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules))
print("status", status, "loaded", loaded, file=sys.stderr)
"""

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"


def loaded(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", CHECK, *arguments], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["inspect", "validate", "plan", "apply", "schema", "ops", "explain"])
def test_keras_is_not_imported(tmp_path: Path, command: str) -> None:
    recipe = write_recipe(tmp_path, FREEZE)
    arguments = {
        "inspect": [str(tmp_path / "model.keras")],
        "validate": [str(recipe)],
        "plan": [str(recipe)],
        "apply": [str(recipe), "-o", str(tmp_path / "out.keras")],
    }
    assert loaded(command, *arguments.get(command, [])) == "status 0 loaded []"
