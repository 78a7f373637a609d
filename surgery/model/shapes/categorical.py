"""Rules of the layers that encode categories and bins."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule
from surgery.model.spec import Shape


@rule("CategoryEncoding")
def category_encoding(site: Site) -> Built:
    depth, shape = site.get("num_tokens"), site.shape
    appends = site.get("output_mode", "multi_hot") == "one_hot" and (len(shape) == 1 or shape[-1] != 1)
    return site.built((*shape, depth) if appends else (*shape[:-1], depth))


@rule("Hashing")
def hashing(site: Site) -> Built:
    if site.get("output_mode", "int") == "int":
        return site.built(site.shape, dtype=_hash_dtype(site))
    return site.built((*site.shape[:-1], site.get("num_bins")), dtype=_hash_dtype(site))


@rule("Discretization")
def discretization(site: Site) -> Built:
    mode = site.get("output_mode", "int")
    if mode == "int":
        return site.built(site.shape, dtype="int32")
    boundaries = site.get("bin_boundaries")
    depth = site.get("num_bins") if boundaries is None else len(boundaries) + 1
    return site.built(_binned(site.shape, depth, mode), dtype=site.variable_dtype)


def _binned(shape: Shape, depth: int, mode: str) -> Shape:
    if mode == "one_hot":
        return (*shape[:-1], depth) if len(shape) > 1 and shape[-1] == 1 else (*shape, depth)
    return (shape[0], *shape[2:], depth) if len(shape) >= 2 else (depth,)


def _hash_dtype(site: Site) -> str:
    return "int64" if site.policy == "int64" else site.variable_dtype
