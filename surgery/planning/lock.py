"""The lock of a recipe: `NAME.lock` beside it, one fact a line, sorted, so that it merges.

Three kinds of facts: what goes into a run, what came out of one (`output ...`), and how far a run on another machine may
differ from it (`tolerance ...`). Outputs belong to exactly the inputs that they were made from; with other inputs they go.
The file is TOML, of which it uses one form: a key, ` = `, a string.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from surgery.errors import FileMissing, Location, LockDrift, LockInvalid, SurgeryError
from surgery.model.archive.container import open_regular
from surgery.planning.facts import Facts, differing
from surgery.planning.modules import UNCHECKED
from surgery.recipe import Recipe

FORMAT = 2
"""Format 1 did not see the code of modules, classes of images without a file, nor the versions of Pillow and KerasHub."""
SIGN = "# surgery lock "
FIRST_LINE = f"{SIGN}{FORMAT}: one fact a line, sorted, so that it merges. Written by: surgery lock RECIPE"
SECOND_LINE = "# Do not edit it, but for the tolerances, which `surgery verify` keeps to on another machine."
LARGEST = 64 * 2**20
OUTPUT, TOLERANCE = "output ", "tolerance "
OUTPUT_OF = "output of"
"""The fact that says which inputs the outputs were made from."""
TOLERANCES = {"tolerance metric": "0.02", "tolerance norm": "0.05"}
"""A metric may be off by so much; the norm of a trained variable by such a share."""

_LINE = re.compile(r'([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*") = ("(?:[^"\\]|\\.)*")')
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Lock:
    """The facts of a lock. `lines` says where each stands in its file."""

    facts: Facts
    path: Path | None = None
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    format: int = field(default=FORMAT, compare=False)
    """The version of its format."""
    unchecked: tuple[str, ...] = field(default=(), compare=False)
    """Facts that could not be looked at where it was checked."""

    @property
    def inputs(self) -> dict[str, str]:
        return {name: fact for name, fact in self.facts.items() if not name.startswith((OUTPUT, TOLERANCE))}

    @property
    def outputs(self) -> dict[str, str]:
        return {name: fact for name, fact in self.facts.items() if name.startswith(OUTPUT)}

    @property
    def tolerances(self) -> dict[str, str]:
        return {name: fact for name, fact in self.facts.items() if name.startswith(TOLERANCE)}

    def location(self, name: str) -> Location:
        """Where a fact stands, or would stand."""
        return Location(str(self.path or "lock"), self.lines.get(name, 1))


def make_lock(inputs: Facts, old: Lock | None = None, outputs: Facts | None = None) -> Lock:
    """The lock of these inputs.

    Args:
        inputs: What goes into a run.
        old: The lock so far: its tolerances stay, and so do its outputs while they belong to these inputs.
        outputs: What came out of a run with these inputs.
    """
    if outputs is None and old is not None and old.outputs.get(OUTPUT_OF) == digest_of(inputs):
        outputs = old.outputs
    if outputs:
        outputs = {**outputs, OUTPUT_OF: digest_of(inputs)}
    tolerances = {**TOLERANCES, **(old.tolerances if old else {})}
    return Lock({**inputs, **(outputs or {}), **tolerances})


def digest_of(inputs: Facts) -> str:
    """One digest of all inputs: what outputs are said to be of."""
    return f"sha256:{hashlib.sha256(_body(inputs).encode()).hexdigest()}"


def lock_path(recipe: Recipe) -> Path:
    """`NAME.lock` beside the recipe."""
    return recipe.path.parent / f"{recipe.name}.lock"


def lock_text(lock: Lock) -> str:
    """The lock as its file holds it."""
    return f"{FIRST_LINE}\n{SECOND_LINE}\n{_body(lock.facts)}"


def fact_line(name: str, fact: str) -> str:
    """One fact as its line."""
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
    return f"{key} = {_quoted(fact)}"


def read_lock(path: Path) -> Lock:
    """The lock in a file.

    Raises:
        FileMissing: there is none.
        FileUnreadable, LockInvalid: the file is no lock.
    """
    try:
        descriptor = open_regular(path)
    except FileMissing:
        raise FileMissing(
            f"there is no lock {path}", expected="the lock of the recipe", fix="write it: surgery lock RECIPE"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(LARGEST + 1)
    return parse_lock(data, path)


def parse_lock(data: bytes, path: Path) -> Lock:
    """The lock in these bytes.

    Raises:
        LockInvalid: a line that is no fact, a name twice, a merge conflict; or a newer surgery has written it.
    """
    facts: dict[str, str] = {}
    lines: dict[str, int] = {}
    if len(data) > LARGEST:
        raise _invalid(path, 1, f"it is larger than {LARGEST} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid(path, 1, "it is not UTF-8") from None
    written = re.match(rf"{SIGN}(\d{{1,9}}):", text)
    if written and int(written[1]) > FORMAT:
        raise _invalid(path, 1, f"its format {written[1]} is newer than this surgery, which knows {FORMAT}")
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        name, fact = _parsed(line.removesuffix("\r"), path, number)
        if name in facts:
            raise _invalid(path, number, f"'{name}' stands here a second time")
        if name:
            facts[name], lines[name] = fact, number
    return Lock(facts, path, lines, int(written[1]) if written else FORMAT)


def drift(lock: Lock, inputs: Facts) -> list[SurgeryError]:
    """An error for each input that is not as it is locked, at its line. Those that could not be looked at are not among them."""
    then = {name: fact for name, fact in lock.inputs.items() if inputs.get(name) != UNCHECKED}
    now = {name: fact for name, fact in inputs.items() if fact != UNCHECKED}
    is_old = lock.format < FORMAT
    errors: list[SurgeryError] = [
        LockDrift(
            f"{text} (a lock of format {lock.format} does not have it)" if is_old and name not in then else text,
            location=lock.location(name),
        )
        for name, text in differing(then, now)
    ]
    if errors:
        errors[-1].expected = "what goes into a run as it was when the lock was written"
        errors[-1].fix = "put it back; or, if it is meant so, write the lock anew: surgery lock RECIPE"
    if errors and is_old and set(now).issuperset(then) and all(now[name] == fact for name, fact in then.items()):
        errors[-1].expected = f"a lock of format {FORMAT}; all that this one of format {lock.format} has still holds"
        errors[-1].fix = "write the lock anew, with the facts that are new: surgery lock RECIPE"
    return errors


def checked(lock: Lock, inputs: Facts) -> Lock:
    """The lock, knowing which of the facts could not be looked at."""
    return replace(lock, unchecked=tuple(name for name, fact in inputs.items() if fact == UNCHECKED))


def _parsed(line: str, path: Path, number: int) -> tuple[str, str]:
    if not line or line.startswith("#"):
        return "", ""
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        raise _invalid(path, number, "there is an unresolved merge conflict")
    found = _LINE.fullmatch(line)
    try:
        if found is not None:
            key, fact = found.groups()
            return json.loads(key) if key.startswith('"') else key, json.loads(fact)
    except ValueError:
        pass
    raise _invalid(path, number, "this line is no fact")


def _invalid(path: Path, line: int, why: str) -> LockInvalid:
    return LockInvalid(
        f"this lock cannot be read: {why}",
        expected='lines of the form: "name" = "fact"',
        fix="write it anew: surgery lock RECIPE",
        location=Location(str(path), line),
    )


def _body(facts: Facts) -> str:
    return "".join(f"{line}\n" for line in _sorted(facts))


def _sorted(facts: Facts) -> Iterator[str]:
    return (fact_line(name, facts[name]) for name in sorted(facts))


def _quoted(text: str) -> str:
    """A JSON string, which is a TOML string, too."""
    plain = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", plain)
