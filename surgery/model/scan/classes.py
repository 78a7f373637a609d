"""Which classes a config may name: an allowlist of (module, class), because every denylist has lost."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

from surgery.model.config.shared import COMPILED
from surgery.model.scan.json import nodes
from surgery.model.scan.rule import Found, Place, joined, rule, shown
from surgery.model.scan.verdict import LAMBDA, Status

FAMILY = "classes"

VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__slice__", "__ellipsis__"}
"""Plain values that Keras writes as if they were objects. `values.py` looks at their content."""

KERAS = ("keras", "builtins")
OLD_KERAS = ("keras", "tf_keras")
"""Packages whose classes files of Keras 1 and 2 name; where in the package a class was has changed with every version."""
_CARRIES = {"Lambda", "__lambda__", "__typespec__", "function"}
FOREIGN_MODELS = {"TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The generated list; `python -m surgery.execution.allowlist` prints it from Keras."""

    keras: str
    classes: Mapping[str, frozenset[str]]
    legacy: frozenset[str]
    functions: frozenset[str]

    def holds(self, module: object, name: object) -> bool:
        """Whether Keras' own class of that name is harmless. Without a module, as in HDF5 files, the name decides."""
        if not isinstance(name, str):
            return False
        if module is None:
            return name in self.legacy
        return isinstance(module, str) and name in self.classes.get(module, ())


def is_name_alone(module: object, name: object) -> bool:
    """Whether a file has a class from outside Keras by its name alone. With trust it is looked for in the trusted modules, and nowhere
    else; Keras' own names stay Keras' own."""
    if module is not None or not isinstance(name, str) or name in VALUES | FOREIGN_MODELS | _CARRIES:
        return False
    return not allowlist().holds(None, name)


