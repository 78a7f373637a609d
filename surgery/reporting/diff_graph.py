"""The part of a graph that a diff changed, as a mermaid diagram that GitHub renders.

GitHub draws at most 500 edges and 50,000 characters. What comes from a model is written in character codes, so that no
layer name can be markup, a link or the end of the diagram.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from surgery.model.changes import Diff
from surgery.model.changes.pairing import nodes
from surgery.model.spec import LayerSpec, ModelSpec, join_path, split_path

MOST_EDGES = 450
MOST_CHARACTERS = 45_000
LONGEST_NAME = 60
_STYLES = """\
  classDef added fill:#dafbe1,stroke:#1a7f37,color:#1f2328
  classDef removed fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-dasharray:4 3
  classDef changed fill:#fff8c5,stroke:#9a6700,color:#1f2328"""

Node = tuple[str, str]
"""Which model, `new` or `old` for what only the old one has, and the path there."""


@dataclass(frozen=True)
class Picture:
    """A diagram. `hidden` counts the changed layers that did not fit."""

    text: str
    hidden: int


def diff_graph(diff: Diff) -> Picture | None:
    """The layers that were added, removed, renamed, rewired or configured otherwise, and their neighbours.

    None when there are none.
    """
    return _Drawing(diff).picture()


class _Drawing:
    def __init__(self, diff: Diff) -> None:
        self.layers: dict[Node, LayerSpec] = {("new", path): layer for path, layer in nodes(diff.new)}
        self.layers |= {("old", path): layer for path, layer in nodes(diff.old) if path not in diff.pairs}
        self.kinds = dict(_kinds(diff))
        self.was = {rename.new: rename.old for rename in diff.renamed}
        present = list(_edges(diff.new, {}))
        gone = [edge for edge in _edges(diff.old, diff.pairs) if edge not in set(present)]
        self.edges = dict.fromkeys([*((edge, "-->") for edge in present), *((edge, "-.->") for edge in gone)])

    def picture(self) -> Picture | None:
        changed = [node for node in self.layers if node in self.kinds]
        if not changed:
            return None
        shown, lines = self._fitting(changed)
        hidden = sum(node not in shown for node in changed)
        return Picture("\n".join(["flowchart TD", *lines, _STYLES]), hidden)

    def _fitting(self, changed: list[Node]) -> tuple[dict[Node, str], list[str]]:
        """As many of the changed layers, in order, as fit with their edges."""
        around: dict[Node, list[tuple[tuple[Node, Node], str]]] = {node: [] for node in changed}
        for (one, other), arrow in self.edges:
            for end in {one, other}:
                if end in around:
                    around[end].append(((one, other), arrow))
        shown: dict[Node, str] = {}
        drawn: set[tuple[Node, Node]] = set()
        lines: list[str] = []
        size = len(_STYLES)
        for node in changed:
            new = [edge for edge in around[node] if edge[0] not in drawn]
            added, names = self._lines(node, new, shown)
            length = sum(len(line) + 1 for line in added)
            if len(drawn) + len(new) > MOST_EDGES or size + length > MOST_CHARACTERS:
                continue
            shown |= names
            drawn |= {edge for edge, _ in new}
            lines += added
            size += length
        return shown, lines

    def _lines(
        self, node: Node, edges: Iterable[tuple[tuple[Node, Node], str]], shown: Mapping[Node, str]
    ) -> tuple[list[str], dict[Node, str]]:
        """The lines that a layer and its edges add, and the names of the nodes that they add."""
        edges = list(edges)
        names: dict[Node, str] = {}
        for end in dict.fromkeys([node, *(end for edge, _ in edges for end in edge)]):
            if end not in shown:
                names[end] = f"n{len(shown) + len(names)}"
        every = {**shown, **names}
        lines = [self._box(name, end) for end, name in names.items()]
        return lines + [f"  {every[one]} {arrow} {every[other]}" for (one, other), arrow in edges], names

    def _box(self, name: str, node: Node) -> str:
        kind, path = self.kinds.get(node), node[1]
        words = [_short(path), _short(self.layers[node].class_name)]
        if node[0] == "new" and path in self.was:
            words.append(f"was {_short(self.was[path])}")
        elif kind:
            words.append(kind)
        style = f":::{kind}" if kind else ""
        return f'  {name}["{"<br/>".join(map(quoted, words))}"]{style}'


def _kinds(diff: Diff) -> Iterator[tuple[Node, str]]:
    """What to draw a layer as; what is said last holds."""
    for path in (*(change.path for change in diff.changed), *(wiring.path for wiring in diff.rewired)):
        yield ("new", path), "changed"
    for rename in diff.renamed:
        yield ("new", rename.new), "changed"
    for entry in diff.added:
        yield ("new", entry.path), "added"
    for entry in diff.removed:
        yield ("old", entry.path), "removed"


def _edges(model: ModelSpec, pairs: Mapping[str, str]) -> Iterator[tuple[Node, Node]]:
    """The edges inside each level, between nodes as they are drawn."""
    is_old = bool(pairs)
    for path, layer in nodes(model):
        inside = split_path(path)[0]
        for feeder in layer.inbound:
            ends = (join_path(inside, feeder), path)
            one, other = (_drawn(end, pairs) if is_old else ("new", end) for end in ends)
            yield one, other


def _drawn(path: str, pairs: Mapping[str, str]) -> Node:
    return ("new", pairs[path]) if path in pairs else ("old", path)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[:28]}...{text[-29:]}"


def quoted(text: str) -> str:
    """Text for a mermaid label: whatever could mean something there, as a character code.

    A dot, too: mermaid takes a label that begins with `1.` for a list, and draws an error in its place.
    """
    return re.sub(r"[^\w /]", lambda found: f"#{ord(found.group())};", text)
