"""Why a selector matches a layer, or does not: one part for each part of the selector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from surgery.errors import InvalidValue
from surgery.model.flow import flow
from surgery.model.select.glob import has_wildcard
from surgery.model.select.matching import Matcher
from surgery.model.select.reading import Keys
from surgery.model.select.refusal import unknown_layer
from surgery.model.select.syntax import (
    AllOf,
    AnyOf,
    Between,
    ClassName,
    ConfigValues,
    DownstreamOf,
    First,
    Index,
    Last,
    Node,
    Not,
    Pattern,
    Range,
    Regex,
    UpstreamOf,
    selector_text,
)
from surgery.model.select.values import ABSENT, mismatch
from surgery.model.spec import LayerSpec, ModelSpec


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a selector says about a layer."""

    at: Keys
    """The keys from the selector down to this part."""
    selector: str
    """The part as a person would write it."""
    matches: bool
    reason: str
    """A clause about the layer: `its class is Dense`."""


def explain(model: ModelSpec, path: str, selector: Node, *, source: str | None = None) -> tuple[Part, ...]:
    """Why the layer at `path` is matched or not: the whole selector first, then its parts, outer before inner.

    Args:
        source: The file of the model, for the words of an error.

    Raises:
        UnknownLayer: When the model has no layer at that path.
    """
    matcher = Matcher(model, allow_empty=True)
    if path not in matcher.levels.layers:
        raise unknown_layer(matcher.levels, Pattern(path), (), source)
    return tuple(Explanation(matcher, path).parts(selector, ()))


class Explanation:
    """Explains selectors about one layer."""

    def __init__(self, matcher: Matcher, path: str) -> None:
        self.matcher = matcher
        self.path = path
        self.layer: LayerSpec = matcher.levels.layers[path]

    def parts(self, selector: Node, at: Keys) -> Iterator[Part]:
        try:
            matched = self.matcher.paths(selector)
            reason = self._reason(selector, matched)
        except InvalidValue as error:
            matched, reason = (), error.what
        yield Part(at, selector_text(selector), self.path in matched, reason)
        for key, member in _members(selector):
            yield from self.parts(member, (*at, *key))

    def _reason(self, selector: Node, matched: tuple[str, ...]) -> str:
        match selector:
            case Pattern(text):
                return self._about_path(text, matched)
            case Index(index):
                return self._about_index(index)
            case ClassName():
                return f"its class is {self.layer.class_name}"
            case Regex():
                return f"the expression is {'' if self.path in matched else 'not '}found in '{self.path}'"
            case ConfigValues():
                return self._about_config(selector)
            case _:
                return self._about_set(selector, matched)

    def _about_path(self, text: str, matched: tuple[str, ...]) -> str:
        if self.path in matched:
            return "it is this layer" if self.path == text else f"the glob fits '{self.path}'"
        if not has_wildcard(text):
            return f"it is '{self.path}'"
        deeper = "/" in self.path and "**" not in text and "/" not in text
        return f"the glob does not fit '{self.path}'{': * stays inside one level' if deeper else ''}"

    def _about_index(self, index: int) -> str:
        top = self.matcher.levels.at[""]
        if self.path not in top:
            return "it lies inside a nested model; an index counts the model's own layers"
        position = top.index(self.path)
        return f"its index is {position if index >= 0 else position - len(top)}"

    def _about_config(self, selector: ConfigValues) -> str:
        found = mismatch(self.layer, selector.values)
        if found is None:
            return "its config has these values"
        key, value = found
        return f"its config has no {key}" if value is ABSENT else f"its {key} is {flow(value)}"

    def _about_set(self, selector: Node, matched: tuple[str, ...]) -> str:
        inside = self.path in matched
        match selector:
            case Range() | First() | Last() if inside:
                return f"it is among the {len(matched)} layers from '{matched[0]}' to '{matched[-1]}'"
            case Range() | First() | Last():
                return f"the layers are '{matched[0]}' to '{matched[-1]}'" if matched else "no layer is there"
            case UpstreamOf() | DownstreamOf() | Between():
                return f"{'a' if inside else 'no'} way through the graph goes so"
            case AnyOf():
                return f"{'a' if inside else 'no'} part matches"
            case AllOf():
                return "every part matches" if inside else "not every part matches"
            case _:
                return self._about_not(inside)

    def _about_not(self, inside: bool) -> str:
        return "it is none of what is left out" if inside else "it is left out, or lies in or around what is left out"


def _members(selector: Node) -> Iterator[tuple[Keys, Node]]:
    """The parts of a selector, with the keys down to each."""
    match selector:
        case AnyOf(members, bare):
            yield from _numbered(members, lambda number: (number,) if bare else ("any", number))
        case AllOf(members):
            yield from _numbered(members, lambda number: ("all", number))
        case Not(member):
            yield ("not",), member
        case UpstreamOf(of):
            yield ("upstream_of",), of
        case DownstreamOf(of):
            yield ("downstream_of",), of
        case Between(start, stop):
            yield from _numbered((start, stop), lambda number: ("between", number))
        case Range(of=of) | First(of=of) | Last(of=of) if of is not None:
            yield ("of",), of


def _numbered(members: tuple[Node, ...], keys: Callable[[int], Keys]) -> Iterator[tuple[Keys, Node]]:
    yield from ((keys(number), member) for number, member in enumerate(members))
