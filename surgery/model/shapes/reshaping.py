"""Rules of the layers that move, cut, pad and repeat axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surgery.model.shapes.rules import MOST_AXES, Built, Site, rule
from surgery.model.shapes.windows import arranged, need_spatial, sizes
from surgery.model.spec import Shape


@rule("Flatten")
def flatten(site: Site) -> Built:
    site.need_rank(1, "batch, ...", at_least=True)
    return site.built((site.shape[0], _product(site.shape[1:])), dtype=site.carried())


@rule("Reshape")
def reshape(site: Site) -> Built:
    site.need_rank(1, "batch, ...", at_least=True)
    target = resolved(site, site.shape[1:], site.get("target_shape", ()))
    return site.built((site.shape[0], *target), dtype=site.carried())


@rule("Permute")
def permute(site: Site) -> Built:
    dims = site.get("dims")
    axes = ", ".join(("batch", *(f"axis {axis}" for axis in range(1, len(dims) + 1))))
    site.need_rank(len(dims) + 1, axes)
    return site.built((site.shape[0], *(site.shape[axis] for axis in dims)), dtype=site.carried())


@rule("RepeatVector")
def repeat_vector(site: Site) -> Built:
    site.need_rank(2, "batch, features")
    return site.built((site.shape[0], site.get("n"), site.shape[1]))


@rule("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D")
def zero_padding(site: Site) -> Built:
    rank, spatial, channels = need_spatial(site)
    sides = _sides(site.get("padding", 1), rank)
    return site.built(arranged(site, [_plus(n, a + b) for n, (a, b) in zip(spatial, sides, strict=True)], channels))


@rule("Cropping1D", "Cropping2D", "Cropping3D")
def cropping(site: Site) -> Built:
    rank, spatial, channels = need_spatial(site)
    sides = _sides(site.get("cropping", 1), rank)
    if any(n is not None and a + b >= n for n, (a, b) in zip(spatial, sides, strict=True)):
        raise site.refused(f"{site.class_name} cuts more away than there is of an input of {site.shown}")
    return site.built(arranged(site, [_plus(n, -a - b) for n, (a, b) in zip(spatial, sides, strict=True)], channels))


@rule("UpSampling1D", "UpSampling2D", "UpSampling3D")
def up_sampling(site: Site) -> Built:
    rank, spatial, channels = need_spatial(site)
    factors = sizes(site.get("size", 2), rank)
    larger = [None if n is None else n * factor for n, factor in zip(spatial, factors, strict=True)]
    return site.built(arranged(site, larger, channels))


def resolved(site: Site, shape: Shape, target: Sequence[int | None]) -> Shape:
    """A target shape with its -1 worked out; refuses one that holds another number of values."""
    if len(target) > MOST_AXES:
        raise site.refused(f"{site.class_name} cannot make {len(target)} axes", expected=f"at most {MOST_AXES}")
    have, goal = _product(shape), tuple(target)
    unknown = goal.count(-1)
    if unknown < 2 and (have is None or None in goal):
        return tuple(None if size == -1 else size for size in goal)
    have = have or 0
    known = math.prod(size or 0 for size in goal if size != -1)
    fits = have == known if not unknown else bool(known) and have % known == 0
    if unknown > 1 or not fits:
        raise site.refused(
            f"{site.class_name} cannot make {tuple(target)} of an input of {site.shown}",
            expected=f"a shape of {have} values",
        )
    return tuple(have // known if size == -1 else size for size in goal)


def _product(sizes_: Shape) -> int | None:
    known = [size for size in sizes_ if size is not None]
    return math.prod(known) if len(known) == len(sizes_) else None


def _plus(size: int | None, more: int) -> int | None:
    return None if size is None else size + more


def _sides(value: int | Sequence[int | Sequence[int]], rank: int) -> list[tuple[int, int]]:
    """How much before and after, for each spatial axis, from any form that Keras takes."""
    if isinstance(value, int):
        return [(value, value)] * rank
    flat = [value] if rank == 1 and all(isinstance(side, int) for side in value) else value
    return [(side, side) if isinstance(side, int) else (side[0], side[1]) for side in flat]  # type: ignore[misc]
