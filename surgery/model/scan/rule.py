"""A rule: a code, what it says to the user, and a function that looks at one subject and yields what it found.

Rules are data in one list. Deleting any of them makes a test fail (`tests/model/scan/each_rule_matters.py`).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from surgery.model.scan.limits import FINDINGS_PER_RULE, TEXT_CHARACTERS
from surgery.model.scan.verdict import Finding, Status

Place = Any
"""Where something stands: text, or a place inside another place as `(place, key or position)`. There are very many of them, and
few are ever shown."""

Found = Iterator[tuple[Place, str]]
"""`(place, message)` for each offence."""

Check = TypeVar("Check", bound=Callable[[Any], Found])


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to refuse a file. `explanation` is its entry in the error catalogue."""

    code: str
    family: str
    status: Status
    explanation: str
    check: Callable[[Any], Found]


RULES: list[Rule] = []


def rule(code: str, family: str, status: Status = Status.REFUSED) -> Callable[[Check], Check]:
    """Registers the decorated function; its docstring is the explanation."""

    def register(check: Check) -> Check:
        RULES.append(Rule(code, family, status, inspect.cleandoc(check.__doc__ or ""), check))
        return check

    return register


def judge(family: str, subject: object, member: str = "") -> list[Finding]:
    """What the rules of a family find in a subject."""
    return [
        Finding(rule.code, rule.status, shown(message), shown(member), shown(written(place)))
        for rule in RULES
        if rule.family == family
        for place, message in islice(rule.check(subject), FINDINGS_PER_RULE)
    ]


def specific(findings: list[Finding]) -> list[Finding]:
    """Without the general word where a more exact one was found for the same object."""
    exact = {finding.place.rpartition(".")[0] for finding in findings if finding.code != "class-not-allowed"}
    return [f for f in findings if f.code != "class-not-allowed" or f.place.rpartition(".")[0] not in exact]


def joined(place: Place, key: str | int) -> Place:
    """The place of what stands there under a key or at a position."""
    return (place, key)


def written(place: Place) -> str:
    """A place as text: `$.config.layers[3]`. A position or an odd key stands in brackets."""
    keys = []
    while isinstance(place, tuple):
        place, key = place
        keys.append(key)
    return str(place) + "".join(map(_step, reversed(keys)))


def _step(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"


def shown(value: object) -> str:
    """A value of a hostile file as one short line that a terminal, a log and UTF-8 can carry."""
    text = str(value)
    if len(text) > TEXT_CHARACTERS:
        text = f"{text[:TEXT_CHARACTERS]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
