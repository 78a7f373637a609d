"""How much a recipe may ask for. What it asks of every layer of a model takes its time once for each of them."""

from __future__ import annotations

from collections.abc import Mapping

from surgery.errors import LimitExceeded, SurgeryError
from surgery.model.select.glob import has_wildcard
from surgery.recipe.document import Document

MOST = {"operations": 500, "selectors that look at every layer": 300, "regular expressions": 50}
_SEARCHES = {"class", "regex", "config", "not", "upstream_of", "downstream_of", "between"}


def patterns(document: Document) -> int:
    """How many of its texts may be globs or regular expressions, which read the names of all layers."""
    nodes = [node.content for _, node in document.root.walk()]
    return sum(
        "regex" in one if isinstance(one, Mapping) else isinstance(one, str) and has_wildcard(one) for one in nodes
    )


def sizes(document: Document) -> list[SurgeryError]:
    """What there is more of than any recipe needs that a person can review."""
    found = dict.fromkeys(MOST, 0)
    for _, node in document.root.walk():
        match node.content:
            case Mapping() as entries:
                found["operations"] += "op" in entries
                found["selectors that look at every layer"] += len(_SEARCHES & entries.keys())
                found["regular expressions"] += "regex" in entries
            case str() as text if has_wildcard(text):
                found["selectors that look at every layer"] += 1
    return [
        LimitExceeded(
            f"the recipe has {count} {what}", expected=f"at most {MOST[what]}", location=document.location("operations")
        )
        for what, count in found.items()
        if count > MOST[what]
    ]
