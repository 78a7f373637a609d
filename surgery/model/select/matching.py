"""Which layers a selector matches.

What each form looks at: names, globs, indices, ranges, `first` and `last` look at one level (the model itself, unless
a path or `of` says otherwise); `class`, `regex`, `config` and globs with `**` at every level; the graph forms at the
level of the layers that they start from, where a nested model is one layer.

`not` is the complement at the levels that its selector looks at and at those around them: it leaves out what the
selector matches, all that lies inside these layers, and the nested models around them, which would bring them back
(their other layers are matched instead). Inside `all` it takes layers away.

A selector that matches nothing is an error, at every depth, because a part that matches nothing is most often a typo.
Inside `not` a glob, a class, a regular expression or a config may match nothing; a name must exist.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import reduce
from typing import NoReturn

from surgery.errors import InvalidValue
from surgery.model.select import graph
from surgery.model.select.expression import Expression
from surgery.model.select.glob import Glob, has_wildcard
from surgery.model.select.levels import Levels
from surgery.model.select.matches import Matches
from surgery.model.select.reading import Keys
from surgery.model.select.refusal import unknown_layer
from surgery.model.select.syntax import (
    AllOf,
    AnyOf,
    Between,
    ClassName,
    ConfigValues,
    DownstreamOf,
    End,
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
from surgery.model.select.values import mismatch
from surgery.model.spec import LayerSpec, ModelSpec, join_path, split_path


def select(
    model: ModelSpec, selector: Node, *, allow_empty: bool = False, source: str | None = None
) -> tuple[str, ...]:
    """The paths of the layers that a selector matches, in the order that ranges mean.

    Args:
        allow_empty: Matching nothing is fine, for the whole selector and for its parts.
        source: The file of the model, for the words of an error.

    Raises:
        UnknownLayer: When it, or a part of it, matches nothing; `field` holds the keys down to that part.
    """
    return Matcher(model, allow_empty=allow_empty, source=source).paths(selector)


class Matcher:
    """Matches selectors against one model."""

    def __init__(self, model: ModelSpec, *, allow_empty: bool = False, source: str | None = None) -> None:
        self.levels = Levels(model)
        self.allow_empty = allow_empty
        self.source = source

    def paths(self, selector: Node, at: Keys = ()) -> tuple[str, ...]:
        paths = self._resolved(self.match(selector, at))
        if not paths and not self.allow_empty:
            self._unknown(selector, at)
        return self.levels.ordered(paths)

    def match(self, selector: Node, at: Keys = (), *, inside_not: bool = False) -> Matches:
        matches = self._match(selector, at, inside_not)
        may_be_empty = matches.complement or self.allow_empty or (inside_not and not _names_layers(selector))
        if not matches.paths and not may_be_empty:
            self._unknown(selector, at)
        return matches

    def _match(self, selector: Node, at: Keys, inside_not: bool) -> Matches:
        match selector:
            case Pattern(text):
                return self._found(self.named(text), everywhere="**" in text)
            case Index(index):
                return self._found(_item(self.levels.at[""], index))
            case Range():
                return self._found(self._range(selector, at))
            case First(count, of):
                return self._found(self._sequence(of, at)[:count])
            case Last(count, of):
                return self._found(self._sequence(of, at)[-count:])
            case ClassName():
                return self._where(lambda path, layer: has_class(layer, selector))
            case Regex(pattern):
                expression = Expression(pattern)
                return self._where(lambda path, layer: expression.is_in(path))
            case ConfigValues(values):
                return self._where(lambda path, layer: mismatch(layer, values) is None)
            case UpstreamOf() | DownstreamOf() | Between():
                return self._found(self._connected(selector, at))
            case AnyOf() | AllOf() | Not():
                return self._combined(selector, at, inside_not)

    def _combined(self, selector: AnyOf | AllOf | Not, at: Keys, inside_not: bool) -> Matches:
        match selector:
            case Not(Not(member)):
                return self.match(member, (*at, "not", "not"), inside_not=inside_not)
            case Not(member):
                return self._complement(self.match(member, (*at, "not"), inside_not=True))
            case AnyOf(members, bare):
                at = at if bare else (*at, "any")
                return reduce(Matches.__or__, self._each(members, at, inside_not))
            case AllOf(members):
                return reduce(Matches.__and__, self._each(members, (*at, "all"), inside_not))

    def _each(self, members: tuple[Node, ...], at: Keys, inside_not: bool) -> list[Matches]:
        return [self.match(member, (*at, number), inside_not=inside_not) for number, member in enumerate(members)]

    def _complement(self, matches: Matches) -> Matches:
        if matches.complement:
            return Matches(matches.paths, matches.levels)
        return Matches(self.levels.shadow(matches.paths), matches.levels, complement=True)

    def _resolved(self, matches: Matches) -> Collection[str]:
        if not matches.complement:
            return matches.paths
        every = self.levels.level_of.items()
        open_levels = None if matches.levels is None else self._with_surrounding(matches.levels)
        return [p for p, level in every if p not in matches.paths and (open_levels is None or level in open_levels)]

    def _with_surrounding(self, levels: frozenset[str]) -> frozenset[str]:
        around = {outer for level in levels if level for outer in self.levels.containers(level)}
        return levels | around | {""}

    def _found(self, paths: Collection[str], everywhere: bool = False) -> Matches:
        levels = frozenset(self.levels.level_of[path] for path in paths)
        return Matches(frozenset(paths), None if everywhere else levels)

    def _where(self, holds: Callable[[str, LayerSpec], bool]) -> Matches:
        return Matches(frozenset(path for path, layer in self.levels.layers.items() if holds(path, layer)), None)

    def named(self, text: str) -> list[str]:
        """What a name, a path or a glob matches. A layer whose name has a `*` in it is still found by its name."""
        if text in self.levels.layers:
            return [text]
        if not has_wildcard(text):
            return []
        matches = Glob(text).matches
        return [path for path in self.levels.layers if matches(path)]

    def _sequence(self, of: Node | None, at: Keys) -> list[str]:
        """What `first`, `last` and ranges count in: the model's own layers, or what `of` matches."""
        return self.levels.at[""] if of is None else list(self._operand(of, (*at, "of")))

    def _operand(self, selector: Node, at: Keys) -> tuple[str, ...]:
        return self.levels.ordered(self._resolved(self.match(selector, at)))

    def _range(self, selector: Range, at: Keys) -> list[str]:
        ends = [(selector.start, (*at, "from")), (selector.stop, (*at, "to"))]
        found = {keys[-1]: self._end(end, keys) for end, keys in ends if isinstance(end, str)}
        if any(not paths for paths in found.values()):
            return []
        if selector.of is not None:
            sequence = self._sequence(selector.of, at)
            self._check_among(sequence, found, selector.of, at)
        else:
            sequence = self.levels.at[self._common_level(found, at)]
        start = _place(selector.start, found.get("from"), sequence, first=True)
        stop = _place(selector.stop, found.get("to"), sequence, first=False)
        return sequence[start : stop + 1]

    def _end(self, end: str, at: Keys) -> list[str]:
        paths = self.named(end)
        if not paths and not self.allow_empty:
            self._unknown(Pattern(end), at)
        return paths

    def _common_level(self, found: dict[str | int, list[str]], at: Keys) -> str:
        levels = sorted({self.levels.level_of[path] for paths in found.values() for path in paths})
        if len(levels) > 1:
            raise InvalidValue(
                f"a range cannot go from {_model_word(levels[0])} into {_model_word(levels[1])}",
                expected="both ends in the same model",
                field=at,
            )
        return levels[0] if levels else ""

    def _check_among(self, sequence: list[str], found: dict[str | int, list[str]], of: Node, at: Keys) -> None:
        for key, paths in found.items():
            if not set(paths) & set(sequence) and not self.allow_empty:
                raise InvalidValue(
                    f"'{paths[0]}' is not among the layers that {selector_text(of)} matches",
                    expected=f"one of {', '.join(sequence[:8])}{', ...' if len(sequence) > 8 else ''}",
                    field=(*at, key),
                )

    def _connected(self, selector: UpstreamOf | DownstreamOf | Between, at: Keys) -> set[str]:
        match selector:
            case UpstreamOf(of):
                return self._reached(graph.upstream, self._operand(of, (*at, "upstream_of")))
            case DownstreamOf(of):
                return self._reached(graph.downstream, self._operand(of, (*at, "downstream_of")))
            case Between(start, stop):
                starts = self._operand(start, (*at, "between", 0))
                stops = self._operand(stop, (*at, "between", 1))
                return self._between(starts, stops, at)

    def _reached(self, reach: Callable[[ModelSpec, list[str]], frozenset[str]], paths: tuple[str, ...]) -> set[str]:
        reached: set[str] = set()
        for level, names in self._by_level(paths).items():
            reached |= self._listed(level, reach(self.levels.model_at(level), names))
        return reached

    def _between(self, starts: tuple[str, ...], stops: tuple[str, ...], at: Keys) -> set[str]:
        start, stop = self._by_level(starts), self._by_level(stops)
        shared = [level for level in start if level in stop]
        if starts and stops and not shared:
            raise InvalidValue(
                f"there is no way from {_model_word(next(iter(start)))} into {_model_word(next(iter(stop)))}",
                expected="both ends in the same model",
                field=(*at, "between"),
            )
        found: set[str] = set()
        for level in shared:
            found |= self._listed(level, graph.between(self.levels.model_at(level), start[level], stop[level]))
        return found

    def _by_level(self, paths: tuple[str, ...]) -> dict[str, list[str]]:
        by_level: dict[str, list[str]] = {}
        for path in paths:
            by_level.setdefault(self.levels.level_of[path], []).append(split_path(path)[1])
        return by_level

    def _listed(self, level: str, names: frozenset[str]) -> set[str]:
        """The layers among the nodes of a graph: bare operations are passed through, and not matched."""
        return {path for name in names if (path := join_path(level, name)) in self.levels.layers}

    def _unknown(self, selector: Node, at: Keys) -> NoReturn:
        raise unknown_layer(self.levels, selector, at, self.source)


def has_class(layer: LayerSpec, selector: ClassName) -> bool:
    """By the class's name, or by the name it is registered under (`package>Class`)."""
    return layer.class_name in selector.each or layer.registered_name in selector.each


def _names_layers(selector: Node) -> bool:
    return isinstance(selector, Index) or (isinstance(selector, Pattern) and not has_wildcard(selector.text))


def _place(end: End | None, found: list[str] | None, sequence: list[str], *, first: bool) -> int:
    """Where an end of a range lies in the sequence. A glob stands for the outermost layer that it matches."""
    if end is None:
        return 0 if first else len(sequence) - 1
    if isinstance(end, int):
        return end if end >= 0 else max(len(sequence) + end, 0 if first else -1)
    places = [number for number, path in enumerate(sequence) if path in set(found or ())]
    if not places:
        return len(sequence) if first else -1
    return places[0] if first else places[-1]


def _item(sequence: list[str], index: int) -> list[str]:
    return [sequence[index]] if -len(sequence) <= index < len(sequence) else []


def _model_word(level: str) -> str:
    return f"the nested model '{level}'" if level else "the model itself"
