"""The one file through which Keras is given anything to make: configs, constructor arguments, names.

Each function asks the gate, `require_safe_document`, before Keras. Keras' own `safe_mode` is on as well, and is no boundary: it
makes an object of every map that names a class, wherever that map stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from surgery.errors import ModelUnsafe
from surgery.execution.custom import load
from surgery.model import catalogue
from surgery.model.keras_object import KerasObject, serialized
from surgery.model.scan.document import require_safe_document

MODULES = {
    "initializers": keras.initializers,
    "regularizers": keras.regularizers,
    "constraints": keras.constraints,
    "optimizers": keras.optimizers,
    "schedules": keras.optimizers.schedules,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "callbacks": keras.callbacks,
    "layers": keras.layers,
}


def deserialize(document: Mapping[str, Any], trust: Sequence[str], custom_objects: Mapping[str, Any]) -> Any:
    """What Keras makes of a serialized model or layer.

    Args:
        document: As in a `config.json`.
        trust: Modules outside Keras whose classes may be named.
        custom_objects: These classes, by the name that the document has.

    Raises:
        ModelUnsafe: the gate refuses it.
    """
    require_safe_document(document, trust, described=f"'{document.get('config', {}).get('name', 'a layer')}'")
    return keras.saving.deserialize_keras_object(document, custom_objects=custom_objects, safe_mode=True)


def instantiate(value: KerasObject, arguments: Mapping[str, Any], trust: Sequence[str]) -> Any:
    """An object of a recipe, made by its class.

    Args:
        value: The object as the recipe writes it.
        arguments: The same arguments with the objects among them made already.
        trust: Modules outside Keras that may be imported.

    Raises:
        ModelUnsafe: the gate refuses it, or a recipe may not name the class.
        UntrustedImport: a class that nobody granted.
    """
    described = f"the {value.class_name} of the recipe"
    made = load(value.custom_module, value.class_name, trust) if value.custom_module is not None else None
    # A model never names a callback, so that the allowlist has none; the catalogue says which are harmless.
    require_safe_document(value.config if value.kind == "callbacks" else serialized(value), trust, described=described)
    if made is not None:
        return made(**arguments)
    known = catalogue.find(value.kind, value.class_name)
    if known is None or known.unsafe:
        raise ModelUnsafe(f"{described} was refused: {known.unsafe if known else 'Keras has no such class'}")
    return getattr(MODULES[value.kind], value.class_name)(**arguments)


def same_as(base: Any, config: Mapping[str, Any]) -> Any:
    """An optimizer of a class, from the config of another optimizer."""
    require_safe_document(
        {key: value for key, value in config.items() if not callable(value)}, described=f"the {base.__name__}"
    )
    return base.from_config(dict(config))


def optimizer_called(name: str) -> Any:
    """A new optimizer of Keras, by its class's name in small letters.

    Raises:
        ValueError: Keras has none of that name.
    """
    if name not in {known.lower() for known in catalogue.names("optimizers")}:
        raise ValueError(f"there is no optimizer {name!r}")
    return keras.optimizers.get(name)


def application(name: str, arguments: Mapping[str, Any], weights: str | None) -> Any:
    """A model of `keras.applications`."""
    require_safe_document(arguments, described=f"keras.applications.{name}")
    return getattr(keras.applications, name)(**arguments, weights=weights)
