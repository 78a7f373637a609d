"""Initializers, regularizers, constraints, activations and dtypes of old configs, as Keras 3 writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.model import catalogue
from surgery.model.scan.classes import is_name_alone

MODULES = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
}
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "MaxNorm": {"m": "max_value"},
    "RandomUniform": {"scale": "maxval"},
    "RandomNormal": {"scale": "stddev"},
}
"""Arguments of Keras 1 under their names since Keras 2."""
REGULARIZERS = ("WeightRegularizer", "ActivityRegularizer", "L1L2Regularizer")
"""What Keras 1 called L1L2."""


class Problems:
    """What an old config asks for and Keras 3 does not have, collected so that all of it can be said at once."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self.sizes: dict[str, Any] = {}
        """The output shapes that Deconvolution2D of Keras 1 states, by its name."""
        self.notes: dict[str, None] = {}
        """What is left out, and does nothing but to a training."""

    def add(self, what: str) -> None:
        self.found[what] = None


def convert_object(kind: str, value: Any, where: str, problems: Problems) -> Any:
    """An initializer, regularizer or constraint: a name, an old object or a new one."""
    if value is None:
        return None
    if kind == "constraint" and _is_radial(value):
        problems.notes[f"The constraint RadialConstraint of {where}, which Keras 3 does not have, is left out."] = None
        return None
    if isinstance(value, str):
        if (
            value not in catalogue.bare_names(f"{kind}s")
            and catalogue.find(f"{kind}s", value) is None
            and ">" not in value
        ):
            problems.add(f"the {kind} {value} of {where}")
            return None
        value = {"class_name": value, "config": {}}
    if not isinstance(value, Mapping):
        problems.add(f"the {kind} {value!r} of {where}")
        return None
    if "class_name" not in value:
        value = _keras_1(value)
    return _known(kind, value, where, problems)


def _is_radial(value: Any) -> bool:
    name = value.get("class_name") if isinstance(value, Mapping) else value
    return name in ("RadialConstraint", "radial_constraint")


def _known(kind: str, value: Mapping[str, Any], where: str, problems: Problems) -> Any:
    name = str(value["class_name"])
    kinds = f"{kind}s"
    name = catalogue.bare_names(kinds).get(name, name)
    found = catalogue.find(kinds, name)
    if found is None:
        custom = is_custom(name)
        if not custom:
            problems.add(f"the {kind} {name} of {where}")
        return {
            **value,
            "module": value.get("module") if custom else None,
            "registered_name": value.get("registered_name", name),
        }
    given = {ARGUMENTS.get(found.name, {}).get(k, k): v for k, v in (value.get("config") or {}).items() if k != "name"}
    config = {key: item for key, item in given.items() if key in found.arguments and key != "dtype"}
    return {"module": found.module, "class_name": found.name, "config": config, "registered_name": None}


def _keras_1(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keras 1 wrote regularizers and constraints flat, with their class as `name`."""
    config = {key: item for key, item in value.items() if key != "name"}
    name = str(value.get("name", ""))
    return {
        "class_name": "L1L2" if name in REGULARIZERS else name,
        "config": config,
    }


def is_custom(name: str) -> bool:
    """Whether a class is from outside Keras: registered as `package>Class`, or a name that no Keras had."""
    return ">" in name or is_name_alone(None, name)


def convert_activation(value: Any, where: str, problems: Problems) -> Any:
    """An activation: a name, or a layer or function object."""
    if isinstance(value, Mapping):
        name = str(value.get("class_name", ""))
        if name == "function" and value.get("config") not in catalogue.bare_names("activations"):
            return dict(value)  # only a grant lets it come here
        if name == "function":
            return convert_activation(value.get("config"), where, problems)
        return dict(value)
    known = catalogue.bare_names("activations")
    name = "linear" if value is None else str(value).removesuffix("_v2")
    if name not in known and ">" not in name:
        problems.add(f"the activation {value} of {where}")
    return known.get(name, name)


def convert_dtype(value: Any) -> Any:
    """A dtype or policy of Keras 2 as a dtype policy of Keras 3."""
    if isinstance(value, Mapping) and value.get("class_name") not in ("Policy", "PolicyV1"):
        return dict(value)
    name = (value.get("config") or {}).get("name") if isinstance(value, Mapping) else value
    name = "float32" if name in (None, "_infer") else str(name)
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}
