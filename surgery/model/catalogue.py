"""What Keras has, known without Keras: its classes, their constructor arguments, what they do to a config.

`catalogue.json` beside this file is printed from Keras by `python -m surgery.execution.catalogue` and read at the first
question. It holds public classes only: what a recipe can name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

KINDS = (
    "layers",
    "initializers",
    "regularizers",
    "constraints",
    "optimizers",
    "schedules",
    "losses",
    "metrics",
    "callbacks",
)
"""The lists of classes."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One constructor argument of a class."""

    name: str
    type: str = "value"
    """A name of `surgery.model.arguments.TYPES`."""
    size: int = 0
    """How many numbers Keras makes of a single one: 2 for the `kernel_size` of a Conv2D. 0 where it does not."""
    choices: tuple[Any, ...] = ()
    lower: int | None = None
    """The least lower end of the interval that Keras makes of a single number; None where it makes none."""
    required: bool = False
    default: Any = None
    doc: str = ""
    is_base: bool = False
    """Taken by every layer, and passed on to `Layer` itself."""

    @property
    def is_nullable(self) -> bool:
        return not self.required and self.default is None


@dataclass(frozen=True, slots=True)
class KerasClass:
    """One public class of Keras."""

    kind: str
    name: str
    module: str
    """The module that a saved model names."""
    arguments: Mapping[str, Argument]
    config: Mapping[str, Any] = field(default_factory=dict)
    """Entries of the default config that do not follow from the arguments' defaults."""
    call: Mapping[str, Argument] = field(default_factory=dict)
    """The arguments of a layer's call, in order."""
    omits: tuple[str, ...] = ()
    """Arguments that the config of this class does not hold, or only when they are set."""
    doc: str = ""
    unsafe: str | None = None
    """Why a recipe may not name it: it runs code or reads files of its own choice."""

    @property
    def switches(self) -> Mapping[str, Argument]:
        """The arguments of the call that are no tensors: `training`, `return_attention_scores`."""
        return {name: a for name, a in self.call.items() if name == "training" or isinstance(a.default, bool)}

    @property
    def tensors(self) -> tuple[str, ...]:
        """The arguments of the call that are tensors."""
        return tuple(name for name in self.call if name not in self.switches)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(argument.name for argument in self.arguments.values() if argument.required)


def find(kind: str, name: str) -> KerasClass | None:
    """The class of that name; aliases (`MaxPool2D`, the function-like `zeros`) count."""
    document = _document()
    name = document["aliases"][kind].get(name, name)
    entry = document[kind].get(name)
    return None if entry is None else _keras_class(kind, name)


def names(kind: str) -> tuple[str, ...]:
    """Every class of a kind, by its own name."""
    return tuple(_document()[kind])


def words(kind: str) -> tuple[str, ...]:
    """Every name that finds a class of a kind: own names and aliases."""
    document = _document()
    return (*document[kind], *document["aliases"][kind])


def bare_names(kind: str) -> Mapping[str, str]:
    """What Keras takes as a bare string for a kind (`zeros`, `mse`, `swish`), each with the name that it stands for.

    For losses, metrics and `activations` that is a function; for other kinds a class.
    """
    known: Mapping[str, str] = _document()["bare_names"].get(kind, {})
    return known


def applications() -> Mapping[str, str]:
    """Each model of `keras.applications` with the module that has its `preprocess_input`."""
    known: Mapping[str, str] = _document()["applications"]
    return known


def dtypes() -> tuple[str, ...]:
    """The dtype policies that Keras knows by name."""
    return tuple(_document()["dtypes"])


def base_arguments(kind: str) -> Mapping[str, Argument]:
    """What every class of a kind takes besides its own arguments: a layer's `name`, `dtype`, `trainable`."""
    entries = _document()["base"].get(kind, {})
    return {key: _argument(key, value, is_base=True) for key, value in entries.items()}


def version() -> str:
    """The version of Keras that the catalogue was printed from."""
    return str(_document()["keras"])


@cache
def _keras_class(kind: str, name: str) -> KerasClass:
    document = _document()
    entry = document[kind][name]
    given = {key: _argument(key, value) for key, value in entry["arguments"].items()}
    base = base_arguments(kind) if entry.get("base") else {}
    given |= {key: argument for key, argument in base.items() if key not in given}
    return KerasClass(
        kind=kind,
        name=name,
        module=entry["module"],
        arguments=given,
        config=entry.get("config", {}),
        call={key: _argument(key, value) for key, value in entry.get("call", {}).items()},
        omits=tuple(entry.get("omits", ())),
        doc=entry.get("doc", ""),
        unsafe=entry.get("unsafe"),
    )


def _argument(name: str, entry: Mapping[str, Any], is_base: bool = False) -> Argument:
    return Argument(
        name,
        type=entry.get("type", "value"),
        size=entry.get("size", 0),
        choices=tuple(entry.get("choices", ())),
        lower=entry.get("lower"),
        required="default" not in entry,
        default=entry.get("default"),
        doc=entry.get("doc", ""),
        is_base=is_base,
    )


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("surgery.model").joinpath("catalogue.json").read_bytes())
    return document
