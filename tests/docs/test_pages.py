"""What the pages show is true: every console block is typed, every YAML block is read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.docs.blocks import examples

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if "_build" not in path.parts),
    *sorted((REPOSITORY / "recipes").glob("*/README.md")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a reader has in front of him: the recipes, and nothing written yet."""
    shutil.copytree(REPOSITORY / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns("build"))
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_blocks(page: Path, folder: Path) -> None:
    for example in examples(page):
        example.namespace["folder"] = folder
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links(page: Path) -> None:
    """A link to a file of the repository leads somewhere."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_a_wrong_block_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one\ntwo\n```\n\n```yaml\n- op: frieze\n```\n", encoding="utf-8")
    found = examples(page)
    assert len(found) == 2
    for example in found:
        example.namespace["folder"] = tmp_path
        with pytest.raises(Exception, match=r"echo one|frieze"):
            example.evaluate()
