"""The fenced blocks of a page, and what it means that one is right."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML
from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser

from surgery.recipe.loader import parse_recipe
from surgery.recipe.named_files import named_files
from surgery.recipe.reader import read_yaml

HEAD = "surgery: 1\n"
MODEL = "model: {path: recipes/quickstart/base.keras}\n"
ANYTHING = "..."
"""A line of a console block that stands for any lines; at the end of a line, for its rest."""


def examples(page: Path) -> list[Example]:
    """The console and YAML blocks of a page, in order."""
    sybil = Sybil([CodeBlockParser("console", check_console), CodeBlockParser("yaml", check_yaml)])
    return list(sybil.parse(page).examples())


def check_yaml(example: Example) -> None:
    """The block is a recipe, keys of a recipe, operations, or the fields of one operation."""
    folder: Path = example.namespace["folder"]
    text = _whole(example.parsed)
    document, _ = read_yaml("block.yaml", text.encode())
    for named in named_files(document):
        if named.kind == "checkpoint":  # a reader has further models of his own
            shutil.copy(folder / "recipes/quickstart/base.keras", folder / named.path)
    parse_recipe(folder / "block.yaml", text.encode(), {})


def _whole(text: str) -> str:
    """The block with what a recipe needs around it. Of a list of alternatives (`layers:` again and again) each is one."""
    if re.match(r"\s*-", text):
        return f"{HEAD}{MODEL}operations:\n{text}"
    if text.startswith("layers:"):
        lines = "".join(f"  - op: freeze\n    {line}\n" for line in text.strip().splitlines())
        return f"{HEAD}{MODEL}operations:\n{lines}"
    keys = YAML(typ="safe").load(text)
    return ("" if "surgery" in keys else HEAD) + ("" if "model" in keys else MODEL) + text


def check_console(example: Example) -> None:
    """Each command of the block prints what stands below it."""
    for command, expected in _commands(example.parsed):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=example.namespace["folder"],
            env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert re.fullmatch(_pattern(expected), done.stdout), f"$ {command}\n{done.stdout}"
        assert done.returncode == 0 or "error[" in expected, f"$ {command}\nexit status {done.returncode}"


def _commands(text: str) -> list[tuple[str, str]]:
    """Each command with the text below it."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _pattern(expected: str) -> str:
    lines = []
    for line in expected.splitlines():
        if line == ANYTHING:
            lines.append(r"(?:.*\n)*?")
        elif line.endswith(ANYTHING):
            lines.append(re.escape(line.removesuffix(ANYTHING)) + r".*\n")
        else:
            lines.append(re.escape(line) + r"\s*\n")
    return "".join(lines)
