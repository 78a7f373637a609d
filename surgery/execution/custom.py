"""Classes from outside Keras: imported only when their module was granted, on the command line or by the project."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from surgery.errors import CodeFailed, UntrustedImport
from surgery.execution.named import named, names_alone
from surgery.execution.users_code import users_errors
from surgery.model.scan.classes import is_name_alone
from surgery.model.spec import CustomClass, LayerSpec, ModelSpec, is_foreign


def custom_objects(spec: LayerSpec | ModelSpec, trust: Sequence[str]) -> Mapping[str, Any]:
    """The classes of a layer or a model that are not Keras' own, by the name that its config uses.

    Raises:
        UntrustedImport: when one is in a module that nobody granted.
    """
    layers = [spec] if isinstance(spec, LayerSpec) else [layer for _, layer in spec.walk()]
    found: dict[str, Any] = {}
    for layer in layers:
        module = layer.module
        if module and is_foreign(module):
            found[layer.registered_name or layer.class_name] = load(module, layer.class_name, trust)
        found |= {name: _function(name, module, trust) for name, module in _functions(layer.config)}
        found |= {name: named(name, trust) for name in names_alone(layer.config)}
    return found


def located(layer: LayerSpec, trust: Sequence[str]) -> LayerSpec:
    """The layer with the module of its class and the name that it is registered by, where its file lacks one of them.

    Raises:
        UntrustedImport: no trusted module has the class.
    """
    name = layer.registered_name or layer.class_name
    if is_name_alone(layer.module, name):
        found = named(name, trust)
    elif layer.module and is_foreign(layer.module) and layer.registered_name is None:
        found = load(layer.module, layer.class_name, trust)
    else:
        return layer
    import keras

    registered = keras.saving.get_registered_name(found)
    return replace(layer, module=found.__module__, class_name=found.__name__, registered_name=registered)


def class_called(custom: CustomClass, trust: Sequence[str]) -> Any:
    """A class as a file names it, with or without its module."""
    if custom.module is not None:
        return load(custom.module, custom.class_name, trust)
    return named(custom.registered_name or custom.class_name, trust)


def _functions(config: Any) -> Iterator[tuple[str, str]]:
    """The functions that a config names and that are not Keras' own, with their module: that of a Lambda, an activation."""
    match config:
        case {"class_name": "function", "module": str(module), "config": str(name)}:
            if is_foreign(module):
                yield name, module
        case Mapping():
            for value in config.values():
                yield from _functions(value)
        case list() | tuple():
            for value in config:
                yield from _functions(value)


def _function(name: str, module: str, trust: Sequence[str]) -> Any:
    """A function by the name that Keras writes: `package>name`, or the name alone, whose module only the user's grant tells."""
    package, _, plain = name.rpartition(">")
    granted = [entry for entry in trust if entry.endswith(f".{name}")]
    if not package and module == "builtins":
        package = granted[0].rpartition(".")[0] if granted else name
    return load(package or module, plain, trust)


def load(module: str, name: str, trust: Sequence[str]) -> Any:
    """One object of a trusted module.

    Raises:
        UntrustedImport: when the module was not granted, or does not have it.
    """
    if not any(
        module == granted or module.startswith(f"{granted}.") or granted == f"{module}.{name}" for granted in trust
    ):
        raise UntrustedImport(
            f"'{module}' is needed for '{name}' and is not trusted",
            expected="modules granted on the command line or in [tool.surgery] trust, besides the recipe's 'imports'",
            fix=f"--trust {module}",
        )
    try:
        with users_errors(trust):
            return getattr(importlib.import_module(module), name)
    except SyntaxError as error:
        raise CodeFailed(
            f"{error.filename}:{error.lineno}: {error.msg}", expected="Python", fix="correct that line"
        ) from error
    except (ImportError, AttributeError) as error:
        raise UntrustedImport(
            f"'{module}' is trusted and has no '{name}': {error}",
            expected="a module that can be imported from here, and the name in it",
            fix="install it, or correct the name",
        ) from error
