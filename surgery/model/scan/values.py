"""What stands inside the objects of a config: serialized values, vocabularies, sizes, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from surgery.model.hidden import first_hidden
from surgery.model.scan import limits
from surgery.model.scan.classes import VALUES, Config, Object
from surgery.model.scan.rule import Found, joined, rule, shown

FAMILY = "values"

_DTYPE = re.compile(r"(bool|bfloat16|u?int(8|16|32|64)|float(16|32|64)|float8_e[45]m[23]\w{0,8}|complex(64|128))")


@rule("value-malformed", FAMILY)
def malformed(config: Config) -> Found:
    """A serialized tensor, array, slice or bytes value that is not what Keras writes: a dtype that is no number, content that is
    not numbers, parts that are missing."""
    for found in config.objects:
        if isinstance(found.name, str) and found.name in VALUES and not _is_well_formed(found):
            yield found.path, f"{found.name} with odd content"


def _is_well_formed(found: Object) -> bool:
    config = found.config
    match found.name:
        case "__tensor__" | "__numpy__":
            return _is_dtype(config.get("dtype")) and _is_numeric(config.get("value"))
        case "__keras_tensor__":
            return _is_dtype(config.get("dtype"), or_string=True) and _is_history(config.get("keras_history"))
        case "__slice__":
            return set(config) == {"start", "stop", "step"} and all(map(_is_bound, config.values()))
        case "__bytes__":
            return isinstance(config.get("value"), str)
        case _:
            return not config


def _is_dtype(value: object, or_string: bool = False) -> bool:
    return isinstance(value, str) and bool(_DTYPE.fullmatch(value) or (or_string and value == "string"))


def _is_numeric(value: object) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif not isinstance(item, bool | int | float):
            return False
    return True


def _is_history(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return value is None
    return isinstance(value[0], str) and all(isinstance(i, int) and 0 <= i < 1 << 20 for i in value[1:])


def _is_bound(value: object) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, dict) and value.get("class_name") in VALUES)


@rule("vocabulary-file", FAMILY)
def vocabulary_file(config: Config) -> Found:
    """A lookup layer whose vocabulary is the path of a file: loading the model would read that file into it
    (CVE-2025-12058). Keras itself stores the words."""
    for found, key, value in _vocabularies(config):
        if isinstance(value, str) and "://" not in value:
            yield joined(joined(found.path, "config"), key), f"the vocabulary is the file {shown(value)}"


@rule("vocabulary-url", FAMILY)
def vocabulary_url(config: Config) -> Found:
    """A lookup layer whose vocabulary is an address: loading the model would fetch it (CVE-2025-12058)."""
    for found, key, value in _vocabularies(config):
        if isinstance(value, str) and "://" in value:
            yield joined(joined(found.path, "config"), key), f"the vocabulary is the address {shown(value)}"


@rule("vocabulary-odd", FAMILY)
def vocabulary_odd(config: Config) -> Found:
    """A vocabulary that is neither a list nor an array nor missing."""
    for found, key, value in _vocabularies(config):
        is_array = isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__")
        if not (value is None or isinstance(value, str | list) or is_array):
            yield joined(joined(found.path, "config"), key), "the vocabulary is no list of words"


def _vocabularies(config: Config) -> Iterator[tuple[Object, str, Any]]:
    for found in config.objects:
        for key in ("vocabulary", "idf_weights"):
            if key in found.config:
                yield found, key, found.config[key]


@rule("metric-too-large", FAMILY)
def metric_too_large(config: Config) -> Found:
    """A metric that would allocate a huge table as soon as it is made: more than 10,000 thresholds or 4,096 classes."""
    for found in config.objects:
        for key, limit in (("num_thresholds", limits.METRIC_THRESHOLDS), ("num_classes", limits.METRIC_CLASSES)):
            value = found.config.get(key)
            if isinstance(value, int) and value > limit:
                yield joined(joined(found.path, "config"), key), f"{found} with {key} = {value}"


# Names. They become paths in archives and on disk, and text in logs.


@rule("name-parent", FAMILY)
def name_parent(config: Config) -> Found:
    """A layer's name has `..` in it; Keras makes paths of names when it saves or unpacks (CVE-2026-12479)."""
    for path, name in config.names:
        if isinstance(name, str) and (".." in name or name == "."):
            yield path, f"the name {shown(name)}"


@rule("name-separator", FAMILY)
def name_separator(config: Config) -> Found:
    """A layer's name has a slash or a backslash, which Keras 3 refuses and file systems obey. In files of Keras 1 and 2 slashes are
    usual, and become underscores."""
    for path, name in config.names:
        if isinstance(name, str) and (("/" in name and not config.is_old) or "\\" in name):
            yield path, f"the name {shown(name)}"


@rule("name-control", FAMILY)
def name_control(config: Config) -> Found:
    """A layer's name has control, bidi, invisible formatting, private or unassigned characters, which a terminal, a log or a
    reviewer would be deceived by. Joiners of scripts and emoji are accepted where they join."""
    for path, name in config.names:
        if isinstance(name, str) and first_hidden(name) is not None:
            yield path, f"the name {shown(name)}"


@rule("name-length", FAMILY)
def name_length(config: Config) -> Found:
    """A layer's name is empty or longer than 255 characters."""
    for path, name in config.names:
        if isinstance(name, str) and not 0 < len(name) <= limits.NAME_CHARACTERS:
            yield path, f"a name of {len(name)} characters"


@rule("name-type", FAMILY)
def name_type(config: Config) -> Found:
    """A name of a layer or model that is a number or a list instead of a string."""
    for path, name in config.names:
        if not isinstance(name, str | None):
            yield path, "the name is not a string"
