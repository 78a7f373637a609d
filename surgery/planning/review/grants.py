"""What in a change grants power: trust and policy, git's attributes, tolerances of locks, imports, and how surgery is called.

None of it is obeyed while the change is reviewed; it holds once the change is merged. So it is what a reviewer sees first.
"""

from __future__ import annotations

import difflib
import math
import posixpath
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError
from surgery.model.operand import RECIPES
from surgery.planning.lock import FIRST_LINE, TOLERANCE, TOLERANCES, parse_lock
from surgery.planning.review.change import ChangedPath
from surgery.planning.review.found import ReviewedFile, tried
from surgery.planning.review.models import SUFFIXES
from surgery.planning.review.recipes import looks_like_recipe
from surgery.planning.review.texts import text_at, text_now
from surgery.recipe.document import Document
from surgery.recipe.reader import read_yaml

POLICIES = ("surgery-policy.yaml", "surgery-policy.yml")
MOST = 20
"""Lines of one file that are told."""
_ATTRIBUTES = re.compile(
    r"(^|[-!\s])(diff|merge|filter|text|binary|eol|crlf|ident|working-tree-encoding|linguist-\w+|export-\w+)\b"
)

Says = Callable[[str, bytes | None, bytes | None], Iterable[str]]
"""From a path and its text before and after, the sentences."""


def grants(base: str, entries: Mapping[str, ChangedPath]) -> tuple[tuple[str, ...], tuple[ReviewedFile, ...]]:
    """One sentence for each thing that the change permits or loosens; and the files of which that could not be told."""
    told: list[tuple[int, str]] = []
    wrong: list[ReviewedFile] = []
    for path, entry in sorted(entries.items()):
        says = _sayer(path)
        if says is None:
            continue
        found, errors = tried(path, lambda entry=entry, says=says: _told(base, entry, says))  # type: ignore[misc]
        rank = _RANKS.index(says)
        told += ((rank, sentence) for sentence in found or ())
        if errors:
            told.append((rank, f"{path} could not be read, so what it grants is not known"))
            wrong.append(ReviewedFile(path, entry.state, tuple(errors)))
    return tuple(sentence for _, sentence in sorted(told, key=lambda one: one[0])), tuple(wrong)


def _sayer(path: str) -> Says | None:
    name = posixpath.basename(path).lower()
    if name == "pyproject.toml":
        return _project
    if name == ".gitattributes":
        return _attributes
    if name in POLICIES:
        return _policy
    if name.startswith(".pre-commit-config.") or name in ("action.yml", "action.yaml") or ".github/workflows/" in path:
        return _calls
    if name.endswith(".lock"):
        return _tolerances
    return _imports if name.endswith(RECIPES) else None


def _told(base: str, entry: ChangedPath, says: Says) -> list[str]:
    if entry.kind and says not in (_tolerances, _imports):
        return [f"{entry.path} is now {entry.kind}; what it says is not reviewed"]
    return list(says(entry.path, text_at(base, entry), text_now(entry)))


