"""A first recipe for a model: with its real names, commented, and true as it stands."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from surgery.errors import SurgeryError, printable
from surgery.model.archive.optimizer import read_compiled_loss
from surgery.model.flow import flow
from surgery.model.proved import read_proved
from surgery.model.spec import LayerSpec, ModelSpec, split_path
from surgery.planning.losses import last_activation
from surgery.planning.planner import KerasSide, make_plan
from surgery.planning.proposals import training_lines
from surgery.recipe.loader import parse_recipe

SHOWN = 8
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_SIZES = {"units", "filters"}


def starting_recipe(model: Path, recipe: Path, keras: KerasSide | None = None) -> str:
    """The text of a recipe that begins with a model.

    Args:
        model: The model's file or folder.
        recipe: Where the recipe will be; paths in it are relative to that place.
        keras: Asked where static rules end.

    Raises:
        SurgeryError: when the model cannot be read.
    """
    spec = read_proved(model, lenient=True)
    for operations in _choices(spec):
        text = _text(spec, spec, model, recipe, operations)
        try:
            plan = make_plan(parse_recipe(recipe, text.encode(), {}), keras)
        except SurgeryError:
            continue
        return _text(spec, plan.final, model, recipe, operations)
    return _text(spec, spec, model, recipe, [])


def _choices(spec: ModelSpec) -> Iterator[list[str]]:
    """Operations to start with, the best first; a model may be too unusual for one of them."""
    head = _head(spec)
    if head is not None:
        replace, freeze = _replace(spec, *head), _freeze(spec, head[0])
        yield from ([*replace, *freeze], replace, freeze)
    yield []


def _head(spec: ModelSpec) -> tuple[str, LayerSpec] | None:
    """The last layer that has weights of its own: what a new task mostly wants another one of."""
    found = [(path, layer) for path, layer in spec.walk() if layer.weights and not layer.inner]
    return found[-1] if found else None


def _replace(spec: ModelSpec, path: str, head: LayerSpec) -> list[str]:
    name = _free(spec, split_path(path)[0], "new_head")
    size = next((key for key in sorted(_SIZES) if key in head.config), None)
    arguments = ["inherit: true"]
    if size:
        arguments.append(f"{size}: {head.config[size]}")
    hint = f"    # {_hint(spec, head, size)}" if size else ""
    return [
        "  # The head. Only what is written here differs from the old one; its weights are new.",
        "  - op: replace",
        f"    layers: {_picked(spec, path)}",
        "    with:",
        f"      - {head.class_name}: {{{', '.join(arguments)}, name: {name}}}{hint}",
        "    weights: fresh",
    ]


def _hint(spec: ModelSpec, head: LayerSpec, size: str) -> str:
    """What a reader is to write for the size of the head."""
    activation, units = next((last_activation(spec, ref) for ref in spec.refs_out()), (None, None))
    if size != "units":
        return f"your number of {size}"
    if activation == "sigmoid" and units == head.config[size] == 1:
        return "yes or no; for more classes as many units, and activation: softmax"
    return "your number of classes" if activation in ("softmax", "sigmoid") else "your number of classes or values"


def _freeze(spec: ModelSpec, head: str) -> list[str]:
    """Freezes what comes before the head; nothing where there is nothing to freeze."""
    layers = [path for path, _ in spec.walk()]
    before = layers[: layers.index(head)]
    if "/" in head or not any(spec[path].trainable and spec[path].weights for path in before):
        return []
    count = sum(spec[path].trainable_parameters for path in before if not spec[path].inner)
    last = next(path for path in reversed(before) if "/" not in path)
    return [
        f"  # What was learned before stays: {count:,} parameters. Take the last block out to train it as well.",
        "  - op: freeze",
        f"    layers: {{to: {_picked(spec, last)}}}",
    ]


def _picked(spec: ModelSpec, path: str) -> str:
    """A selector for one layer: its name, or its index where the name would mean something else."""
    if _PLAIN.fullmatch(path) and path not in ("null", "true", "false", "yes", "no", "on", "off"):
        return path
    names = [layer.name for layer in spec.listed]
    return str(names.index(path)) if path in names else f'"{path}"'


def _free(spec: ModelSpec, inside: str, name: str) -> str:
    taken, number, free = spec.model_at(inside).by_name, 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _text(spec: ModelSpec, result: ModelSpec, model: Path, recipe: Path, operations: list[str]) -> str:
    folder = recipe.resolve().parent
    path = Path(os.path.relpath(model.resolve(), folder)).as_posix()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", recipe.stem).lstrip("._-")[:100] or "recipe"
    lines = [
        "surgery: 1",
        f"name: {flow(stem)}",
        'description: ""                   # what the new model is for, in a sentence',
        "seed: 0",
        "",
        "model:",
        f"  path: {flow(path)}",
        "",
        *_about(spec, model),
        *(["operations:", *operations] if operations else ["operations: []"]),
        "",
        *_TRAINING,
        *(f"# {line}" for line in training_lines(read_compiled_loss(model), spec, result)),
        "",
        "outputs:",
        f"  model: {flow(f'build/{stem}.keras')}",
    ]
    return "\n".join(lines) + "\n"


def _about(spec: ModelSpec, model: Path) -> list[str]:
    listed = spec.listed
    shown = [f"#   {index:>4}  {layer.name}  ({layer.class_name})" for index, layer in enumerate(listed)][-SHOWN:]
    more = f", the last {SHOWN}" if len(listed) > SHOWN else ""
    intro = f"# The model has {len(listed)} layers{more}. All of them: surgery inspect {model}"
    return [printable(line) for line in (intro, *shown)]


_TRAINING = (
    "# To train the result, take the # away and name your data. See what would happen first: surgery plan",
    "# training:",
    "#   data:",
)
