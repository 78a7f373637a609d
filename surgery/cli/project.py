"""The project's own configuration: `[tool.surgery]` in the nearest pyproject.toml above the recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path

from surgery.errors import FileUnreadable, Location, WrongType


def trusted(recipe: Path, granted: list[str] | None) -> tuple[str, ...]:
    """The modules that may be imported: those of `--trust`, and those that the project trusts.

    Raises:
        FileUnreadable, WrongType: when the project's configuration cannot be read.
    """
    file = next(
        (folder / "pyproject.toml" for folder in recipe.resolve().parents if (folder / "pyproject.toml").is_file()),
        None,
    )
    return (*(granted or ()), *(trust_of(file) if file else ()))


def trust_of(file: Path) -> tuple[str, ...]:
    """The modules that a configuration file trusts.

    Raises:
        FileUnreadable, WrongType: when it cannot be read.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise FileUnreadable(
            f"the project's configuration cannot be read: {error}",
            expected="TOML",
            fix="correct it",
            location=Location(str(file)),
        ) from error
    for key in ("tool", "surgery"):
        document = document.get(key, {}) if isinstance(document, dict) else {}
    trust = document.get("trust", []) if isinstance(document, dict) else None
    if not isinstance(trust, list) or not all(isinstance(module, str) for module in trust):
        raise WrongType(
            "[tool.surgery] trust is no list of modules",
            expected='trust = ["package.module"]',
            fix="correct it",
            location=Location(str(file)),
        )
    return tuple(trust)