def _project(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    try:
        before = _settings(old)
    except (ValueError, RecursionError):
        before = {}
    try:
        after = _settings(new)
    except (ValueError, RecursionError):
        if before or path == "pyproject.toml":
            raise
        return
    for module in _added(before.get("trust"), after.get("trust")):
        yield f"grants trust to {module} ({path})"
    for module in _added(after.get("trust"), before.get("trust")):
        yield f"takes trust from {module} ({path})"
    for key in sorted({*before, *after} - {"trust"}):
        if before.get(key) != after.get(key):
            was, now = _short(before.get(key)), _short(after.get(key))
            yield f"changes [tool.surgery] {key} from {was} to {now} ({path})"


def _settings(data: bytes | None) -> dict[str, Any]:
    found: Any = tomllib.loads((data or b"").decode("utf-8"))
    for key in ("tool", "surgery"):
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {"": found}


def _added(old: Any, new: Any) -> list[str]:
    before = {str(one) for one in (old if isinstance(old, list) else [] if old is None else [old])}
    return sorted({str(one) for one in (new if isinstance(new, list) else [] if new is None else [new])} - before)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _attributes(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    for sign, line in _lines(old, new):
        if _concerns_ours(line):
            verb = "sets git attributes:" if sign == "+" else "no longer sets git attributes:"
            yield f"{verb} {_short(line)} ({path})"


def _concerns_ours(line: str) -> bool:
    """Whether a line of attributes may be about models, recipes or locks, or about our drivers. In doubt it is."""
    if not line.strip() or line.lstrip().startswith("#"):
        return False
    if "surgery" in line or line.lstrip().startswith("[attr]"):
        return True
    pattern, _, attributes = line.strip().partition(" ")
    suffix = re.search(r"\.([A-Za-z0-9]+)$", pattern)
    ours = {one.removeprefix(".") for one in (*SUFFIXES, *RECIPES, ".lock", ".json")}
    return bool(_ATTRIBUTES.search(attributes)) and (suffix is None or suffix.group(1).lower() in ours)


def _policy(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"{'adds' if old is None else 'removes'} the policy {path}"
    yield from _changed_lines(path, old, new, "the policy")


def _calls(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    """Every line of a file that calls surgery: a flag can be weakened in more ways than can be listed."""
    if any(b"surgery" in (data or b"").lower() for data in (old, new)):
        yield from _changed_lines(path, old, new, "how surgery is called")


def _changed_lines(path: str, old: bytes | None, new: bytes | None, what: str) -> Iterator[str]:
    lines = [(sign, line) for sign, line in _lines(old, new) if line.strip()]
    for sign, line in lines[:MOST]:
        yield f"changes {what}: {sign} {_short(line.strip())} ({path})"
    if len(lines) > MOST:
        yield f"changes {what}: {len(lines) - MOST} more lines ({path})"


def _lines(old: bytes | None, new: bytes | None) -> Iterator[tuple[str, str]]:
    """The lines that went and came."""
    before, after = ((data or b"").decode("utf-8", "surrogateescape").split("\n") for data in (old, new))
    if len(before) + len(after) > 4000:
        yield from (("-", line) for line in before if line not in set(after))
        yield from (("+", line) for line in after if line not in set(before))
        return
    for line in difflib.ndiff(before, after):
        if line[0] in "+-":
            yield line[0], line[2:]


def _tolerances(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    was_ours = _is_lock(path, old)
    if not was_ours and not _is_lock(path, new):
        return
    if was_ours and new is None:
        yield f"removes the lock {path}: nothing holds its recipe to what went in and came out"
        return
    before, after = dict(TOLERANCES), parse_lock(new or b"", Path(path)).tolerances
    if old is not None:
        try:
            before = parse_lock(old, Path(path)).tolerances
        except SurgeryError:
            yield f"replaces a lock that could not be read ({path})"
    for name in sorted({*before, *after}):
        was, now = before.get(name, "0"), after.get(name, "0")
        if was != now:
            yield f"{_direction(was, now)} the tolerance of {name.removeprefix(TOLERANCE)} from {was} to {now} ({path})"


def _is_lock(path: str, data: bytes | None) -> bool:
    """Whether a file is a lock of ours, by its first line or by what stands in it. Other tools have locks, too."""
    if data is None or data.startswith(FIRST_LINE.encode()):
        return data is not None
    try:
        return bool(parse_lock(data, Path(path)).tolerances)
    except SurgeryError:
        return False


def _direction(was: str, now: str) -> str:
    try:
        old, new = float(was), float(now)
    except ValueError:
        return "changes"
    return "tightens" if not math.isnan(old) and new < old else "loosens"


def _imports(path: str, old: bytes | None, new: bytes | None) -> Iterator[str]:
    """The modules that a recipe begins to ask for; what is wrong with the recipe is told at the recipe."""
    try:
        before = _modules(path, old)
        for module in sorted(_modules(path, new) - before):
            yield f"asks to import {module} ({path})"
    except SurgeryError:
        return


def _modules(path: str, data: bytes | None) -> set[str]:
    if data is None or not looks_like_recipe(data):
        return set()
    document: Document = read_yaml(path, data)[0]
    plain = document.root.plain()
    found = plain.get("imports") if isinstance(plain, dict) else None
    return {str(one) for one in (found if isinstance(found, list | tuple) else [] if found is None else [found])}


_RANKS: tuple[Says, ...] = (_project, _tolerances, _imports, _policy, _attributes, _calls)
"""What is told first: many lines of a weaker kind cannot push out one of a stronger."""
