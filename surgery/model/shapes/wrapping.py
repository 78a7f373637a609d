"""Rules of the layers that wrap another one."""

from __future__ import annotations

from surgery.model.shapes.rules import Built, Site, build_at, rule
from surgery.model.spec import TensorSpec


@rule("TimeDistributed")
def time_distributed(site: Site) -> Built | None:
    site.need_rank(3, "batch, time, ...", at_least=True)
    batch, time, *rest = site.shape
    inside = site.at(site.inner("layer"), TensorSpec((batch, *rest), site.carried()))
    built = build_at(inside)
    if built is None or len(built.outputs) != 1:
        return None
    _, *shape = built.output.shape
    return site.built((batch, time, *shape), *(variable.below("layer") for variable in built.variables))


@rule("Bidirectional")
def bidirectional(site: Site) -> Built | None:
    # States that it begins with come after the sequence, and change neither outputs nor variables.
    step = TensorSpec(site.shape, site.carried())
    forward = build_at(site.at(site.inner("layer"), step))
    # Keras makes the layer that reads backwards like the other where the config has none.
    backward = build_at(site.at(site.inner("backward_layer" if site.get("backward_layer") else "layer"), step))
    if forward is None or backward is None:
        return None
    variables = [variable.below("forward_layer") for variable in forward.variables]
    variables += [variable.below("backward_layer") for variable in backward.variables]
    one, *states = (tensor.shape for tensor in forward.outputs)
    mode = site.layer.config.get("merge_mode", "concat")
    doubled = (*one[:-1], None if one[-1] is None else one[-1] * 2)
    merged = {"concat": [doubled], None: [one, one]}.get(mode, [one])
    return Built(tuple(map(site.tensor, [*merged, *states, *states])), tuple(variables))
