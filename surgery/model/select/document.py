"""What `surgery select --json` and `surgery why --json` print. The types are the published JSON Schemas, too."""

from __future__ import annotations

from typing_extensions import TypedDict

from surgery.model.documented import documented
from surgery.model.select.explanation import Part
from surgery.model.select.syntax import Node, selector_text
from surgery.model.spec import ModelSpec


@documented
class MatchRow(TypedDict):
    """One layer that matches."""

    path: str
    """Its path."""
    class_name: str
    """Its Keras class."""
    parameters: int
    """How many numbers its variables hold."""
    trainable: bool
    """Its flag."""


@documented
class SelectDocument(TypedDict):
    """What `surgery select --json` prints."""

    selector: str
    """The selector as a person would write it."""
    layers: list[MatchRow]
    """The layers that match, in the order of the model."""


@documented
class PartRow(TypedDict):
    """What one part of a selector says about the layer."""

    at: list[str | int]
    """The keys from the selector down to the part."""
    selector: str
    """The part as a person would write it."""
    matches: bool
    """Whether this part matches."""
    reason: str
    """A clause about the layer: `its class is Dense`."""


@documented
class WhyDocument(TypedDict):
    """What `surgery why --json` prints."""

    path: str
    """The layer."""
    matches: bool
    """Whether the whole selector matches it."""
    parts: list[PartRow]
    """The whole selector first, then its parts, outer before inner."""


def select_document(model: ModelSpec, selector: Node, paths: tuple[str, ...]) -> SelectDocument:
    """The document of `surgery select`."""
    layers = dict(model.walk())
    return {
        "selector": selector_text(selector),
        "layers": [
            {
                "path": path,
                "class_name": layers[path].class_name,
                "parameters": layers[path].parameters,
                "trainable": layers[path].trainable,
            }
            for path in paths
        ],
    }


def why_document(path: str, parts: tuple[Part, ...]) -> WhyDocument:
    """The document of `surgery why`."""
    rows: list[PartRow] = [
        {"at": list(part.at), "selector": part.selector, "matches": part.matches, "reason": part.reason}
        for part in parts
    ]
    return {"path": path, "matches": parts[0].matches, "parts": rows}