@cache
def allowlist() -> Allowlist:
    data = json.loads(files("surgery.model.scan").joinpath("allowlist.json").read_text(encoding="utf-8"))
    classes = {module: frozenset(names) for module, names in data["classes"].items()}
    return Allowlist(data["keras"], classes, frozenset(data["legacy"]), frozenset(data["functions"]))


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object with a `class_name`, at its JSON path: what Keras would make an instance of."""

    path: Place
    data: Mapping[str, Any]

    @property
    def name(self) -> Any:
        return self.data["class_name"]

    @property
    def module(self) -> Any:
        return self.data.get("module")

    @property
    def registered(self) -> str | None:
        """`package>Class`, where it was registered so."""
        name = self.data.get("registered_name")
        return name if isinstance(name, str) and ">" in name else None

    @property
    def config(self) -> Mapping[str, Any]:
        config = self.data.get("config")
        return config if isinstance(config, dict) else {}

    @property
    def is_function(self) -> bool:
        return bool(self.name == "function")

    def __str__(self) -> str:
        return shown(f"{self.module}.{self.name}" if self.module is not None else self.name)


@dataclass(frozen=True, eq=False)
class Config:
    """The config of a model, with every object in it, and the modules that the user trusts. Each is equal to itself alone."""

    value: Any
    trust: tuple[str, ...] = ()
    is_compiled: bool = False
    """Whether the whole of it says how a model was compiled."""
    is_old: bool = False
    """Whether Keras 1 or 2 wrote it. Only surgery's own conversion reads such a config: it goes by the names of classes, imports no
    module, and what comes out of it is judged once more as a config of Keras 3."""

    @cached_property
    def objects(self) -> tuple[Object, ...]:
        return tuple(Object(path, node) for path, node in self.nodes if isinstance(node, dict) and "class_name" in node)

    @cached_property
    def nodes(self) -> tuple[tuple[Place, Any], ...]:
        return tuple(nodes(self.value))

    @cached_property
    def names(self) -> tuple[tuple[Place, Any], ...]:
        """Whatever is called something: layers, models, operations."""
        found: list[tuple[Place, Any]] = []
        for one in self.objects:
            if not isinstance(one.name, str) or one.name not in VALUES:
                if "name" in one.data:
                    found.append((joined(one.path, "name"), one.data["name"]))
                if "name" in one.config and "Policy" not in str(one.name):
                    found.append((joined(joined(one.path, "config"), "name"), one.config["name"]))
        return tuple(found)

    def holds(self, found: Object) -> bool:
        """Whether it is Keras' own, and harmless. Where old Keras had a class changed with every version, and so says nothing."""
        is_moved = self.is_old and isinstance(found.module, str) and found.module.split(".")[0] in OLD_KERAS
        return allowlist().holds(None if is_moved else found.module, found.name)

    def trusts(self, found: Object) -> bool:
        """A trusted module grants its classes. Of Keras only an exact `module.Class` can be granted, never a module.

        Of a function Keras 3.15 writes the name alone, or `package>name`; so its exact `module.name` must be granted, or the package.
        """
        module, name = found.module, found.data.get("config") if found.is_function else found.name
        if module is None and not found.is_function and is_name_alone(module, name):
            return any(entry.split(".")[0] not in KERAS for entry in self.trust)
        if module is None and found.registered:
            name = found.registered
        if (module is None or found.is_function) and isinstance(name, str) and ">" in name:
            module, name = name.split(">", 1)
        if not isinstance(module, str) or not isinstance(name, str):
            return False
        if found.is_function and module == "builtins":
            return any(entry.endswith(f".{name}") for entry in self.trust)
        inside = any(module == entry or module.startswith(f"{entry}.") for entry in self.trust)
        return f"{module}.{name}" in self.trust or (inside and module.split(".")[0] not in KERAS)

    @cached_property
    def doubtful(self) -> tuple[Object, ...]:
        """Objects that neither the list nor the user allows."""
        return tuple(
            found
            for found in self.objects
            if isinstance(found.name, str)
            and isinstance(found.module, str | None)
            and found.name not in VALUES
            and not self.holds(found)
            and not self.trusts(found)
            and not self._is_name_alone(found)
            and not self._is_granted_lambda(found)
        )

    @cached_property
    def names_alone(self) -> tuple[Object, ...]:
        """Custom losses, metrics and optimizers that the model was compiled with, and that the file has by their name alone: Keras has
        none of that name, and finds it only where a program hands it over."""
        known = allowlist()
        return tuple(
            found
            for found in self.objects
            if self._is_name_alone(found)
            and not self.trusts(found)
            and not self.holds(found)
            and not (found.is_function and found.data["config"] in known.functions)
        )

    def _is_granted_lambda(self, found: Object) -> bool:
        """A Lambda that names a function of a trusted module, and carries no code of its own. Whatever else it names is an object of
        its own."""
        if (found.module, found.name) != ("keras.layers", "Lambda"):
            return False
        function = found.config.get("function")
        if not isinstance(function, dict) or function.get("class_name") != "function":
            return False
        return self.trusts(Object(found.path, function))

    def _is_name_alone(self, found: Object) -> bool:
        """What a model was compiled with, by a name without a module: a function of Keras', or something that only the program that
        saved the model has. Models are loaded without being compiled, so that nothing looks at it."""
        if not self._says_how_it_was_compiled(found.path) or not isinstance(found.name, str):
            return False
        if found.is_function:
            name = found.data.get("config")
            return found.module == "builtins" and isinstance(name, str) and not hasattr(builtins, name)
        return found.module is None and found.name not in FOREIGN_MODELS | _CARRIES

    def _says_how_it_was_compiled(self, place: Place) -> bool:
        if self.is_compiled:
            return True
        while isinstance(place, tuple):
            place, key = place
            if key == COMPILED and id(place) in self._places:
                return True
        return False

    @cached_property
    def _places(self) -> frozenset[int]:
        return frozenset(id(found.path) for found in self.objects)


def _place(found: Object, key: str = "class_name") -> Place:
    return joined(found.path, key)


def _doubtful(config: Config, names: set[str]) -> Iterator[Object]:
    return (found for found in config.doubtful if found.name in names)


@rule("class-name-odd", FAMILY)
def odd_class_name(config: Config) -> Found:
    """A `class_name` or `module` that is no string."""
    for found in config.objects:
        if not isinstance(found.name, str) or not isinstance(found.module, str | None):
            yield _place(found), "the class or its module is not a string"


