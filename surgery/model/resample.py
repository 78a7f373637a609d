"""Which weights can be interpolated to another size: kernels over their spatial axes, embeddings over their positions."""

from __future__ import annotations

from math import isqrt

from surgery.errors import WeightMismatch
from surgery.model.spec import LayerSpec, WeightSpec
from surgery.model.weights import Fresh, Resampled, WeightSource, has_fresh, shape_text


def resampled(layer: LayerSpec, new: WeightSpec, old: WeightSpec, *, is_grid: bool) -> WeightSource:
    """The old values, interpolated to the new shape.

    Args:
        layer: The layer as it is now.
        new: The weight as the layer has it now.
        old: The weight that gives the values; of another shape.
        is_grid: Whether the rows of an embedding are the places of a square grid, row by row.

    Raises:
        WeightMismatch: when another axis differs than those over which one can interpolate.
    """
    if isinstance(old.source, Fresh):
        return Fresh(new.initializer)
    axes = _axes(layer, new)
    is_alike = len(old.shape) == len(new.shape)
    differ = [axis for axis, (a, b) in enumerate(zip(old.shape, new.shape, strict=False)) if a != b]
    if not is_alike or not set(differ) <= set(axes) or has_fresh(old.source):
        raise _mismatch(layer, new, old, "only spatial axes of kernels and positions of embeddings are interpolated")
    if not is_grid or axes != (0,) or len(new.shape) != 2:
        return Resampled(old.source, new.shape)
    side = isqrt(old.shape[0])
    if side**2 != old.shape[0] or isqrt(new.shape[0]) ** 2 != new.shape[0]:
        raise _mismatch(layer, new, old, "its rows are no square grid on both sides")
    return Resampled(old.source, new.shape, (side, side))


def _axes(layer: LayerSpec, weight: WeightSpec) -> tuple[int, ...]:
    """The axes of a weight along which neighbours are alike."""
    rank = len(weight.shape)
    if "Conv" in layer.class_name and rank > 2:
        return tuple(range(rank - 2))
    if "Embedding" in layer.class_name or "pos" in weight.name:
        return tuple(range(rank - 1))
    return ()


def _mismatch(layer: LayerSpec, new: WeightSpec, old: WeightSpec, why: str) -> WeightMismatch:
    return WeightMismatch(
        f"the {new.name} of '{layer.name}' is {shape_text(new.shape)} and was {shape_text(old.shape)}: {why}",
        expected="the same shape, apart from kernel sizes or numbers of positions",
        fix="weights: overlap keeps the common corner, weights: fresh initializes anew",
        field=("weights",),
    )
