"""Adding an operation adds one file: everything else follows from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.recipes_text import write_recipe

OPERATION = '''
"""`drop_bias`."""

from collections.abc import Iterator
from typing import Literal

from surgery.model.edits import Edit, UpdateConfig
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.operation import Operation, Phase


class DropBias(Operation):
    """Build layers without a bias.

    The bias goes, every other weight stays.

    Example:

    ```yaml
    - op: drop_bias
      layers: dense
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["drop_bias"]

    layers: Selector
    """The layers that lose their bias."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        for path in self.targets(model):
            if model[path].config.get("use_bias"):
                yield UpdateConfig(path, {"use_bias": False})
'''

RUN = """
import sys
import surgery.operations
surgery.operations.__path__.append(sys.argv.pop(1))
from surgery.cli import main
main()
"""


def surgery(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_new_file_is_a_new_operation(tmp_path: Path) -> None:
    folder = tmp_path / "operations"
    folder.mkdir()
    (folder / "drop_bias.py").write_text(OPERATION)
    recipe = write_recipe(tmp_path, dedent("operations:\n  - {op: drop_bias, layers: dense}\n"))

    plan = json.loads(surgery(folder, "plan", str(recipe), "--json"))
    assert plan["steps"][0]["op"] == "drop_bias"
    assert plan["parameters"]["before"] - plan["parameters"]["after"] == 6
    (line,) = [line for line in plan["ledger"] if line["source"] == "dropped"]
    assert (line["path"], line["variable"], line["shape"]) == ("dense", "bias", [6])

    assert "drop_bias" in surgery(folder, "ops")
    assert "The layers that lose their bias." in surgery(folder, "ops", "drop_bias")
    assert "drop_bias" in surgery(folder, "schema")
