"""The canonical form: what it is, that it is reached in one step, and that it says what was said before."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from surgery.errors import SurgeryError
from surgery.recipe import load_recipe
from surgery.recipe.formatting import format_recipe
from tests.recipe.recipes import GOOD, write

UNTIDY = """\
# yaml-language-server: $schema=recipe.schema.json


# about the name
name:   odd
surgery: 1   # version


operations:   
- layers: {to: conv1,}
  # why frozen
  op: freeze   # comment
# second
-   optional: true
    op:   'freeze'
    layers:
    - 'conv2'
    - "it's"


    # odd
    - {not: {class:  Dense}}
    # end of list
-
  op: freeze
  layers: { from:  a ,to: b }     # keeps its column
- {layers: x, op: unfreeze}

model:
    path: base.keras
description: |
  # not a comment
   text

  more
seed: 3
# the end
"""  # noqa: W291 - the blanks at the end are a part of it

TIDY = """\
# yaml-language-server: $schema=recipe.schema.json

surgery: 1   # version
# about the name
name:   odd

description: |
  # not a comment
   text

  more

seed: 3

model:
  path: base.keras

operations:
  # why frozen
  - op: freeze   # comment
    layers: {to: conv1}
  # second
  - op:   "freeze"
    layers:
      - "conv2"
      - "it's"

      # odd
      - {not: {class: Dense}}
    optional: true
    # end of list
  - op: freeze
    layers: {from: a, to: b}        # keeps its column
  - {op: unfreeze, layers: x}
# the end
"""


def formatted(folder: Path, text: str) -> str:
    """The canonical form; a second step changes nothing."""
    path = write(folder, text)
    once = format_recipe(path, path.read_bytes())
    assert format_recipe(path, once) == once
    return once.decode()


def test_everything_at_once(tmp_path: Path) -> None:
    assert formatted(tmp_path, UNTIDY) == TIDY


def test_a_tidy_recipe_stays(tmp_path: Path) -> None:
    assert formatted(tmp_path, GOOD) == GOOD


def test_the_recipes_of_the_repository_are_formatted(repository: Path) -> None:
    for path in sorted(repository.glob("recipes/*/*.yaml")):
        assert format_recipe(path, path.read_bytes()) == path.read_bytes(), path


@pytest.mark.parametrize(
    "text",
    [
        "{surgery: 1, model: {path: base.keras}}\n",
        "? surgery\n: 1\nmodel: {path: base.keras}\n",
        "model: {path: base.keras}\nsurgery: 1\ndescription: |+\n  a\n\n\n",
    ],
    ids=["brackets all over", "an explicit key", "text that ends in blank lines"],
)
def test_what_is_unusual_stays(tmp_path: Path, text: str) -> None:
    assert formatted(tmp_path, text) == text


def test_windows_lines_and_document_marks_go(tmp_path: Path) -> None:
    text = "---\r\nsurgery: 1\r\nmodel: {path: base.keras}\r\n...\r\n"
    assert formatted(tmp_path, text) == "surgery: 1\nmodel: {path: base.keras}\n"


def test_text_over_several_lines_moves_with_its_key(tmp_path: Path) -> None:
    text = """\
surgery: 1
model: {path: base.keras}
operations:
    - op: append
      layers:
          - Dense:
                units: 1
                name: "a
                  b"
          - Dense: {units: 1,
              name: c}   # over two lines
"""
    assert (
        formatted(tmp_path, text)
        == """\
surgery: 1
model: {path: base.keras}

operations:
  - op: append
    layers:
      - Dense:
          units: 1
          name: "a
            b"
      - Dense: {units: 1,
          name: c}   # over two lines
"""
    )


def test_a_recipe_with_errors_is_not_formatted(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError, match="opeations"):
        formatted(tmp_path, GOOD.replace("operations:", "opeations:", 1))


@pytest.mark.parametrize("seed", range(30))
def test_mutations_reach_the_same_form(tmp_path: Path, seed: int) -> None:
    """Whatever is done to the layout of a recipe, its meaning and its comments stay, and one step is enough."""
    path = write(tmp_path, _shuffled(random.Random(seed)))
    before = load_recipe(path)
    path.write_text(formatted(tmp_path, path.read_text()))
    after = load_recipe(path)
    assert all(getattr(before, name) == getattr(after, name) for name in type(before).model_fields)


def _shuffled(chance: random.Random) -> str:
    """The good recipe with its sections in another order, deeper or shallower, with comments and blank lines put in."""
    sections = re.split(r"\n(?=\w)", GOOD.rstrip("\n"))
    chance.shuffle(sections)
    deeper = chance.choice((1, 2, 3))
    lines = []
    for line in "\n".join(sections).split("\n"):
        depth = len(line) - len(line.lstrip())
        place = " " * (depth * deeper)
        if chance.random() < 0.3:
            lines += [place + f"# comment {chance.randrange(1000)}"]
        if chance.random() < 0.2:
            lines += [""] * chance.randrange(3)
        text = line.strip()
        if text.startswith("- ") and deeper != 1:
            text = "-" + " " * (2 * deeper - 1) + text[2:]
        lines.append(place + text + ("   # beside" if chance.random() < 0.2 and text else ""))
    return "\n".join(lines) + "\n"
