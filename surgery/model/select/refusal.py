"""The error of a selector that matches nothing: what is nearest, and how to list what there is."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from pathlib import PurePath

from surgery.errors import UnknownLayer
from surgery.model.nearest import LONGEST
from surgery.model.select.glob import Glob, has_wildcard, literal_head
from surgery.model.select.levels import Levels
from surgery.model.select.reading import Keys
from surgery.model.select.syntax import ClassName, ConfigValues, Index, Node, Pattern, Range, selector_text
from surgery.model.spec import split_path

_MOST_LAYERS_TO_COMPARE = 1000


def unknown_layer(levels: Levels, selector: Node, at: Keys, source: str | None) -> UnknownLayer:
    """The error, with a fix to type: the nearest name or glob that would match, and how to list the layers."""

    def fix() -> str:
        nearest = _nearest(levels, selector)
        hint = f"did you mean {_quoted(nearest)}? " if nearest else ""
        return f"{hint}list them with: surgery inspect {shlex.quote(source) if source else 'MODEL'}"

    return UnknownLayer(
        f"no layer matches {selector_text(selector)}{_remark(levels, selector)}",
        expected=_expected(levels, selector, source),
        fix=fix,
        field=at,
    )


def _expected(levels: Levels, selector: Node, source: str | None) -> str:
    count = len(levels.at[""])
    name = PurePath(source).name if source else levels.model.name
    match selector:
        case Index():
            return f"an index from {-count} to {count - 1}: {name} has {_counted(count)}"
        case ClassName():
            return f"a class of {name}: {', '.join(_classes(levels))}"
        case ConfigValues(values):
            return f"values that layers of {name} have: {_values(levels, values)}"
        case Range(str(), str()):
            return "'from' before 'to' in the order of the layers"
        case _:
            return f"a layer name or a glob over the {_counted(count)} of {name}"


def _counted(count: int) -> str:
    return "1 layer" if count == 1 else f"{count} layers"


def _classes(levels: Levels) -> list[str]:
    return sorted({layer.class_name for layer in levels.layers.values()})


def _values(levels: Levels, wanted: Iterable[str]) -> str:
    return "; ".join(f"{key} is {_seen(levels, key)}" for key in wanted)


def _seen(levels: Levels, key: str) -> str:
    configs = [layer.config for layer in levels.layers.values()]
    values = list(dict.fromkeys(str(config[key]) for config in configs if key in config))
    return f"{', '.join(values[:5])}{', ...' if len(values) > 5 else ''}" if values else "not a key of any layer"


def _remark(levels: Levels, selector: Node) -> str:
    if isinstance(selector, Pattern) and (layer := levels.model.find(selector.text)):
        return ": it is the input of a Sequential model" if layer.is_input else ": it is a bare operation, not a layer"
    return ""


def _nearest(levels: Levels, selector: Node) -> list[str]:
    match selector:
        case Pattern(text) if has_wildcard(text):
            return nearest_globs(levels, text)
        case Pattern(text):
            return nearest_names(levels, text)
        case ClassName():
            known = _classes(levels)
            return _unique(near for name in selector.each for near in _close(name, known))[:1]
        case _:
            return []


def nearest_names(levels: Levels, text: str) -> list[str]:
    """Paths like this one: first the same name in other nested models, then names that are spelled alike."""
    paths = list(levels.layers)[:_MOST_LAYERS_TO_COMPARE]
    elsewhere = [path for path in paths if split_path(path)[1] == split_path(text)[1]]
    if elsewhere:
        return elsewhere[:3]
    by_name = {split_path(path)[1]: path for path in reversed(paths)}
    inside_others = [by_name[name] for name in _close(text, by_name)] if "/" not in text else []
    return _unique([*_close(text, paths), *inside_others])[:3]


def nearest_globs(levels: Levels, text: str) -> list[str]:
    """Globs like this one that match: one level deeper, or with its beginning spelled as in a path."""
    paths = list(levels.layers)[:_MOST_LAYERS_TO_COMPARE]
    deeper = f"**/{text}"
    if not text.startswith("**") and any(map(Glob(deeper).matches, paths)):
        return [deeper]
    head = literal_head(text)
    if not 0 < len(head) <= LONGEST:
        return []
    heads = _unique(path[:size] for path in paths for size in range(max(1, len(head) - 2), len(head) + 3))
    near = difflib.get_close_matches(head.lower(), _by_lower(heads), n=20, cutoff=0.6)
    originals = [original for lower in near for original in _by_lower(heads)[lower]]
    globs = [other + text[len(head) :] for other in originals]
    return [glob for glob in globs if any(map(Glob(glob).matches, paths))][:1]


def _by_lower(words: Iterable[str]) -> dict[str, list[str]]:
    by_lower: dict[str, list[str]] = {}
    for word in words:
        by_lower.setdefault(word.lower(), []).append(word)
    return by_lower


def _close(word: str, known: Iterable[str]) -> list[str]:
    if len(word) > LONGEST:
        return []
    by_lower = _by_lower(name for name in known if len(name) <= LONGEST)
    near = difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)
    return [original for lower in near for original in by_lower[lower]]


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _quoted(words: list[str]) -> str:
    return " or ".join(f"'{word}'" for word in words)
