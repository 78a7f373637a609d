"""Rules of the layer classes that models of `keras.applications` bring along, which Keras does not export."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule


@rule("LayerScale")
def layer_scale(site: Site) -> Built:
    return site.built(site.shape, site.variable(0, "variable", (site.get("projection_dim"),), "Constant"))


@rule("StochasticDepth")
def stochastic_depth(site: Site) -> Built:
    return site.built(site.shape)


@rule("CustomScaleLayer")
def custom_scale(site: Site) -> Built | None:
    return site.built(site.shape) if len({tensor.shape for tensor in site.inputs}) == 1 else None
