"""Rules of bare operations that move, cut and join axes, and of casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surgery.model.shapes.operands import argument, axes_of, joined_dtype, plain_key
from surgery.model.shapes.reshaping import resolved
from surgery.model.shapes.rules import MOST_AXES, Built, Site, operation
from surgery.model.spec import Shape, TensorRef, TensorSpec


@operation("Cast", "SaturateCast")
def cast(site: Site) -> Built | None:
    dtype = argument(site, 1, "dtype")
    return Built((TensorSpec(site.shape, dtype),)) if isinstance(dtype, str) else None


@operation("Reshape")
def reshape(site: Site) -> Built | None:
    target = argument(site, 1, "newshape")
    target = [target] if isinstance(target, int) else target
    if not isinstance(target, list | tuple) or any(isinstance(size, TensorRef) for size in target):
        return None
    return _like(site, resolved(site, site.shape, target))


@operation("Transpose")
def transpose(site: Site) -> Built:
    rank = len(site.shape)
    axes = argument(site, 1, "axes")
    order = tuple(reversed(range(rank))) if axes is None else axes_of(site, axes, rank)
    if sorted(order) != list(range(rank)):
        raise site.refused(f"Transpose takes each axis once, not {list(order)}, and gets {site.shown}")
    return _like(site, [site.shape[axis] for axis in order])


@operation("Swapaxes")
def swapaxes(site: Site) -> Built:
    one, other = axes_of(site, [argument(site, 1, "axis1"), argument(site, 2, "axis2")], len(site.shape))
    shape = list(site.shape)
    shape[one], shape[other] = shape[other], shape[one]
    return _like(site, shape)


@operation("ExpandDims")
def expand_dims(site: Site) -> Built | None:
    given = argument(site, 1, "axis")
    axes = [given] if isinstance(given, int) else given
    rank = len(site.shape) + len(axes)
    if rank > MOST_AXES:
        raise site.refused(f"ExpandDims cannot make {rank} axes", expected=f"at most {MOST_AXES}")
    new = axes_of(site, axes, rank)
    rest = iter(site.shape)
    return _like(site, [1 if index in new else next(rest) for index in range(rank)])


@operation("Squeeze")
def squeeze(site: Site) -> Built | None:
    given = argument(site, 1, "axis")
    if given is None:
        return _like(site, [size for size in site.shape if size != 1])
    axes = axes_of(site, given, len(site.shape))
    if any(site.shape[axis] not in (1, None) for axis in axes):
        raise site.refused(f"Squeeze needs size 1 on axis {given}, and gets {site.shown}")
    return _like(site, [size for index, size in enumerate(site.shape) if index not in axes])


@operation("Concatenate")
def concatenate(site: Site) -> Built | None:
    axis, dtype = _joint(site)
    if dtype is None:
        return None
    for tensor in site.inputs[1:]:
        if len(tensor.shape) != len(site.shape) or not _agree(site.shape, tensor.shape, axis):
            raise site.refused(
                f"Concatenate along axis {axis} needs inputs that agree elsewhere, and gets {site.shown}"
            )
    sizes = [tensor.shape[axis] for tensor in site.inputs]
    known = [size for size in sizes if size is not None]
    shape = list(site.shape)
    shape[axis] = sum(known) if len(known) == len(sizes) else None
    return Built((TensorSpec(tuple(shape), dtype),))


@operation("Stack")
def stack(site: Site) -> Built | None:
    axis, dtype = _joint(site, more=1)
    if dtype is None or any(tensor.shape != site.shape for tensor in site.inputs):
        return None
    return Built((TensorSpec((*site.shape[:axis], len(site.inputs), *site.shape[axis:]), dtype),))


@operation("GetItem")
def get_item(site: Site) -> Built | None:
    key = plain_key(argument(site, 1, "key"))
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(not isinstance(part, int | slice | type(...) | None) for part in keys) or keys.count(...) > 1:
        return None
    return _like(site, _sliced(site, keys if ... in keys else [*keys, ...]))


@operation("Pad")
def pad(site: Site) -> Built | None:
    widths = argument(site, 1, "pad_width")
    if not isinstance(widths, list | tuple) or not all(isinstance(width, list | tuple) for width in widths):
        return None
    widths = list(widths) * (len(site.shape) if len(widths) == 1 else 1)
    sizes = zip(site.shape, widths, strict=True)
    return _like(site, [None if size is None else size + sum(width) for size, width in sizes])


def _sliced(site: Site, keys: Sequence[Any]) -> Shape:
    """The shape of `x[keys]`; the keys hold one ellipsis."""
    taken = sum(part is not None and part is not ... for part in keys)
    if taken > len(site.shape):
        raise site.refused(f"GetItem has {taken} indices, and gets {site.shown}")
    rest, shape = list(site.shape), list[int | None]()
    after = 0
    for part in keys:
        if part is None:
            shape.append(1)
        elif part is ...:
            after = len(site.shape) - taken
            shape += rest[:after]
            del rest[:after]
        else:
            size = rest.pop(0)
            if isinstance(part, slice):
                shape.append(None if size is None else len(range(*part.indices(size))))
            elif size is not None and not -size <= part < size:
                raise site.refused(f"GetItem takes index {part}, and gets {site.shown}")
    return tuple(shape)


def _joint(site: Site, more: int = 0) -> tuple[int, str | None]:
    axis = axes_of(site, argument(site, 1, "axis", 0), len(site.shape) + more)[0]
    return axis, joined_dtype(site.inputs)


def _agree(one: Shape, other: Shape, but: int) -> bool:
    pairs = enumerate(zip(one, other, strict=True))
    return all(index == but or a is None or b is None or a == b for index, (a, b) in pairs)


def _like(site: Site, shape: Sequence[int | None]) -> Built:
    return Built((TensorSpec(tuple(shape), site.inputs[0].dtype),))
