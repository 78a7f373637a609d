"""Rules of the activation layers."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, rule


@rule("Activation", "ELU", "LeakyReLU", "ReLU", "Softmax")
def activation(site: Site) -> Built | None:
    if site.get("activation") == "glu" or isinstance(site.get("activation"), dict):
        return None
    axes = site.get("axis", -1) if site.class_name == "Softmax" else ()
    for axis in [axes] if isinstance(axes, int) else axes:
        if not -len(site.shape) <= axis < len(site.shape):
            # Keras 3.15 builds the layer all the same, and cannot call it.
            raise site.refused(f"Softmax over axis {axis} needs an input that has it, and gets {site.shown}")
    return site.built(site.shape)


@rule("PReLU")
def p_relu(site: Site) -> Built:
    sizes = list(site.shape[1:])
    for axis in site.get("shared_axes", ()):
        sizes[axis - 1] = 1
    return site.built(site.shape, site.variable(0, "alpha", sizes))
