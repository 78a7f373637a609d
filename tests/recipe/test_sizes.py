"""Recipes as large as they may be, each of a shape for which some way of reading takes hours or fills the memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import SurgeryError, flatten, render
from surgery.recipe.loader import parse_recipe
from tests.recipe.recipes import write

HEAD = "surgery: 1\nmodel: {path: base.keras}\n"
ROOM = 250_000
"""Characters; a recipe may have 262,144 bytes."""
IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))


def operations(line: str, room: int = ROOM) -> str:
    return f"{HEAD}operations:\n" + line * (room // len(line))


def named(*, names: int, uses: int) -> str:
    declared = "".join(f"  a{number}: 1\n" for number in range(names))
    return f"{HEAD}parameters:\n{declared}imports:\n" + "".join(f"  - ${{b{number}}}\n" for number in range(uses))


RECIPES = {
    "underscores": f"{HEAD}description: 1{'_' * ROOM}x\n",
    "colons": f"{HEAD}description: 1{':5' * (ROOM // 2)}x\n",
    "digits": f"{HEAD}seed: 1e{'9' * ROOM}\n",
    "comment signs": f"{HEAD}description: a{' #' * (ROOM // 2)}\n",
    "a long parameter used often": f"{HEAD}parameters: {{a: {'x' * (ROOM // 2)}}}\ndescription: '{'${a}' * (ROOM // 8)}'\n",
    "a long parameter in many texts": f"{HEAD}parameters: {{a: {'x' * (ROOM // 2)}}}\n"
    "imports:\n" + "  - b${a}\n" * (ROOM // 25),
    "parameters that do not end": f"{HEAD}description: '{'${a' * (ROOM // 3)}'\n",
    "unknown parameters": f"{HEAD}description: '{'${a}' * (ROOM // 4)}'\n",
    "many unknown parameters of many": named(names=6_000, uses=6_000),
    "parameters with long names": f"{HEAD}parameters: {{{', '.join(f'a{IDEOGRAPHS * 2}{n}: 1' for n in range(6))}}}\n"
    f"description: '${{a{IDEOGRAPHS * 2}x}}'\n",
    "unknown keys": HEAD + "".join(f"k{number}: 1\n" for number in range(18_000)),
    "a long unknown key": f"{HEAD}operatio{'n' * ROOM}s: 1\n",
    "duplicate keys": f"{HEAD}parameters:\n" + "  a: 1\n" * 19_000,
    "unknown operations": operations("  - {op: freze, layers: a}\n"),
    "long unknown operations": operations(f"  - {{op: {'freeze' * 200}, layers: a}}\n"),
    "long unknown classes": operations(f"  - {{op: append, layers: [{{{'ConvolutionTranspose' * 250}: {{}}}}]}}\n"),
    "unknown arguments": f"{HEAD}operations: [{{op: append, layers: [{{Dense: {{"
    + ", ".join(f"unts{number}: 1" for number in range(14_000))
    + "}}]}]\n",
    "unknown selectors": f"{HEAD}operations: [{{op: freeze, layers: [{', '.join(['{clas: a}'] * 9_000)}]}}]\n",
    "large expressions": operations(f"  - {{op: freeze, layers: {{regex: '(?i){'[^/]' * 500}'}}}}\n"),
    "expressions that open": f"{HEAD}operations: [{{op: freeze, layers: {{regex: '{'(' * (ROOM - 100)}'}}}}]\n",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("line", "count", "what"),
    [
        ("{op: freeze, layers: a}", 501, "501 operations"),
        ("{op: freeze, layers: ['a*', {class: Dense}]}", 151, "302 selectors that look at every layer"),
        ("{op: freeze, layers: {regex: a}}", 51, "51 regular expressions"),
    ],
)
def test_more_than_a_person_can_review_is_refused(tmp_path: Path, line: str, count: int, what: str) -> None:
    path = write(tmp_path, "")
    with pytest.raises(SurgeryError, match=f"the recipe has {what}") as caught:
        parse_recipe(path, (f"{HEAD}operations:\n" + f"  - {line}\n" * count).encode(), {})
    assert caught.value.code() == "limit-exceeded"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", RECIPES.values(), ids=RECIPES)
def test_a_large_recipe_is_read_or_refused_at_once(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    try:
        recipe = parse_recipe(path, text.encode(), {})
    except SurgeryError as refusal:
        said = [render(error) for error in flatten(refusal)]
        assert sum(map(len, said)) < 4 << 20
        assert "the file is too large" not in said[0]
    else:
        assert recipe.operations == ()
