"""The published schema in an editor: completion, hover and red lines, from yaml-language-server itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recipe.language_server import Session, server

COMMAND = server()

pytestmark = pytest.mark.skipif(
    COMMAND is None, reason="no yaml-language-server here; with node and npm: make language-server"
)

HEAD = """\
# yaml-language-server: $schema={schema}
surgery: 1
model: {{path: base.keras}}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    assert COMMAND is not None
    with Session(COMMAND, tmp_path_factory.mktemp("editor")) as made:
        yield made


@pytest.fixture(scope="module")
def head(repository: Path) -> str:
    return HEAD.format(schema=repository / "schemas/recipe.schema.json")


def labels(session: Session, text: str) -> set[str]:
    return {item["label"] for item in session.at("completion", text)["items"]}


def test_the_arguments_of_a_layer_are_completed(session: Session, head: str) -> None:
    text = head + "operations:\n  - op: append\n    layers:\n      - Dense: {un‸\n"
    assert "units" in labels(session, text)


def test_operations_are_completed(session: Session, head: str) -> None:
    assert {"freeze", "replace", "append"} <= labels(session, head + "operations:\n  - op: ‸\n")


def test_top_level_keys_are_completed(session: Session, head: str) -> None:
    assert {"operations", "training", "outputs"} <= labels(session, head + "‸\n")


def test_hover_explains(session: Session, head: str) -> None:
    told = session.at("hover", head + "operations:\n  - op: fre‸eze\n    layers: conv1\n")
    assert "Keep training from changing the weights" in str(told["contents"])
    told = session.at("hover", head + "se‸ed: 3\n")
    assert "Every random choice derives from it" in str(told["contents"])


def test_a_typo_is_underlined(session: Session, head: str) -> None:
    (found,) = session.diagnostics(head + "operatoins: []\n")
    assert found["range"]["start"] == {"line": 3, "character": 0}
    assert "operatoins" in found["message"]


def test_a_good_recipe_has_no_red_line(session: Session, repository: Path) -> None:
    for path in sorted(repository.glob("recipes/*/*.yaml")):
        text = path.read_text(encoding="utf-8").replace("../../schemas", str(repository / "schemas"))
        assert session.diagnostics(text) == [], path
