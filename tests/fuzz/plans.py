"""Mutated recipes beside the files that they name, so that those which are accepted are planned, too.

Words of recipes are put in the place of other words, so that most of what comes out is still YAML and some of it makes sense.
"""

from __future__ import annotations

import random
import re
import resource
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from surgery.errors import SurgeryError, flatten, render
from surgery.model.scan.child import _data_in_use
from surgery.planning import Plan, make_plan
from surgery.planning.document import plan_document
from surgery.recipe.loader import parse_recipe
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.networks import classifier, write_network
from tests.recipe.mutations import CHANGES

HEAD = "surgery: 1\nname: fuzz\nmodel: {path: model.keras}\noperations:\n"
DATA = """\
training:
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8}
  stages:
    - {name: head, epochs: 2, optimizer: {Adam: {learning_rate: 0.001}}, loss: sparse_categorical_crossentropy}
    - name: all
      operations: [{op: unfreeze, layers: "conv*", optional: true}]
      epochs: 1
      optimizer: {SGD: {learning_rate: 0.01}}
      loss: sparse_categorical_crossentropy
"""
OPERATIONS = (
    "- {op: freeze, layers: {to: flatten}}",
    "- {op: unfreeze, layers: [conv1, {class: Dense}], optional: true}",
    "- {op: rename, layers: {dense: denser, conv1: first}}",
    "- {op: rename, prefix: old_, layers: 'conv*'}",
    "- {op: remove, layers: pool1}",
    "- {op: insert, before: dense, layers: [{Dropout: {rate: 0.5, name: drop}}]}",
    "- {op: insert, after: conv2, layers: [{BatchNormalization: {}}, {Activation: {activation: relu}}]}",
    "- {op: append, layers: [{Dense: {units: 3, name: more}}]}",
    "- {op: branch, from: dense, layers: [{Dense: {units: 2, name: second}}]}",
    "- {op: replace, layers: predictions, with: [{Dense: {units: 7, name: digits}}], weights: overlap}",
    "- {op: replace, layers: {from: conv1, to: conv2}, with: [{Conv2D: {inherit: true, filters: 4}}]}",
    "- {op: reconfigure, layers: conv1, config: {activation: tanh}}",
    "- {op: reinitialize, layers: [dense, predictions]}",
    "- {op: resize, layer: predictions, units: 3}",
    "- {op: resize, layer: conv1, input_channels: 3}",
    "- {op: resize, layer: predictions, labels: {old: [a, b, c, d, e], new: [e, a, f]}}",
    "- {op: prune, layers: conv2, fraction: 0.5, criterion: l1}",
    "- {op: prune, layers: dense, keep: 2}",
    "- {op: transplant, from: model.keras, layers: conv1}",
    "- {op: average, with: [model.keras]}",
    "- {op: lora, layers: dense, rank: 2}",
    "- {op: cast, layers: dense, dtype: float16}",
    "- {op: truncate, after: dense}",
    "- {op: freeze, layers: {all: [{not: {regex: '^conv'}}, {downstream_of: pool1}]}, expect: 3}",
    "- {op: freeze, layers: {any: [{between: [conv1, dense]}, {config: {activation: relu}}, -1, {last: 2}]}}",
)
WORDS = tuple(
    dict.fromkeys(
        [
            *re.findall(r"[A-Za-z_0-9.*^]+|'[^']*'|\{[a-z]+: [a-z0-9_]+\}", " ".join(OPERATIONS)),
            *(
                "0",
                "-1",
                "1e9",
                "null",
                "true",
                "[]",
                "{}",
                "''",
                "image",
                "**",
                "?",
                "missing",
                "keep",
                "fresh",
                "resample",
            ),
            *(
                "99999999",
                "0.0",
                "1.5",
                "Conv2D",
                "LSTM",
                "Add",
                "Flatten",
                "Lambda",
                "Input",
                "[1, 2]",
                "{first: 1}",
                "x/y",
            ),
        ]
    )
)
MOST_MEMORY = 1 << 30
WORD = re.compile(r"[A-Za-z_0-9.]++(?!:)|'[^']*'")
"""Values rather than keys, which are soon refused."""


@dataclass
class Tally:
    """What became of the recipes."""

    ends: Counter[str] = field(default_factory=Counter)
    """`planned`, or the code of the first error."""
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


def beside(folder: Path) -> Path:
    """The files that the recipes name. Returns the path at which the recipes are read."""
    write_network(folder / "model.keras", classifier())
    np.savez(folder / "data.npz", x=np.zeros((4, 8, 8, 1), "float32"), y=np.zeros(4, "int64"))
    return folder / "recipe.yaml"


def recipes(seed: int) -> Iterator[bytes]:
    """Endless recipes, the same ones for the same seed."""
    chance = random.Random(seed)
    while True:
        lines = chance.sample(OPERATIONS, chance.choice((1, 1, 2, 2, 3, 5)))
        lines = [_reworded(line, chance) if chance.random() < 0.6 else line for line in lines]
        data = (HEAD + "".join(f"  {line}\n" for line in lines) + (DATA if chance.random() < 0.2 else "")).encode()
        yield chance.choice(CHANGES)(data, chance) if chance.random() < 0.15 else data


def _reworded(line: str, chance: random.Random) -> str:
    """With one or two of its words exchanged."""
    for _ in range(chance.choice((1, 1, 2))):
        word = chance.choice(list(WORD.finditer(line)) or [None])
        if word is not None:
            line = line[: word.start()] + chance.choice(WORDS) + line[word.end() :]
    return line


def judge(path: Path, data: bytes) -> str:
    """How a recipe ends. Anything but a plan or a refusal with a code and a place is raised."""
    try:
        plan: Plan = make_plan(parse_recipe(path, data, {}, restricted=True))
    except SurgeryError as refusal:
        errors = flatten(refusal)
        for error in errors:
            assert error.location is not None, error.what
            assert render(error).startswith(str(error.location.path))
        return errors[0].code()
    assert plan_text(plan)
    assert plan_markdown(plan)
    assert plan_document(plan)
    return "planned"


def fuzz(folder: Path, count: int, seed: int) -> Tally:
    """Judges so many recipes, each with no more memory than a plan may need; the ones at fault are kept in the folder."""
    tally, path = Tally(), beside(folder)
    with _memory(MOST_MEMORY):
        _judge_all(folder, path, islice(recipes(seed), count), tally, seed)
    return tally


def _judge_all(folder: Path, path: Path, mutants: Iterable[bytes], tally: Tally, seed: int) -> None:
    for number, data in enumerate(mutants):
        began = time.monotonic()
        try:
            tally.ends[judge(path, data)] += 1
        except Exception as error:  # noqa: BLE001  the fuzzing is there to find these
            tally.faults.append(f"{seed}:{number}: {error!r:.200}")
            (folder / f"fault-{seed}-{number}.yaml").write_bytes(data)
        tally.slowest = max(tally.slowest, time.monotonic() - began)


@contextmanager
def _memory(more: int) -> Iterator[None]:
    """Meanwhile this process gets so much memory beside what it has, and then a `MemoryError`."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_in_use() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
