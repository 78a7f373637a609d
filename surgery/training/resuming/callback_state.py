"""What a callback of the recipe has come to know, so that a resumed stage goes on with it."""

from __future__ import annotations

import dis
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import keras
import numpy as np

from surgery.errors import CheckpointInvalid
from surgery.planning.resuming import ANEW, LEFT_OUT
from surgery.training.resuming.bundle import Packer
from surgery.training.resuming.state import value_of

NOT_STATE = frozenset({"model", "_model", "params", "validation_data", "monitor_op"})
"""What Keras sets before training begins, or finds out again."""
OF_A_FILE = frozenset({"csv_file", "writer", "append", "append_header"})
"""What a `CSVLogger` makes again from its file."""


class Callbacks:
    """The recipe's callbacks of one stage, their states to take and to give back.

    Args:
        made: The callbacks, as the recipe has them.
        is_changed: Whether training may have changed a variable of the model so far.
    """

    def __init__(self, made: list[Any], is_changed: Callable[[Any], bool] = lambda _: True) -> None:
        self.made = made
        self._is_changed = is_changed

    def go_on(self, states: list[Any]) -> None:
        """Has those that write one file take it up where it was. Before training begins."""
        for callback, state in zip(self.made, states, strict=True):
            if isinstance(callback, keras.callbacks.CSVLogger) and state and "size" in state:
                path = Path(callback.filename)
                if path.exists() and path.stat().st_size >= state["size"]:
                    os.truncate(path, state["size"])
                    callback.append = True

    def states(self) -> list[Any]:
        """The state of each; `{"untaken": why}` where it cannot be taken, None where it begins anew."""
        return [self._state(callback) for callback in self.made]

    def restore(self, states: list[Any]) -> None:
        """Gives each its state, after Keras has told all of them that training begins.

        Raises:
            CheckpointInvalid: A state has something that its callback does not keep; then none is changed.
        """
        found = [(state or {}).get("attributes", {}) for state in states]
        pairs = list(zip(self.made, found, strict=True))
        for callback, attributes in pairs:
            own = _own(callback)
            for name in attributes:
                if name not in own or _is_fixed(callback, name, vars(callback).get(name)):
                    raise CheckpointInvalid(
                        f"the checkpoint has '{name}' for {type(callback).__name__}, which keeps nothing of that name",
                        expected="what the callback itself has kept",
                        fix="start from the beginning: surgery run RECIPE",
                    )
        for callback, attributes in pairs:
            for name, value in attributes.items():
                setattr(callback, name, self._weights(callback.model, value))

    def close(self) -> None:
        """Closes the files of those that will not hear that training ends."""
        for callback in self.made:
            if isinstance(callback, keras.callbacks.CSVLogger) and callback.csv_file is not None:
                callback.csv_file.close()

    def _state(self, callback: Any) -> Any:
        name = type(callback).__name__
        if name in ANEW or name in LEFT_OUT:
            return None
        found: dict[str, Any] = {}
        own = _own(callback)
        for key, value in vars(callback).items():
            if _is_fixed(callback, key, value):
                continue
            if key not in own:
                return {"untaken": f"{name} keeps '{key}', which is no plain attribute of it"}
            kept = self._shortened(callback.model, value)
            try:
                Packer().pack(kept)
            except TypeError as error:
                return {"untaken": f"{name} keeps '{key}': {error}"}
            found[key] = _copied(kept)
        return {"attributes": found} | _file_state(callback)

    def _shortened(self, model: Any, value: Any) -> Any:
        """A list of all weights of the model, as `get_weights` makes it, without those that never change."""
        if not _are_weights(model, value):
            return value
        pairs = zip(model.weights, value, strict=True)
        return {"weights": [array if self._is_changed(variable) else None for variable, array in pairs]}

    def _weights(self, model: Any, value: Any) -> Any:
        if not (isinstance(value, dict) and set(value) == {"weights"}):
            return value
        pairs = zip(model.weights, value["weights"], strict=True)
        return [value_of(variable) if array is None else array for variable, array in pairs]


def untaken(states: list[Any]) -> list[str]:
    """Why some states could not be taken."""
    return [state["untaken"] for state in states if state and "untaken" in state]


def _file_state(callback: Any) -> dict[str, Any]:
    if not isinstance(callback, keras.callbacks.CSVLogger):
        return {}
    path = Path(callback.filename)
    return {"size": path.stat().st_size if path.exists() else 0}


def _own(callback: Any) -> set[str]:
    """The names that a callback may keep something under: it has them now, or a method of its class sets them.

    Never what the language or the class gives a meaning of its own: `__class__`, a method, a property.
    """
    names = set(vars(callback))
    for one in type(callback).__mro__:
        for method in filter(inspect.isfunction, vars(one).values()):
            names |= {step.argval for step in dis.get_instructions(method) if step.opname == "STORE_ATTR"}
    return {name for name in names if not name.startswith("__") and _is_plain(type(callback), name)}


def _is_plain(kind: type, name: str) -> bool:
    given = inspect.getattr_static(kind, name, None)
    return not callable(given) and not hasattr(given, "__get__")


def _is_fixed(callback: Any, key: str, value: Any) -> bool:
    if key in NOT_STATE or isinstance(value, (FunctionType, MethodType, type)):
        return True
    if isinstance(callback, keras.callbacks.CSVLogger) and key in OF_A_FILE:
        return True
    # Keras turns the sign of min_delta when it finds out in which direction to look, and does so again.
    return key == "min_delta" and hasattr(callback, "monitor_op")


def _are_weights(model: Any, value: Any) -> bool:
    if not isinstance(value, list) or not value or len(value) != len(model.weights):
        return False
    return all(
        isinstance(array, np.ndarray) and array.shape == tuple(variable.shape)
        for array, variable in zip(value, model.weights, strict=True)
    )


def _copied(value: Any) -> Any:
    """Values of its own: the callback may change them later. The weights that Keras remembers it replaces."""
    match value:
        case {"weights": list()}:
            return value
        case list():
            return [_copied(item) for item in value]
        case dict():
            return {key: _copied(item) for key, item in value.items()}
        case np.ndarray():
            return value.copy()
        case _:
            return value
