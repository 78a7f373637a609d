"""The gate before Keras: what a recipe or a plan would have Keras make passes the rules of model files, at any depth.

Whoever gives Keras a config, a serialized object or constructor arguments calls `require_safe_document` first
(`surgery.execution.keras_objects` is the one file that does), and so does the planner with the whole planned model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from surgery.errors import ModelUnsafe
from surgery.model.config.writing import plain_json
from surgery.model.scan import classes, graph, values
from surgery.model.scan.classes import Config
from surgery.model.scan.rule import judge, specific
from surgery.model.scan.verdict import Finding

HUB = "keras_hub"
"""Its layers come with presets, whose folders pass a scan of their own."""


def require_safe_document(document: Any, trust: Sequence[str] = (), *, described: str = "the planned model") -> None:
    """Refuses a document, or constructor arguments, in which anything is named that a model file may not name.

    Args:
        document: A serialized model, layer or other object, or a map of arguments; tuples and maps of any kind are looked into.
        trust: Modules outside Keras whose classes may be named.
        described: What the document is, for the error.

    Raises:
        ModelUnsafe: a rule of the scan refuses it.
    """
    first = next(_findings(Config(plain_json(document), (*trust, HUB))), None)
    if first is not None:
        raise ModelUnsafe(
            f"{described} was refused: {first}",
            expected="objects that run no code and read no file when Keras makes them",
            fix="write the arguments as plain values and one-key maps such as {RandomNormal: {stddev: 0.1}}",
        )


def _findings(config: Config) -> Iterator[Finding]:
    for family in (classes.FAMILY, values.FAMILY, graph.FAMILY):
        yield from specific(judge(family, config))
