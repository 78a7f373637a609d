"""Prints what Keras has into `surgery/model/catalogue.json`: `python -m surgery.execution.catalogue [--check]`.

Everything is read from the installed Keras: public classes, signatures, docstrings, and the config of one instance of each class.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from surgery.execution import argument_types
from surgery.model import catalogue

PATH = Path(catalogue.__file__).with_name("catalogue.json")

MODULES = {kind: "optimizers.schedules" if kind == "schedules" else kind for kind in catalogue.KINDS}

_FLOAT32 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}

SAVED_IN_MODELS = ("layers", "initializers", "regularizers", "constraints")
"""Kinds whose whole default config is needed: a planned layer has the config that Keras would save."""

ABSTRACT = {
    *(
        "Layer",
        "InputSpec",
        "Wrapper",
        "Initializer",
        "Regularizer",
        "Constraint",
        "Optimizer",
        "OptimizerMap",
        "MultiOptimizer",
    ),
    *("LearningRateSchedule", "Loss", "Metric", "Callback", "CallbackList"),
}

_CODE = "it runs Python code, which a recipe cannot carry; write a class in a module of your own and trust that"
_FOREIGN = "it runs code of another framework, which a recipe cannot carry; write a class of your own and trust that"
UNSAFE = {
    "FlaxLayer": _FOREIGN,
    "JaxLayer": _FOREIGN,
    "Lambda": _CODE,
    "LambdaCallback": _CODE,
    "LearningRateScheduler": "it runs Python code, which a recipe cannot carry; a schedule such as CosineDecay can be named",
    "MeanMetricWrapper": _CODE,
    "RemoteMonitor": "it sends data to another machine",
    "TFSMLayer": "it loads and runs another model file",
    "TorchModuleWrapper": _FOREIGN,
}
"""Classes that a recipe may not name, and why."""

BASE_OF_LAYERS: Mapping[str, Mapping[str, Any]] = {
    "activity_regularizer": {"type": "regularizer", "default": None, "doc": "A penalty on the layer's output."},
    "autocast": {"type": "boolean", "default": True, "doc": "Whether inputs are cast to the layer's compute dtype."},
    "dtype": {
        "type": "dtype",
        "default": None,
        "doc": "The dtype of the layer's computations and weights, or a policy.",
    },
    "name": {"type": "string", "default": None, "doc": "The layer's name; generated when left out."},
    "trainable": {"type": "boolean", "default": True, "doc": "Whether training changes the layer's weights."},
}


def document() -> dict[str, Any]:
    """The catalogue of the installed Keras."""
    import keras

    classes = {kind: dict(_classes(kind)) for kind in catalogue.KINDS}
    names = _bare_names()
    return {
        "keras": keras.__version__,
        "applications": _applications(),
        "dtypes": _dtypes(),
        "base": {"layers": BASE_OF_LAYERS},
        "bare_names": names,
        "aliases": {kind: _aliases(kind, classes[kind]) for kind in catalogue.KINDS},
        **{kind: {name: _entry(kind, cls, names) for name, cls in found.items()} for kind, found in classes.items()},
    }


def text(content: Mapping[str, Any]) -> str:
    """The document as JSON with one class a line."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))

    def block(value: Mapping[str, Any]) -> str:
        return "{\n" + ",\n".join(f"  {line(key)}: {line(item)}" for key, item in value.items()) + "\n }"

    parts = (
        f" {line(key)}: {block(value) if isinstance(value, dict) else line(value)}" for key, value in content.items()
    )
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _module(kind: str) -> Any:
    import keras

    module: Any = keras
    for part in MODULES[kind].split("."):
        module = getattr(module, part)
    return module


def _public(kind: str) -> Iterator[tuple[str, type]]:
    module = _module(kind)
    for name in dir(module):
        value = getattr(module, name)
        if inspect.isclass(value) and not name.startswith("_") and value.__name__ not in ABSTRACT:
            yield name, value


def _classes(kind: str) -> Iterator[tuple[str, type]]:
    """Each class under the name that a saved model has: its own, or the exported one where its own is not exported."""
    public = dict(_public(kind))
    yield from sorted({cls.__name__ if cls.__name__ in public else name: cls for name, cls in public.items()}.items())


def _aliases(kind: str, classes: Mapping[str, type]) -> dict[str, str]:
    own = {cls: name for name, cls in classes.items()}
    found = {name: own[cls] for name, cls in _public(kind) if name not in classes}
    # The function of Keras that makes an InputLayer.
    return found | ({"Input": "InputLayer"} if kind == "layers" else {})


def _bare_names() -> dict[str, dict[str, str]]:
    """What `keras.*.get` takes as a string, from the tables that it looks into."""
    from keras.src import activations, constraints, initializers, losses, metrics, optimizers, regularizers

    def table(module: Any) -> dict[str, str]:
        found = {name: value.__name__ for name, value in module.ALL_OBJECTS_DICT.items()}
        return {name: value for name, value in sorted(found.items()) if value not in ABSTRACT | set(UNSAFE)}

    return {
        "activations": table(activations),
        "constraints": table(constraints),
        "initializers": table(initializers),
        "losses": table(losses) | {"crossentropy": "crossentropy", "ce": "ce"},
        "metrics": table(metrics) | {"accuracy": "accuracy", "acc": "acc"},
        "optimizers": table(optimizers),
        "regularizers": table(regularizers),
    }


