"""A KerasHub preset in a folder: every file of it passes the rules before KerasHub looks at any.

Of KerasHub any class may be named, for a preset consists of nothing else; no function, and no path. What a tokenizer reads lies
in `assets/` of the same folder.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from surgery.errors import ModelUnsafe
from surgery.model.scan import classes, limits, values
from surgery.model.scan import json as texts
from surgery.model.scan.classes import Config
from surgery.model.scan.gate import refusal, scan
from surgery.model.scan.json import JsonText
from surgery.model.scan.rule import joined, judge, shown, written
from surgery.model.scan.verdict import Finding, Status, Verdict

HUB = "keras_hub"
CONFIG = "config.json"

_KNOWN = re.compile(
    r"(config|metadata|task|preprocessor|tokenizer|image_converter|audio_converter|video_converter)\.json"
    r"|(model|task)(_\d{1,6})?\.weights\.(h5|json)|assets/.+|README\.md"
)
_PATHS = ("proto", "merges", "vocabulary", "preset", "path", "url")


def require_safe_preset(folder: Path, trust: tuple[str, ...] = ()) -> None:
    """Scans a preset's folder.

    Raises:
        ModelUnsafe: one of its files is refused or could not be checked.
    """
    for finding in _findings(folder, (*trust, HUB)):
        raise refusal(Verdict(os.fspath(folder), "preset", (finding,)))


def _findings(folder: Path, trust: tuple[str, ...]) -> Iterator[Finding]:
    files = list(_files(folder))
    if CONFIG not in (name for name, _ in files):
        yield Finding("folder-file-missing", Status.REFUSED, "the preset does not have this file", place=CONFIG)
    for name, status in files:
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            yield Finding("folder-link", Status.REFUSED, "a link or a special file", place=shown(name))
        elif "\\" in name or not name.isprintable():
            yield Finding("folder-name", Status.REFUSED, "the name is not printable", place=shown(name))
        elif not stat.S_ISDIR(status.st_mode) and not _KNOWN.fullmatch(name):
            yield Finding("folder-file-unexpected", Status.REFUSED, "no preset has this file", place=name)
        elif name.endswith(".h5"):
            yield from scan(folder / name, trust).findings
        elif name.endswith(".json") and not name.startswith("assets/"):
            yield from _of_text(name, _read(folder / name), trust)


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """What is in the folder, as `lstat` sees it; links are not followed."""
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if number > limits.MEMBERS:
            raise ModelUnsafe(f"{folder} has more than {limits.MEMBERS} files", expected="a preset of KerasHub")
        yield path.relative_to(folder).as_posix(), path.lstat()


def _read(path: Path) -> JsonText:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        data = file.read(limits.JSON_BYTES + 1)
    return JsonText(data, len(data))


def _of_text(name: str, text: JsonText, trust: tuple[str, ...]) -> Iterator[Finding]:
    found = judge(texts.FAMILY, text, name)
    yield from found
    if found:
        return
    config = Config(text.value, trust)
    for family in (classes.FAMILY, values.FAMILY):
        yield from judge(family, config, name)
    for one in config.objects:
        if one.is_function:
            message = f"the function {shown(one.data.get('config'))} of {shown(one.module)}"
            yield Finding("class-function", Status.REFUSED, message, name, shown(written(one.path)))
        for key in _PATHS:
            if isinstance(one.config.get(key), str):
                place = shown(written(joined(joined(one.path, "config"), key)))
                yield Finding("vocabulary-file", Status.REFUSED, f"the file {shown(one.config[key])}", name, place)
