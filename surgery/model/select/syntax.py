"""The selector language as values: one class for each form of a selector, and the way back to YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from surgery.model.flow import flow

End = str | int
"""An end of a range: a name, a path or a glob, or an index."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A layer's name, a path, or a glob: `block5_conv1`, `encoder/conv1`, `block5_*`."""

    text: str


@dataclass(frozen=True, slots=True)
class Index:
    """A position in `model.layers`; negative ones count from the end."""

    index: int


@dataclass(frozen=True, slots=True)
class Range:
    """From one layer to another in the order of one model, both ends included."""

    start: End | None = None
    stop: End | None = None
    of: Node | None = None


@dataclass(frozen=True, slots=True)
class First:
    """The first layers: as `model.layers[:count]`."""

    count: int
    of: Node | None = None


@dataclass(frozen=True, slots=True)
class Last:
    """The last layers: as `model.layers[-count:]`."""

    count: int
    of: Node | None = None


@dataclass(frozen=True, slots=True)
class ClassName:
    """Layers of one class, or of one of several, at every level."""

    names: str | tuple[str, ...]

    @property
    def each(self) -> tuple[str, ...]:
        return (self.names,) if isinstance(self.names, str) else self.names


@dataclass(frozen=True, slots=True)
class Regex:
    """Layers whose whole path the regular expression is found in, at every level."""

    pattern: str


@dataclass(frozen=True, slots=True)
class ConfigValues:
    """Layers whose config has these values, at every level."""

    values: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class UpstreamOf:
    """What feeds some layers, those layers included."""

    of: Node


@dataclass(frozen=True, slots=True)
class DownstreamOf:
    """What some layers feed, those layers included."""

    of: Node


@dataclass(frozen=True, slots=True)
class Between:
    """Whatever lies on a way from one layer to another, both included."""

    start: Node
    stop: Node


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The union. `bare` when it was written as a plain list."""

    members: tuple[Node, ...]
    bare: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class AllOf:
    """The intersection."""

    members: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The complement."""

    member: Node


Node = (
    Pattern
    | Index
    | Range
    | First
    | Last
    | ClassName
    | Regex
    | ConfigValues
    | UpstreamOf
    | DownstreamOf
    | Between
    | AnyOf
    | AllOf
    | Not
)


def to_yaml(node: Node) -> Any:
    """The plain value that reads as this selector."""
    match node:
        case Pattern(text):
            return text
        case Index(index):
            return index
        case Range(start, stop, of):
            ends = {"from": start, "to": stop}
            return {key: end for key, end in ends.items() if end is not None} | _of(of)
        case First(count, of):
            return {"first": count} | _of(of)
        case Last(count, of):
            return {"last": count} | _of(of)
        case ClassName(names):
            return {"class": names if isinstance(names, str) else list(names)}
        case Regex(pattern):
            return {"regex": pattern}
        case ConfigValues(values):
            return {"config": _plain(values)}
        case _:
            return _compound_to_yaml(node)


def _compound_to_yaml(node: UpstreamOf | DownstreamOf | Between | AnyOf | AllOf | Not) -> Any:
    match node:
        case UpstreamOf(of):
            return {"upstream_of": to_yaml(of)}
        case DownstreamOf(of):
            return {"downstream_of": to_yaml(of)}
        case Between(start, stop):
            return {"between": [to_yaml(start), to_yaml(stop)]}
        case AnyOf(members, bare):
            listed = [to_yaml(member) for member in members]
            return listed if bare else {"any": listed}
        case AllOf(members):
            return {"all": [to_yaml(member) for member in members]}
        case Not(member):
            return {"not": to_yaml(member)}


def _of(of: Node | None) -> dict[str, Any]:
    return {} if of is None else {"of": to_yaml(of)}


def _plain(value: Any) -> Any:
    """A copy made of plain dicts and lists."""
    match value:
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def selector_text(node: Node) -> str:
    """The selector on one line, as a person would write it in a sentence: `'conv_*'`, `{class: Conv2D}`."""
    return f"'{node.text}'" if isinstance(node, Pattern) else flow(to_yaml(node))