@rule(LAMBDA, FAMILY)
def lambda_layer(config: Config) -> Found:
    """A Lambda layer or a serialized lambda: code that the file carries and that runs when the model is loaded or called
    (CVE-2024-3660, CVE-2025-9905, CVE-2025-9906). Such code is never run. Put a layer in its place: `op: replace`. A Lambda that
    only names a function of a module is accepted with `--trust MODULE`."""
    for found in _doubtful(config, {"Lambda", "__lambda__"}):
        name = found.config.get("name")
        yield (
            _place(found),
            f"{found} carries code" + (f", in the layer '{shown(name)}'" if isinstance(name, str) else ""),
        )


def code_in(document: Any, trust: tuple[str, ...] = ()) -> list[str]:
    """What in the document of a model or a layer carries code, one sentence each."""
    return [message for _, message in lambda_layer(Config(document, trust))]


@rule("class-function", FAMILY)
def function_reference(config: Config) -> Found:
    """A reference to a function by name. Through one, a file can call whatever Keras or an installed package exports, such as
    `keras.utils.get_file` (CVE-2025-1550, CVE-2025-8747). Grant it with `--trust` if you know it."""
    for found in config.doubtful:
        if found.is_function:
            yield _place(found, "config"), f"the function {shown(found.data.get('config'))} of {shown(found.module)}"


@rule("class-foreign-model", FAMILY)
def foreign_model(config: Config) -> Found:
    """A layer that loads a model of another kind: TFSMLayer a SavedModel from a path (CVE-2026-1462), TorchModuleWrapper a
    pickle (CVE-2025-49655), JaxLayer and FlaxLayer functions."""
    for found in _doubtful(config, FOREIGN_MODELS):
        yield _place(found), f"{found} loads code or another file"


@rule("class-control-flow", FAMILY)
def control_flow(config: Config) -> Found:
    """An operation that calls functions (`Switch`, `Cond`, `Map`, `Scan`, `WhileLoop` ...). An unconnected Switch runs any
    exported function during load and leaves no trace in the model."""
    for found in config.doubtful:
        if isinstance(found.module, str) and found.module.startswith(("keras.src.ops.core", "keras.ops")):
            yield _place(found), f"{found} calls functions"


@rule("class-type-spec", FAMILY)
def type_spec(config: Config) -> Found:
    """A serialized TensorFlow type, whose class is looked up by name and called. Functional and Sequential models have none."""
    for found in _doubtful(config, {"__typespec__"}):
        yield _place(found), "a serialized type"


@rule("class-custom", FAMILY)
def custom_class(config: Config) -> Found:
    """A class or function from outside Keras. To make it, its package must be imported: grant that with `--trust MODULE` or in
    `[tool.surgery] trust`, after reading the package."""
    for found in config.doubtful:
        module = found.module if isinstance(found.module, str) else ""
        named = is_name_alone(found.module, found.name)
        if named or (module and module.split(".")[0] not in KERAS):
            nowhere = "" if module else ", and the program that saved it had it in no module"
            yield _place(found, "module" if module else "class_name"), f"{found} is not Keras' own{nowhere}"


@rule("class-not-allowed", FAMILY)
def not_allowed(config: Config) -> Found:
    """A name that is not on the list of harmless Keras classes: unknown to Keras, or with effects when it is made (a callback,
    a dataset, a utility)."""
    for found in config.doubtful:
        yield _place(found), f"{found} is not a class that a model needs"


@rule("class-compiled", FAMILY, Status.NOTED)
def compiled(config: Config) -> Found:
    """A custom loss, metric or optimizer with which the model was compiled. The file has its name and nothing
    else. Surgery reads models without compiling them: it is not looked at and not carried over. Keras needs it under
    `custom_objects`, or `load_model(..., compile=False)`."""
    for found in config.names_alone:
        name = found.data.get("config") if found.is_function else found.name
        yield (
            _place(found, "config" if found.is_function else "class_name"),
            f"compiled with the custom {shown(name)}",
        )


@rule("class-registered-name", FAMILY)
def registered_name(config: Config) -> Found:
    """An object that looks like a Keras class and asks for another one under `registered_name`, which Keras would take first."""
    for found in config.objects:
        name = found.data.get("registered_name")
        is_trusted = isinstance(name, str) and name.split(">")[0] in config.trust
        if name not in (None, found.name) and config.holds(found) and not is_trusted:
            yield _place(found, "registered_name"), f"{found} wants to be {shown(name)}"
