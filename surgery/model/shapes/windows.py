"""Arithmetic of windows that slide over spatial axes, shared by convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence

from surgery.model.shapes.rules import Site
from surgery.model.spec import Shape

AXES = {
    1: "batch, steps, channels",
    2: "batch, rows, columns, channels",
    3: "batch, depth, rows, columns, channels",
}
"""The axes of an input with channels last, by the number of spatial ones."""

AXES_FIRST = {
    1: "batch, channels, steps",
    2: "batch, channels, rows, columns",
    3: "batch, channels, depth, rows, columns",
}


def rank_of(site: Site) -> int:
    """The number of spatial axes, from the class name: 2 for Conv2DTranspose."""
    return int(next(c for c in reversed(site.class_name) if c in "123"))


def sizes(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


def need_spatial(site: Site) -> tuple[int, Shape, int | None]:
    """Refuses a wrong number of dimensions; else the spatial rank, the spatial shape and the channels."""
    rank = rank_of(site)
    site.need_rank(rank + 2, (AXES_FIRST if site.is_channels_first else AXES)[rank])
    if site.is_channels_first:
        return rank, site.shape[2:], site.shape[1]
    return rank, site.shape[1:-1], site.shape[-1]


def channels_of(site: Site) -> int:
    """The number of channels, which a layer with weights must know."""
    return site.need_known(1 if site.is_channels_first else -1, "channels")


def arranged(site: Site, spatial: Sequence[int | None], channels: int | None) -> Shape:
    """A whole shape from its parts, in the layer's data format."""
    if site.is_channels_first:
        return (site.shape[0], channels, *spatial)
    return (site.shape[0], *spatial, channels)


def slide(site: Site, spatial: Shape, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Shape:
    """How often a window fits on each axis; refuses a window that does not fit at all."""
    if site.get("padding", "valid") != "valid":
        return tuple(None if n is None else (n - 1) // s + 1 for n, s in zip(spatial, strides, strict=True))
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    if any(n is not None and n < k for n, k in zip(spatial, reach, strict=True)):
        shown = " x ".join(map(str, reach))
        raise site.refused(
            f"{site.class_name}: a window of {shown} with padding valid does not fit into an input of {site.shown}",
            expected="a smaller window, or padding: same",
        )
    return tuple(None if n is None else (n - k) // s + 1 for n, k, s in zip(spatial, reach, strides, strict=True))
