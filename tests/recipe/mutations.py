"""Recipes gone wrong by chance: bytes flipped, lines moved, tokens of YAML put where they do not belong."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from surgery.errors import SurgeryError, flatten, render
from surgery.recipe.loader import parse_recipe
from tests.recipe.recipes import GOOD
from tests.recipe.test_hostile import HOSTILE

SEEDS = [GOOD.encode(), *(data for _, data, *_ in HOSTILE if len(data) < 1000)]

TOKENS = [
    token.encode()
    for token in (
        *"{}[]:,-?!&*#|>'\"%@`~\\ \t\n\r",
        *("- ", ": ", "? ", "<<: ", "---\n", "...\n", "${", "${epochs}", "$${", "!!str ", "&a ", "*a", "null", "true"),
        *("no", "0777", "1e999", "9" * 30, "\ufeff", "\u202e", "\u2028", "\x00", "\ud7ff", "op: freeze\n", "  "),
        *('"\\ud800"', '"\\U00110000"', "[" * 40, "{a: " * 40, "|\n", ">-2\n", "%YAML 1.1\n", "x>Y: {}", "a:b", "-1"),
    )
]


def mutations(seed: int) -> Iterator[bytes]:
    """Endless mutations, the same for the same seed."""
    chance = random.Random(seed)
    while True:
        data = chance.choice(SEEDS)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            data = chance.choice(CHANGES)(data, chance)
        yield data


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(TOKENS) + data[at:]


def _cut(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start + chance.randrange(1, 40) :]


def _copy(data: bytes, chance: random.Random) -> bytes:
    start, at = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
    return data[:at] + data[start : start + chance.randrange(1, 80)] + data[at:]


def _move_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    line = lines.pop(chance.randrange(len(lines)))
    lines.insert(chance.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def _replace_word(data: bytes, chance: random.Random) -> bytes:
    words = data.split(b" ")
    words[chance.randrange(len(words))] = chance.choice((*TOKENS, *words))
    return b" ".join(words)


CHANGES = (_flip, _insert, _cut, _copy, _move_line, _replace_word)


def judge(data: bytes) -> bool:
    """True for a good recipe, False for one refused as it should be; anything else is raised."""
    try:
        parse_recipe(Path("recipe.yaml"), data, {})
    except SurgeryError as refusal:
        for error in flatten(refusal):
            place = error.location
            assert place is not None
            assert place.line >= 1
            assert place.column >= 1
            assert render(error).isprintable() or "\n" in render(error)
        return False
    return True


@dataclass
class Tally:
    """What became of mutated recipes."""

    good: int = 0
    refused: int = 0
    slowest: float = 0.0
    """Seconds that one of them took."""


def fuzz(count: int, seed: int = 0) -> Tally:
    """Judges so many mutations."""
    tally = Tally()
    for data in islice(mutations(seed), count):
        began = time.monotonic()
        if judge(data):
            tally.good += 1
        else:
            tally.refused += 1
        tally.slowest = max(tally.slowest, time.monotonic() - began)
    return tally
