"""What can be wrong with a recipe whose every value is fine by itself, found without the model and the data.

These checks look at the values as they were read, so that they speak up beside errors of form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from surgery.errors import (
    DuplicateName,
    FileMissing,
    FileUnreadable,
    InvalidValue,
    MissingKey,
    OutputRefused,
    PathRefused,
    SurgeryError,
    UndeclaredImport,
)
from surgery.recipe.document import Document, Key
from surgery.recipe.file import nearest_file
from surgery.recipe.named_files import Keys, named_files, sample_sources
from surgery.recipe.workspace import require_inside, workspace_of

_CUSTOM = re.compile(r"([A-Za-z_][\w.]*)>\w+")
_FACTORY = re.compile(r"([A-Za-z_][\w.]*):\w+")


def check(document: Document, path: Path, *, restricted: bool = False) -> list[SurgeryError]:
    """Everything that the checks find; with `restricted` every path that a stranger's recipe may not name too."""
    draft = _Draft(document, path.resolve().parent)
    checks = (
        _names,
        _imports,
        _application,
        *([_restricted] if restricted else [_files]),
        _output,
        _validation,
        _metrics,
    )
    return [error for find in checks for error in find(draft)]


@dataclass(frozen=True)
class _Draft:
    """A recipe that may still have errors."""

    document: Document
    folder: Path

    def text(self, *keys: Key) -> str | None:
        """The text at these keys, if there is good text."""
        node = self.document.find(*keys)
        usable = node is not None and isinstance(node.content, str) and not self.document.is_refused(*keys)
        return str(node.content) if usable and node else None

    def has(self, *keys: Key) -> bool:
        return self.document.find(*keys) is not None

    def items(self, *keys: Key) -> Iterator[Keys]:
        """The keys of each item of a list."""
        node = self.document.find(*keys)
        if node and isinstance(node.content, tuple):
            yield from ((*keys, index) for index in range(len(node.content)))


def _names(draft: _Draft) -> Iterator[SurgeryError]:
    for place, noun in ((("training", "stages"), "stage"), (("evaluation",), "evaluation")):
        seen: dict[str, int] = {}
        for keys in draft.items(*place):
            name = draft.text(*keys, "name")
            here = draft.document.location(*keys, "name")
            if name is not None and name in seen:
                what = f"two of the {noun}s are called '{name}'"
                expected = f"a name of its own; line {seen[name]} has this one"
                yield DuplicateName(what, expected=expected, fix=f"name: {name}-2", location=here)
            elif name is not None:
                seen[name] = here.line


def _imports(draft: _Draft) -> Iterator[SurgeryError]:
    declared = {text for keys in draft.items("imports") if (text := draft.text(*keys))}
    for keys, module, mark in _modules(draft):
        if not any(module == name or module.startswith(f"{name}.") for name in declared):
            yield UndeclaredImport(
                f"the module {module} is not under imports",
                expected="every module from outside Keras under imports",
                fix=f"imports: [{', '.join([*sorted(declared), module])}]",
                location=draft.document.location(*keys, mark="key" if mark else "value"),
            )


def _modules(draft: _Draft) -> Iterator[tuple[Keys, str, bool]]:
    """Each place that names a module from outside Keras, the module, and whether it is in a key."""
    for keys, node in draft.document.root.walk():
        if isinstance(node.content, Mapping):
            found = ((key, _CUSTOM.fullmatch(key)) for key in node.content)
            yield from (((*keys, key), match[1], True) for key, match in found if match)
    for keys in (("model",), *sample_sources(draft.document)):
        factory = _FACTORY.fullmatch(draft.text(*keys, "factory") or "")
        if factory:
            yield (*keys, "factory"), factory[1], False


def _application(draft: _Draft) -> Iterator[SurgeryError]:
    keys = ("model", "arguments", "weights")
    if draft.text("model", "application") and draft.has(*keys):
        what = "the weights of an application stand beside its arguments, not in them"
        place = draft.document.location(*keys, mark="key")
        yield InvalidValue(what, expected="weights: under model:", fix="move it one level up", location=place)


def _restricted(draft: _Draft) -> Iterator[SurgeryError]:
    refused = False
    for keys in (*(named.keys for named in named_files(draft.document)), ("outputs", "model")):
        written = draft.text(*keys)
        if written is None:
            continue
        try:
            require_inside(written, draft.folder)
        except PathRefused as error:
            refused = True
            yield error.at(draft.document.location(*keys))
    if not refused:
        yield from _files(draft)


def _files(draft: _Draft) -> Iterator[SurgeryError]:
    for named in named_files(draft.document):
        path, location = draft.folder / named.path, draft.document.location(*named.keys)
        if path.exists() and not path.is_file() and not path.is_dir():
            what = f"{named.path} is a pipe, a socket or a device"
            yield FileUnreadable(what, expected=f"a {named.noun}", location=location)
            continue
        is_there = path.is_dir() if named.noun == "folder" else path.exists()
        if not is_there:
            yield FileMissing(
                f"there is no {named.noun} {named.path}",
                expected=f"a {named.noun}, relative to {draft.folder}",
                fix=nearest_file(path),
                location=location,
            )


def _output(draft: _Draft) -> Iterator[SurgeryError]:
    keys = ("outputs", "model")
    written = draft.text(*keys)
    if written is None:
        return
    target, place = (draft.folder / written).resolve(), draft.document.location(*keys)
    for named in named_files(draft.document):
        if (draft.folder / named.path).resolve() == target:
            what = f"the output would replace the {named.noun} that the recipe reads"
            yield OutputRefused(what, expected="a path of its own", fix=f"model: build/{target.name}", location=place)
    workspace = workspace_of(draft.folder)
    if not target.is_relative_to(workspace):
        expected = f"a path inside {workspace}"
        yield OutputRefused("the output lies outside the workspace", expected=expected, location=place)


def _validation(draft: _Draft) -> Iterator[SurgeryError]:
    data = ("training", "data")
    has_split = draft.has(*data, "validation_split")
    place = draft.document.location(*data, "validation_split", mark="key")
    if has_split and draft.has(*data, "validation"):
        what = "'validation' and 'validation_split' exclude each other"
        yield InvalidValue(what, expected="one of them", fix="take one of them out", location=place)
    if has_split and draft.has(*data, "train", "factory"):
        what = "what a factory returns cannot be split"
        yield InvalidValue(what, expected="'validation' beside a factory", location=place)
    for keys in draft.items("evaluation"):
        word = draft.text(*keys, "data")
        if word == "validation" and not (has_split or draft.has(*data, "validation")):
            what = "the training has no validation samples"
            expected = "a source of samples, or 'validation' under training.data"
            yield MissingKey(what, expected=expected, location=draft.document.location(*keys, "data"))


def _metrics(draft: _Draft) -> Iterator[SurgeryError]:
    """Nothing to measure is a mistake."""
    has_stages = any(draft.has(*keys, "metrics") for keys in draft.items("training", "stages"))
    for keys in draft.items("evaluation"):
        if not (has_stages or draft.has(*keys, "metrics") or draft.has(*keys, "max_drop")):
            yield MissingKey(
                "the evaluation has nothing to measure",
                expected="metrics: or max_drop:",
                fix="metrics: [accuracy]",
                location=draft.document.location(*keys, mark="key"),
            )
