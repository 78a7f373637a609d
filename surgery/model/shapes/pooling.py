"""Rules of pooling: sliding, global and adaptive."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule
from surgery.model.shapes.windows import arranged, need_spatial, sizes, slide


@rule(*(f"{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)))
def pooling(site: Site) -> Built:
    rank, spatial, channels = need_spatial(site)
    window = sizes(site.get("pool_size", 2), rank)
    strides = sizes(site.get("strides", window), rank)
    return site.built(arranged(site, slide(site, spatial, window, strides, [1] * rank), channels))


@rule(*(f"Global{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)))
def global_pooling(site: Site) -> Built:
    rank, _, channels = need_spatial(site)
    if site.get("keepdims"):
        return site.built(arranged(site, [1] * rank, channels))
    return site.built((site.shape[0], channels))


@rule(*(f"Adaptive{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2, 3)))
def adaptive_pooling(site: Site) -> Built:
    rank, _, channels = need_spatial(site)
    return site.built(arranged(site, sizes(site.get("output_size"), rank), channels))
