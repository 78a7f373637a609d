"""How far a layer is from the output, in layers that have a matrix of weights.

A normalization or another layer that holds vectors alone counts with the layer that it follows, so that a convolution and its
BatchNormalization are one step of depth.
"""

from __future__ import annotations

from surgery.model.spec import LayerSpec, ModelSpec


def depths(model: ModelSpec) -> dict[str, int]:
    """The depth of every listed layer by path; those at an output have 0. It is the longest way that counts."""
    return _depths(model, "", 0)


def _depths(model: ModelSpec, prefix: str, below: int) -> dict[str, int]:
    here: dict[str, int] = {}
    found: dict[str, int] = {}
    # A layer stands behind all that feed it, so that its readers are done when its turn comes.
    for layer in reversed(model.layers):
        depth = here.setdefault(layer.name, below)
        if layer.inner is not None:
            found |= _depths(layer.inner, f"{prefix}{layer.name}/", depth)
        found[f"{prefix}{layer.name}"] = depth
        ahead = depth + _steps(layer)
        for name in layer.inbound:
            here[name] = max(here.get(name, below), ahead)
    return found


def _steps(layer: LayerSpec) -> int:
    if layer.inner is None:
        return int(any(weight.trainable and len(weight.shape) > 1 for weight in layer.weights))
    inside = _depths(layer.inner, "", 0)
    return max(
        (depth + _steps(layer.inner.by_name[path]) for path, depth in inside.items() if "/" not in path), default=0
    )
