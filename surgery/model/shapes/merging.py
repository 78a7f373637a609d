"""Rules of the layers that merge several tensors."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule
from surgery.model.spec import Shape

ELEMENTWISE = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")


@rule(*ELEMENTWISE)
def elementwise(site: Site) -> Built:
    _need_several(site)
    if site.class_name == "Subtract" and len(site.inputs) != 2:
        raise site.refused(f"Subtract takes exactly 2 inputs, not {len(site.inputs)}")
    shape: Shape = site.shape[1:]
    for tensor in site.inputs[1:]:
        shape = _merged(site, shape, tensor.shape[1:])
    return site.built((_batch(site), *shape))


@rule("Concatenate")
def concatenate(site: Site) -> Built:
    _need_several(site)
    ranks = {len(tensor.shape) for tensor in site.inputs}
    axis = site.get("axis", -1)
    if len(ranks) > 1 or not -min(ranks) <= axis < min(ranks):
        raise site.refused(f"Concatenate along axis {axis} needs inputs of the same dimensions, and gets {site.shown}")
    axis %= len(site.shape)
    for index, lengths in enumerate(zip(*(tensor.shape for tensor in site.inputs), strict=True)):
        if index != axis and len({size for size in lengths if size is not None}) > 1:
            raise site.refused(
                f"Concatenate along axis {axis} needs inputs that agree on axis {index}, and gets {site.shown}"
            )
    together = [tensor.shape[axis] for tensor in site.inputs]
    known = [size for size in together if size is not None]
    total = sum(known) if len(known) == len(together) else None
    return site.built((*site.shape[:axis], total, *site.shape[axis + 1 :]))


@rule("Dot")
def dot(site: Site) -> Built:
    if len(site.inputs) != 2:
        raise site.refused(f"Dot takes exactly 2 inputs, not {len(site.inputs)}")
    left, right = (tensor.shape for tensor in site.inputs)
    axes = site.get("axes")
    one, other = (axes, axes) if isinstance(axes, int) else axes
    one, other = one % len(left), other % len(right)
    if left[one] != right[other]:
        raise site.refused(f"Dot over axes {one} and {other} needs equal sizes there, and gets {site.shown}")
    rest = [size for index, size in enumerate(right) if index not in (0, other)]
    shape = [*(size for index, size in enumerate(left) if index != one), *rest]
    return site.built(shape if len(shape) > 1 else [*shape, 1])


def _need_several(site: Site) -> None:
    if not site.inputs:
        raise site.refused(f"{site.class_name} needs inputs to merge")
    batches = {tensor.shape[0] for tensor in site.inputs if tensor.shape} - {None}
    if len(batches) > 1:
        raise site.refused(f"{site.class_name} needs inputs of the same batch size, and gets {site.shown}")


def _batch(site: Site) -> int | None:
    return next((tensor.shape[0] for tensor in site.inputs if tensor.shape and tensor.shape[0] is not None), None)


def _merged(site: Site, one: Shape, other: Shape) -> Shape:
    """Two shapes without the batch, broadcast from the right."""
    long, short = (one, other) if len(one) >= len(other) else (other, one)
    cut = len(long) - len(short)
    shape = list(long[:cut])
    for a, b in zip(long[cut:], short, strict=True):
        if a is None or b is None:
            shape.append(None)
        elif a == b or a == 1 or b == 1:
            shape.append(b if a == 1 else a)
        else:
            raise site.refused(f"{site.class_name} needs inputs of matching shapes, and gets {site.shown}")
    return tuple(shape)
