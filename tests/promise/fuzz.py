"""Random recipes on random models: `python -m tests.promise.fuzz --count 5000 --seed 0`.

Each model gets a handful of recipes; whatever they are, a plan that passes is kept, and a plan that does not pass says why.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import keras

from tests.promise.models import numbers_for, random_model, randomize
from tests.promise.oracle import examine
from tests.promise.recipes import OTHER, Writer

RECIPES = 5
"""Of each model."""


@dataclass
class Tally:
    """What became of the recipes."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    operations: Counter[str] = field(default_factory=Counter)
    """Of the recipes that were applied."""
    not_measured: Counter[str] = field(default_factory=Counter)
    """Why nothing was measured of a result, by reason."""

    def __str__(self) -> str:
        applied, count = self.ends["applied"], sum(self.ends.values())
        counts = "; ".join(str(dict(each)) for each in (self.ends, self.operations, self.not_measured))
        return f"{count} recipes, {applied} applied, {len(self.faults)} with faults; {counts}"


def fuzz(
    folder: Path, count: int, seed: int, only: int | None = None, turns: int | None = None, *, loud: bool = False
) -> Tally:
    """Examines `count` recipes; the same ones for the same seed."""
    tally = Tally()
    for number in range((count + RECIPES - 1) // RECIPES) if only is None else [only]:
        random = Random(f"{seed}:{number}")
        try:
            model = random_model(random)
            source = saved(model, folder, is_h5=random.random() < 0.12)
            # What a file holds is what counts: Keras adds an adapter to its kernel when it saves.
            old = keras.models.load_model(source, compile=False)
        except Exception as error:  # noqa: BLE001 - Keras refuses some of what is put together at random, and of its own files
            tally.ends[f"no model: {type(error).__name__}"] += 1
            continue
        randomize(model, number)
        model.save(folder / OTHER)
        other = keras.models.load_model(folder / OTHER, compile=False)
        numbers = numbers_for(old)
        for turn in range(RECIPES) if turns is None else [turns]:
            entries = Writer(Random(f"{seed}:{number}:{turn}"), old).entries()
            outcome = examine(source, entries, old, other, numbers)
            tally.ends[outcome.end] += 1
            if outcome.end == "applied":
                tally.operations.update(entry["op"] for entry in entries)
                tally.not_measured.update([outcome.not_measured] if outcome.not_measured else [])
            if outcome.faults:
                tally.faults.append(described(number, turn, entries, outcome.faults))
                if loud:
                    print(tally.faults[-1], flush=True)
    return tally


def saved(model: Any, folder: Path, *, is_h5: bool) -> Path:
    """The file of a model; of what HDF5 cannot hold a `.keras`."""
    path = folder / ("model.h5" if is_h5 else "model.keras")
    try:
        model.save(path)
    except (TypeError, ValueError, NotImplementedError):
        path = folder / "model.keras"
        model.save(path)
    return path


def described(number: int, turn: int, entries: Sequence[Any], faults: Sequence[str]) -> str:
    """A recipe with its faults, as a person reads it."""
    lines = [f"model {number}, recipe {turn}:", *(f"  - {json.dumps(entry)}" for entry in entries)]
    return "\n".join([*lines, *(f"    {what}" for what in faults[:4])])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=int, help="only this one")
    parser.add_argument("--recipe", type=int, help="of that model only this one")
    parser.add_argument("--folder", type=Path, help="where the last model and recipe stay")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        print(fuzz(chosen.folder or Path(made), chosen.count, chosen.seed, chosen.model, chosen.recipe, loud=True))
