"""Rules of the layers that only regularize. Their seed generators are not stored by Keras 3.15."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule
from surgery.model.shapes.windows import AXES, rank_of


@rule("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise")
def regularization(site: Site) -> Built:
    return site.built(site.shape)


@rule("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def spatial_dropout(site: Site) -> Built:
    rank = rank_of(site)
    site.need_rank(rank + 2, AXES[rank])
    return site.built(site.shape)
