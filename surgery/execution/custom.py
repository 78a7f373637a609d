"""Classes from outside Keras: imported only when their module was granted, on the command line or by the project."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from surgery.errors import UntrustedImport
from surgery.model.spec import LayerSpec, ModelSpec

OWN = ("keras", "keras_hub")


def custom_objects(spec: LayerSpec | ModelSpec, trust: Sequence[str]) -> Mapping[str, Any]:
    """The classes of a layer or a model that are not Keras' own, by the name that its config uses.

    Raises:
        UntrustedImport: when one is in a module that nobody granted.
    """
    layers = [spec] if isinstance(spec, LayerSpec) else [layer for _, layer in spec.walk()]
    found: dict[str, Any] = {}
    for layer in layers:
        module = layer.module or ""
        if module and module.split(".")[0] not in OWN:
            found[layer.registered_name or layer.class_name] = load(module, layer.class_name, trust)
    return found


def load(module: str, name: str, trust: Sequence[str]) -> Any:
    """One object of a trusted module.

    Raises:
        UntrustedImport: when the module was not granted, or does not have it.
    """
    if not any(module == granted or module.startswith(f"{granted}.") for granted in trust):
        raise UntrustedImport(
            f"'{module}' is needed for '{name}' and is not trusted",
            expected="modules granted on the command line or in [tool.surgery] trust, besides the recipe's 'imports'",
            fix=f"--trust {module}",
        )
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UntrustedImport(
            f"'{module}' is trusted and has no '{name}': {error}",
            expected="a module that can be imported from here, and the name in it",
            fix="install it, or correct the name",
        ) from error
