"""Scans and plans graphs of 1,000 and of 10,000 layers, and prints how the time grows: linearly is a ratio of 10.

`python benchmarks/plan_scaling.py` or `make bench`. Processor time is measured, so that what else the machine does counts
little. Keras is not imported.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from surgery.errors import raise_all
from surgery.model.archive import read_model, write_archive
from surgery.model.prove import prove
from surgery.model.proved import proved
from surgery.model.scan import places
from surgery.model.scan.examine import examine, opened
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, TensorSpec
from surgery.planning.ledger import ledger
from surgery.planning.simulate import Simulation
from surgery.recipe import Recipe, load_recipe

BLOCK = 5
"""Dense, Activation, Dropout, Activation, Add."""
RECIPE = """surgery: 1
name: scaling
model: {{path: {model}}}
operations:
  - {{op: insert, before: dense_{middle}, layers: [{{Dropout: {{rate: 0.5, name: new_dropout}}}}]}}
  - {{op: replace, layers: dense_{later}, with: [{{Dense: {{inherit: true, name: new_dense}}}}], weights: keep}}
  - {{op: rename, layers: {{dense_1: first, dense_2: second}}}}
  - {{op: rename, prefix: b_, layers: "relu_*"}}
  - {{op: remove, layers: {{class: Dropout}}}}
  - {{op: freeze, layers: {{to: sum_{middle}}}}}
  - {{op: unfreeze, layers: {{class: Add}}, optional: true}}
"""


def residual_network(layers: int) -> ModelSpec:
    """A stack of blocks that are added to what comes in."""
    image = LayerSpec(
        "image",
        "InputLayer",
        {"batch_shape": [None, 4], "dtype": "float32", "sparse": False, "ragged": False, "name": "image"},
        calls=(Call(outputs=(TensorSpec((None, 4)),)),),
    )
    found = [image]
    for number in range(1, (layers - 1) // BLOCK + 1):
        found += _block(number, found[-1].name)
    outputs = TensorRef(found[-1].name)
    functional = "keras.src.models.functional"
    model = ModelSpec("Functional", "tower", tuple(found), TensorRef("image"), outputs, {"trainable": True}, functional)
    return prove(replace(model, registered_name="Functional"), again=True)


def _block(number: int, before: str) -> Iterator[LayerSpec]:
    dense = {"units": 4, "activation": "linear", "use_bias": True}
    chain = (
        ("Dense", "dense", dense),
        ("Activation", "relu", {"activation": "relu"}),
        ("Dropout", "dropout", {"rate": 0.1}),
        ("Activation", "tanh", {"activation": "tanh"}),
    )
    last = before
    for class_name, word, config in chain:
        yield _layer(class_name, f"{word}_{number}", config, TensorRef(last))
        last = f"{word}_{number}"
    yield _layer("Add", f"sum_{number}", {}, [TensorRef(last), TensorRef(before)])


def _layer(class_name: str, name: str, config: dict[str, Any], argument: Any) -> LayerSpec:
    return LayerSpec(name, class_name, {**config, "name": name, "trainable": True}, calls=(Call((argument,)),))


class Ones:
    """Every variable is ones."""

    def __init__(self, model: ModelSpec) -> None:
        self._shapes = {(path, w.key): w.shape for path, layer in model.walk() for w in layer.weights}

    def __getitem__(self, name: tuple[str, str]) -> Any:
        return np.ones(self._shapes[name], "float32")


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    processor: float
    wall: float


def timed(work: Callable[[], object]) -> Timing:
    began, wall = time.process_time(), time.perf_counter()
    work()
    return Timing(time.process_time() - began, time.perf_counter() - wall)


def measure(folder: Path, layers: int) -> dict[str, Timing]:
    """Writing, reading and planning one graph."""
    model, path, recipe = residual_network(layers), folder / f"{layers}.keras", folder / f"{layers}.yaml"
    blocks = layers // BLOCK
    recipe.write_text(RECIPE.format(model=path.name, middle=blocks // 2, later=blocks // 2 + 3))
    return {
        "write": timed(lambda: write_archive(path, model, Ones(model))),
        "scan": timed(lambda: scan(path)),
        "read": timed(lambda: read_model(path)),
        "plan": timed(lambda: plan(load_recipe(recipe), read_model(path))),
    }


def scan(path: Path) -> None:
    """What the process that scans does; here, where its time can be measured."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = opened(descriptor)
        findings = examine(parts, ())
        assert not findings
        assert parts.described
        places.index(parts.described)
    finally:
        os.close(descriptor)


def plan(recipe: Recipe, model: ModelSpec) -> None:
    """What `surgery plan` does once the file is scanned and read: every operation, every shape again, the ledger."""
    source = proved(model, "tower")
    simulation = Simulation(
        source, recipe.operations, lambda number, *_, **__: recipe.location("operations", number), prove
    )
    simulation.run()
    raise_all(simulation.errors)
    ledger(source, simulation.model, recipe.seed)


def main(sizes: tuple[int, int] = (1_000, 10_000)) -> float:
    """Prints the table; returns the ratio of the planning times, over the ratio of the sizes."""
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), 100)
        small, large = (measure(Path(folder), size) for size in sizes)
    print(f"{'':8}{sizes[0]:>10,} layers{sizes[1]:>10,} layers     ratio")
    for name in small:
        ratio = large[name].processor / small[name].processor
        print(f"{name:8}{small[name].processor:>15.2f} s{large[name].processor:>15.2f} s{ratio:>10.1f}")
    if "keras" in sys.modules:
        print("Keras was imported, which it should not be.")
    return large["plan"].processor / small["plan"].processor / (sizes[1] / sizes[0])


if __name__ == "__main__":
    main()
