"""A training to begin with: the loss that a model was compiled with where it fits the head, or else the one that fits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from surgery.model import catalogue
from surgery.model.flow import flow
from surgery.model.keras_object import LossObject, written
from surgery.model.spec import ModelSpec
from surgery.planning.augmentation import class_of
from surgery.planning.losses import APART, EXCLUSIVE, last_activation, loss_error


def training_lines(compiled: Any, source: ModelSpec, result: ModelSpec) -> Iterator[str]:
    """The `training` part of a recipe, as comments that become true when the # goes.

    Args:
        compiled: The loss that the model was compiled with, in Keras' form; None where it was not.
        source: The model that the recipe starts from.
        result: The model after its operations.
    """
    inputs = [ref.layer for ref in result.refs_in()]
    outputs = [ref.layer for ref in result.refs_out()]
    losses = dict(zip(outputs, _losses(compiled, source, result), strict=True))
    for use, end in (("train", "train"), ("validation", "test")):
        x, y = (_arrays(letter, names, end) for letter, names in (("x", inputs), ("y", outputs)))
        yield f"    {use}: {{npz: data.npz, x: {x}, y: {y}}}"
    yield "    batch_size: 32"
    yield "  stages:"
    yield "    - name: head"
    yield "      epochs: 5"
    yield "      optimizer: {Adam: {learning_rate: 0.001}}"
    by_output = {name: written(loss) for name, loss in losses.items()}
    yield f"      loss: {_map(by_output) if len(outputs) > 1 else flow(next(iter(by_output.values()), 'mse'))}"
    kinds = {class_of(loss) in EXCLUSIVE | APART for loss in losses.values()}
    if len(kinds) == 1:
        yield f"      metrics: [{'accuracy' if kinds == {True} else 'mae'}]"


def _arrays(letter: str, names: list[str], end: str) -> str:
    return f"{letter}_{end}" if len(names) < 2 else _map({name: f"{name}_{end}" for name in names})


def _map(values: Mapping[str, Any]) -> str:
    """By names of layers, which can be anything."""
    return "{" + ", ".join(f"{flow(name)}: {flow(value)}" for name, value in values.items()) + "}"


def _losses(compiled: Any, source: ModelSpec, result: ModelSpec) -> Iterator[LossObject]:
    names = [ref.layer for ref in source.refs_out()]
    for place, ref in enumerate(result.refs_out()):
        activation, units = last_activation(result, ref)
        old = names[place] if place < len(names) else ref.layer
        loss = _of(compiled, place, old)
        if loss is None or loss_error(loss, ref.layer, activation, units) is not None:
            loss = LossObject.parse(_fitting(activation, units))
        yield loss


def _of(compiled: Any, place: int, name: str) -> LossObject | None:
    """The loss of one output among those that a model was compiled with, as a recipe would write it."""
    match compiled:
        case list():
            return _of(compiled[place], 0, name) if place < len(compiled) else None
        case {"class_name": "function", "config": str(function)}:
            value: Any = function
        case {"class_name": str(class_name), "config": Mapping() as config}:
            value = {class_name: dict(_said(class_name, config))}
        case Mapping():
            return _of(compiled[name], 0, name) if name in compiled else None
        case _:
            value = compiled
    try:
        return LossObject.parse(value)
    except ValidationError:
        return None


def _said(class_name: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arguments that are not what Keras takes anyway."""
    known = catalogue.find("losses", class_name)
    for name, value in config.items():
        argument = known.arguments.get(name) if known else None
        if argument is not None and name not in ("name", "dtype") and value != argument.default:
            yield name, value


def _fitting(activation: str | None, units: int | None) -> Any:
    """The loss that the last activation is made for."""
    if activation == "softmax":
        return "sparse_categorical_crossentropy"
    return "binary_crossentropy" if activation == "sigmoid" else "mse"
