"""What a bare operation of `keras.ops` is called with: tensors, numbers, and Keras' forms of slices and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgery.model.shapes.rules import FLOATS, Site
from surgery.model.spec import Shape, TensorRef, TensorSpec

_WHOLE = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")


def operands(site: Site, count: int, *names: str) -> list[TensorSpec | Any]:
    """The first arguments of a call: a spec for each tensor, numbers as they are."""
    tensors = iter(site.inputs)
    given = [next(tensors) if isinstance(value, TensorRef) else value for value in site.call.args]
    keywords = {
        name: next(tensors) if isinstance(site.call.kwargs[name], TensorRef) else site.call.kwargs[name]
        for name in sorted(site.call.kwargs)
    }
    given += [keywords[name] for name in names[len(given) :] if name in keywords]
    return [_constant(value) for value in given[:count]]


def _constant(value: Any) -> Any:
    """An array that the model carries in the arguments of a call, as the tensor that it becomes."""
    match value:
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": values, "dtype": str(dtype)}}:
            shape = []
            while isinstance(values, list) and values:
                shape.append(len(values))
                values = values[0]
            return TensorSpec(tuple(shape), dtype)
        case _:
            return value


def argument(site: Site, position: int, name: str, default: Any = None) -> Any:
    """An argument of the call or of the operation itself that is not a tensor."""
    if name in site.call.kwargs:
        return site.call.kwargs[name]
    if position < len(site.call.args):
        return site.call.args[position]
    value = site.layer.config.get(name)
    return default if value is None else value


def joined_dtype(values: Sequence[Any]) -> str | None:
    """The dtype that an operation on these values has; None where it takes Keras to say."""
    kinds = [value.dtype for value in values if isinstance(value, TensorSpec)]
    has_float = any(isinstance(value, float) for value in values)
    if not kinds or any(kind not in (*FLOATS, *_WHOLE) for kind in kinds):
        return None
    floats = {kind for kind in kinds if kind in FLOATS}
    if floats:
        mixes_halves = {"float16", "bfloat16"} <= floats
        return "float32" if mixes_halves and "float64" not in floats else max(floats, key=FLOATS.index)
    if has_float:
        return "float32"
    has_number = any(isinstance(value, int) and not isinstance(value, bool) for value in values)
    only = set(kinds)
    if len(only) > 1 or (has_number and only == {"bool"}):
        return None
    return only.pop()


def shape_of(value: Any) -> Shape | None:
    """The shape of an operand: a number has none, and what is neither tensor nor number is not known here."""
    if isinstance(value, TensorSpec):
        return value.shape
    return () if isinstance(value, int | float) else None


def broadcast(site: Site, one: Shape, other: Shape) -> Shape:
    """The shape of an elementwise operation; a size that varies gives way to a known one, as in Keras."""
    rank = max(len(one), len(other))
    left, right = (((1,) * (rank - len(shape)) + shape) for shape in (one, other))
    sizes: list[int | None] = []
    for a, b in zip(left, right, strict=True):
        if a is not None and b is not None and a != b and 1 not in (a, b):
            raise site.refused(f"{site.class_name} needs inputs of matching shapes, and gets {site.shown}")
        if a == 1 or b == 1:
            sizes.append(b if a == 1 else a)
        else:
            sizes.append(b if a is None else a)
    return tuple(sizes)


def plain_key(value: Any) -> Any:
    """An index as Python has it, out of the form in which a model file keeps slices and ellipses."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__ellipsis__":
            return Ellipsis
        if value.get("class_name") in ("slice", "__slice__"):
            return slice(*_bounds(value["config"]))
        return value
    if isinstance(value, list | tuple):
        return tuple(map(plain_key, value))
    return value


def _bounds(config: Any) -> tuple[Any, Any, Any]:
    if isinstance(config, Mapping):
        return config.get("start"), config.get("stop"), config.get("step")
    start, stop, step = config
    return start, stop, step


def axes_of(site: Site, value: Any, rank: int) -> tuple[int, ...]:
    """Axes from the front; all of them where none is named."""
    if value is None:
        return tuple(range(rank))
    axes = [value] if isinstance(value, int) else list(value)
    if len(axes) > rank:
        raise site.refused(f"{site.class_name} works on {len(axes)} axes, and gets {site.shown}")
    if any(not -rank <= axis < rank for axis in axes):
        raise site.refused(f"{site.class_name} works on axis {axes}, and gets {site.shown}")
    return tuple(axis % rank for axis in axes)
