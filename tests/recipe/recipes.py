"""A good recipe, and ways to break it."""

from __future__ import annotations

from pathlib import Path

GOOD = """\
surgery: 1
name: digits-0-to-9
description: A classifier of digits 0-4 learns 5-9.
seed: 7
imports: [my_package.layers]

parameters:
  epochs: 8
  rate: 1e-3

model:
  path: base.keras

operations:
  - op: replace
    layers: predictions
    with:
      - Dense: {units: 10, activation: softmax, name: digits}
    weights: overlap
  - op: freeze
    layers: {to: flatten}

training:
  data:
    train: {npz: digits.npz, x: x_train, y: y_train}
    validation: {npz: digits.npz, x: x_test, y: y_test}
    batch_size: 32
  stages:
    - name: head
      epochs: ${epochs}
      optimizer: {Adam: {learning_rate: "${rate}"}}
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
    - name: all
      operations:
        - {op: unfreeze, layers: "conv*"}
      epochs: 2
      optimizer: {Adam: {learning_rate: 0.0001}}
      loss: sparse_categorical_crossentropy
      callbacks:
        - EarlyStopping: {patience: 3}
  device: cpu

evaluation:
  - name: the old task
    data: {npz: digits.npz, x: x_old, y: y_old}
    max_drop: {accuracy: 0.02}

outputs:
  model: build/digits.keras
"""

MARK = "‸"
"""Stands in a broken recipe right before the place that the error names."""


def write(folder: Path, text: str | bytes, name: str = "recipe.yaml") -> Path:
    """A recipe in a folder that has the files it names."""
    for file in ("base.keras", "digits.npz"):
        (folder / file).touch()
    (folder / "photos").mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def broken(*changes: tuple[str, str]) -> tuple[str, int, int]:
    """The good recipe with some text replaced; the line and column of the mark in it."""
    text = GOOD
    for old, new in changes:
        assert text.count(old) >= 1, f"the good recipe has no {old!r}"
        text = text.replace(old, new, 1)
    assert text.count(MARK) == 1
    before = text[: text.index(MARK)].split("\n")
    return text.replace(MARK, ""), len(before), len(before[-1]) + 1
