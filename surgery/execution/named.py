"""Classes that a file has by their name alone: looked for in the modules that the user trusts, as Keras looks in `custom_objects`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from surgery.errors import UntrustedImport
from surgery.execution.users_code import users_errors
from surgery.model.scan.classes import is_name_alone
from surgery.model.spec import is_foreign


def named(name: str, trust: Sequence[str]) -> Any:
    """The class of a name, or of `package>name`, that a trusted module defines.

    Raises:
        UntrustedImport: there is none, or there are several.
        CodeFailed: a trusted module raises an error when it is imported.
    """
    import keras

    modules, failures = _imported(trust)
    registered = keras.saving.get_registered_object(name)
    found = {registered} if _is_granted(registered, trust) else set()
    if not found:
        plain = name.rpartition(">")[2]
        found = {value for module in modules if _is_granted(value := vars(module).get(plain), trust)}
    if len(found) != 1:
        raise _not_one(name, sorted(f"{value.__module__}.{value.__name__}" for value in found), failures)
    return found.pop()


def names_alone(config: Any) -> Iterator[str]:
    """The classes that a config names without a module and that are not Keras' own: an initializer in an old HDF5 file."""
    match config:
        case {"class_name": str(name), "config": inner, **rest} if is_name_alone(rest.get("module"), name):
            yield name
            yield from names_alone(inner)
        case Mapping():
            for value in config.values():
                yield from names_alone(value)
        case list() | tuple():
            for value in config:
                yield from names_alone(value)


def _not_one(name: str, several: list[str], failures: list[str]) -> UntrustedImport:
    if several:
        told, fix = f"it could be {' or '.join(several)}", f"--trust {several[0]}, in place of its module"
    else:
        told = "; ".join(["no trusted module has it", *failures])
        fix = "--trust MODULE for the module that defines it, and imports: [MODULE] in the recipe"
    return UntrustedImport(
        f"the file has the class '{name}' without its module, and {told}",
        expected="one class of that name in the modules that are granted and under the recipe's 'imports'",
        fix=fix,
    )


def _imported(trust: Sequence[str]) -> tuple[list[ModuleType], list[str]]:
    """The trusted modules, with those below them that they import and the homes of trusted classes; and what could not be imported."""
    homes, failures = set(), []
    for entry in trust:
        home = _home(entry)
        if isinstance(home, str):
            homes.add(home)
        else:
            failures.append(f"{entry} cannot be imported: {home}")
    found = [
        module
        for name, module in sorted(sys.modules.items())
        if isinstance(module, ModuleType) and any(name == home or name.startswith(f"{home}.") for home in homes)
    ]
    return found, failures


def _home(entry: str) -> str | ImportError:
    """The module that a grant names, or the one of the class that it names; why there is none, otherwise."""
    with users_errors([entry]):
        try:
            importlib.import_module(entry)
            return entry
        except ImportError as error:
            package = entry.rpartition(".")[0]
            if not package:
                return error
        try:
            importlib.import_module(package)
            return package
        except ImportError as error:
            return error


def _is_granted(value: Any, trust: Sequence[str]) -> bool:
    """Whether it is a class that was granted: of a trusted module, and not one that the module has from Keras or elsewhere."""
    if not isinstance(value, type) or not is_foreign(value.__module__):
        return False
    names = (value.__module__, f"{value.__module__}.{value.__name__}")
    return any(names[0].startswith(f"{entry}.") or entry in names for entry in trust)