def _applications() -> dict[str, str]:
    import keras

    found = {}
    for name in dir(keras.applications):
        function = getattr(keras.applications, name)
        if inspect.isfunction(function):
            found[name] = function.__module__.replace("keras.src.", "keras.")
    return found


def _dtypes() -> list[str]:
    floats = ["float16", "bfloat16", "float32", "float64"]
    whole = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"]
    return [*floats, *whole, "string", "mixed_float16", "mixed_bfloat16"]


def _entry(kind: str, cls: type, names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    signature = inspect.signature(cls.__init__)  # type: ignore[misc]
    given = [p for p in list(signature.parameters.values())[1:] if not p.kind.name.startswith("VAR")]
    arguments = {p.name: argument_types.entry(kind, cls, p) for p in given}
    if "image_preprocessing" in cls.__module__:
        arguments.setdefault("data_format", argument_types.DATA_FORMAT)
    entry: dict[str, Any] = {
        "module": f"keras.{MODULES[kind]}",
        "doc": argument_types.first_sentence(inspect.getdoc(cls) or ""),
        "arguments": arguments,
    }
    if cls.__name__ in UNSAFE:
        return {**entry, "unsafe": UNSAFE[cls.__name__]}
    if kind == "layers":
        entry["call"] = _call(cls)
    if kind == "layers" and any(p.kind.name == "VAR_KEYWORD" for p in signature.parameters.values()):
        entry["base"] = True
    required = {name for name, value in arguments.items() if "default" not in value}
    example = argument_types.example(cls, required) if kind in SAVED_IN_MODELS else {}
    for name, argument in arguments.items():
        if argument["type"] == "interval" and (lower := argument_types.lower_bound(cls, name, example)) is not None:
            argument["lower"] = lower
    config, omits = _config(kind, cls, arguments, names, example)
    return {**entry, **({"config": config} if config else {}), **({"omits": omits} if omits else {})}


def _call(cls: Any) -> dict[str, dict[str, Any]]:
    """The arguments of a layer's call: those without a default are tensors, those with a truth value, and `training`, switches."""
    given = list(inspect.signature(cls.call).parameters.values())[1:]
    return {
        p.name: {} if p.default is p.empty else {"default": p.default}
        for p in given
        if not p.kind.name.startswith("VAR")
    }


def _config(
    kind: str,
    cls: type,
    arguments: Mapping[str, Any],
    names: Mapping[str, Mapping[str, str]],
    given: Mapping[str, Any],
) -> tuple[dict[str, Any], list[str]]:
    """What the config of an instance holds that does not follow from the arguments, and what it leaves out."""
    if kind not in SAVED_IN_MODELS:
        return {}, []
    config = plain(cls(**given).get_config())
    absent = ["trainable"] if kind == "layers" and "trainable" not in config else []
    for name in ("name", "trainable") if kind == "layers" else ():
        config.pop(name, None)
    if config.get("dtype") == {**_FLOAT32, "registered_name": None}:
        del config["dtype"]
    drawn = {"seed"} & set(arguments)
    surplus = {
        name: value
        for name, value in config.items()
        if name not in {*given, *drawn} and not (name in arguments and _follows(value, arguments[name], names))
    }
    return surplus, absent + [
        name for name in arguments if name not in config and name not in ("name", "dtype", "trainable")
    ]


def _follows(value: Any, argument: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a config entry is what the argument's default always becomes."""
    default = argument.get("default")
    if value == default:
        return True
    if default is None:
        return value in {"activation": ("linear",), "choice": ("channels_last",)}.get(argument["type"], ())
    if "lower" in argument and isinstance(default, int | float):
        return bool(value == [max(-abs(default), argument["lower"]), abs(default)])
    if isinstance(value, dict):
        kind = f"{argument['type']}s"
        return bool(value.get("class_name") == names.get(kind, {}).get(default))
    return bool(value == [default] * argument.get("size", 0))


def plain(value: Any) -> Any:
    """A config as it is after JSON: tuples are lists."""
    return json.loads(json.dumps(value, default=_unserializable))


def _unserializable(value: Any) -> Any:
    from keras.saving import serialize_keras_object

    return serialize_keras_object(value)


def main(arguments: list[str], write: Callable[[str], object] = sys.stderr.write) -> int:
    """Writes the file; with `--check` only says whether it is stale."""
    fresh = text(document())
    if "--check" not in arguments:
        PATH.write_text(fresh, encoding="utf-8")
        return 0
    if PATH.read_text(encoding="utf-8") == fresh:
        return 0
    write(f"{PATH} is not what the installed Keras gives; run: python -m surgery.execution.catalogue\n")
    return 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
