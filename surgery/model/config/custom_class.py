"""A custom model class whose file describes a graph all the same.

Keras writes the graph of a subclass of `Model` that was made of inputs and outputs, and the layers of a subclass of `Sequential`, as
it writes those of its own classes. What the subclass adds is Python code, and in no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.model.config.nodes import is_functional
from surgery.model.spec import CustomClass

_PACKAGES = {"keras", "keras_hub", "tf_keras", "tensorflow"}
_CLASSES = {"Functional", "Model", "Sequential"}
_KEPT = {"name", "trainable", "dtype", "layers", "input_layers", "output_layers", "build_input_shape"}
"""The config of Keras' own classes. What a custom class adds to it means nothing to them."""


def without_custom_class(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], CustomClass | None]:
    """The document as that of a plain Functional or Sequential, and its custom class; None where the class is Keras' own.

    Documents without a graph are returned as they are.
    """
    config = document.get("config")
    module, name = document.get("module"), str(document.get("class_name"))
    is_own = module.split(".")[0] in _PACKAGES if isinstance(module, str) else name in _CLASSES
    if is_own or not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
        return document, None
    kind, home = ("Functional", "keras.src.models.functional") if is_functional(document) else ("Sequential", "keras")
    registered = document.get("registered_name")
    custom = CustomClass(module, name, registered if isinstance(registered, str) else None)
    plain = {key: value for key, value in config.items() if key in _KEPT}
    named = {"module": home, "class_name": kind, "registered_name": "Functional" if kind == "Functional" else None}
    return {**document, **named, "config": plain}, custom
