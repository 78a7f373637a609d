"""A git repository with a model and a recipe, for tests of what a change means."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from surgery.model.spec import ModelSpec
from tests.recipes_text import write_recipe

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"
HEAD = "operations:\n  - op: replace\n    layers: predictions\n    with: [{Dense: {units: 3, name: head}}]\n"


class Repository:
    """A repository in a folder, with git's own configuration out of the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        who = {
            f"GIT_{role}_{what}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def recipe(self, body: str, name: str = "one", model: ModelSpec | None = None) -> Path:
        """Writes `NAME/recipe.yaml` with its model."""
        (self.folder / name).mkdir(exist_ok=True)
        return write_recipe(self.folder / name, body, model)
