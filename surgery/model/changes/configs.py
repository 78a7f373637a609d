"""Configs, compared key by key; what only says the same in another way is no difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from surgery.model.calling import told_calls
from surgery.model.catalogue import find
from surgery.model.changes.difference import ABSENT, KeyChange
from surgery.model.configured import default_arguments
from surgery.model.fingerprint import canonical
from surgery.model.spec import Config, LayerSpec, TensorRef

TOLD_ELSEWHERE = {"name", "trainable"}
"""Keys that have a list of their own in a Diff."""


def config_changes(old: LayerSpec, new: LayerSpec) -> tuple[KeyChange, ...]:
    """The class and the constructor arguments that differ between two layers."""
    is_half_told = old.class_name == new.class_name and not (old.registered_name and new.registered_name)
    changes = [] if is_half_told else [*_value("class_name", class_of(old), class_of(new))]
    same_class = not changes
    before, after = without_name(old), without_name(new)
    if old.trainable != new.trainable:
        # The flag of what a layer holds follows its own, which is told elsewhere.
        before, after = _without_flags(before, old.trainable), _without_flags(after, new.trainable)
    for key in sorted(before.keys() | after.keys()):
        default = default_of(new.class_name, key) if same_class else ABSENT
        changes += _value(key, before.get(key, default), after.get(key, default))
    changes += _value("arguments", _arguments(old), _arguments(new))
    changes += _value("call", _told_call(old), _told_call(new))
    return tuple(changes)


def _without_flags(value: Any, is_trainable: bool) -> Any:
    match value:
        case dict():
            return {
                key: _without_flags(item, is_trainable)
                for key, item in value.items()
                if not (key == "trainable" and item is is_trainable)
            }
        case list():
            return [_without_flags(item, is_trainable) for item in value]
        case _:
            return value


def class_of(layer: LayerSpec) -> str:
    """The class as a recipe names it: a class outside Keras with its package."""
    registered = layer.registered_name
    return registered if registered and ">" in registered else layer.class_name


def without_name(layer: LayerSpec) -> dict[str, Any]:
    """The canonical config of a layer, but for what it is called and whether it is frozen."""
    return plain_config(layer.config)


def plain_config(config: Config) -> dict[str, Any]:
    return {key: value for key, value in canonical(config).items() if key not in TOLD_ELSEWHERE}


def arguments_of(layer: LayerSpec) -> dict[str, Any]:
    """Every constructor argument of a layer that is not at its default; of a class that is not Keras' own, every one."""
    return _told(layer.class_name, layer.module, canonical(layer.config))


def _told(class_name: str, module: str | None, config: Mapping[str, Any]) -> dict[str, Any]:
    known = find("layers", class_name) if (module or "keras").split(".")[0] == "keras" else None
    defaults = canonical(default_arguments(class_name)) if known else {}
    order = list(known.arguments) if known else []
    told = {
        key: _reduced(value)
        for key, value in config.items()
        if key != "name"
        and (key, value) not in (("trainable", True), ("dtype", "float32"))
        and not _same(value, defaults.get(key, ABSENT))
    }
    return {key: told[key] for key in sorted(told, key=lambda key: order.index(key) if key in order else len(order))}


def _reduced(value: Any) -> Any:
    """The same with the layers that a wrapper holds told in the same way."""
    if isinstance(value, list):
        return [_reduced(item) for item in value]
    if _is_object(value) and find("layers", str(value["class_name"])):
        return {**value, "config": _told(str(value["class_name"]), value.get("module"), value["config"])}
    return value


def _value(key: str, old: Any, new: Any) -> Iterator[KeyChange]:
    """The change of one value; inside two objects of one class, the changes of their arguments."""
    if _same(old, new):
        return
    if _is_object(old) and _is_object(new) and old["class_name"] == new["class_name"]:
        before, after = old["config"], new["config"]
        for name in sorted(before.keys() | after.keys()):
            yield from _value(f"{key}.{name}", before.get(name, ABSENT), after.get(name, ABSENT))
        return
    yield KeyChange(key, old, new)


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON: 1 is 1.0, and true is not 1."""
    match old, new:
        case (bool(), _) | (_, bool()):
            return old is new
        case (dict(), dict()):
            return old.keys() == new.keys() and all(_same(value, new[key]) for key, value in old.items())
        case (list(), list()):
            return len(old) == len(new) and all(map(_same, old, new))
        case _:
            return bool(old == new)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and "class_name" in value and isinstance(value.get("config"), Mapping)


def default_of(class_name: str, key: str) -> Any:
    """What Keras takes for an argument that a config does not hold: older versions write fewer of them."""
    known = find("layers", class_name)
    if known is None:
        return ABSENT
    if key in known.config:
        return canonical(known.config[key])
    argument = known.arguments.get(key)
    if argument is None or argument.required:
        return ABSENT
    return "linear" if argument.type == "activation" and argument.default is None else canonical(argument.default)


def _arguments(layer: LayerSpec) -> list[Any]:
    """What a bare operation is called with besides tensors, for each call that has any."""
    if layer.is_layer:
        return []
    calls = [[_opaque(call.args), {key: _opaque(value) for key, value in call.kwargs.items()}] for call in layer.calls]
    return [call for call in calls if _tells(call)]


def _told_call(layer: LayerSpec) -> Any:
    """The arguments of a layer's calls that are no tensors: those of every call, or a list where they differ."""
    calls = [dict(call) for call in told_calls(layer)]
    return canonical(calls[0] if all(call == calls[0] for call in calls) else calls) if calls else ABSENT


def _opaque(value: Any) -> Any:
    match value:
        case TensorRef():
            return "tensor"
        case Mapping():
            return {key: _opaque(item) for key, item in value.items()}
        case list() | tuple():
            return [_opaque(item) for item in value]
        case _:
            return value


def _tells(value: Any) -> bool:
    """Whether there is anything in it but tensors and null."""
    match value:
        case Mapping():
            return any(map(_tells, value.values()))
        case list():
            return any(map(_tells, value))
        case _:
            return value is not None and value != "tensor"
