"""Rules of the layers that wrap another one."""

from __future__ import annotations

from surgery.model.calling import LISTS, SEPARATE
from surgery.model.shapes.recurrent import GATES, need_states, states_of
from surgery.model.shapes.rules import Built, Site, build_at, rule
from surgery.model.spec import TensorSpec


@rule("TimeDistributed")
def time_distributed(site: Site) -> Built | None:
    site.need_rank(3, "batch, time, ...", at_least=True)
    batch, time, *rest = site.shape
    if site.inner("layer").class_name in (*LISTS, *SEPARATE):
        raise site.refused(
            f"TimeDistributed hands one tensor on, and {site.inner('layer').class_name} takes several",
            expected="a layer of one input inside TimeDistributed",
        )
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
    # Keras makes the layer that reads backwards like the other where the config has none.
    there, back = (site.inner(key if site.get(key) else "layer") for key in ("layer", "backward_layer"))
    forward, backward = build_at(site.at(there, step)), build_at(site.at(back, step))
    states = states_of(site)
    half = len(states) // 2
    for layer, given in ((there, states[:half]), (back, states[half:])):
        if layer.class_name in GATES:
            need_states(site.at(layer), given)
    if forward is None or backward is None:
        return None
    variables = [variable.below("forward_layer") for variable in forward.variables]
    variables += [variable.below("backward_layer") for variable in backward.variables]
    one, *made = (tensor.shape for tensor in forward.outputs)
    mode = site.layer.config.get("merge_mode", "concat")
    doubled = (*one[:-1], None if one[-1] is None else one[-1] * 2)
    merged = {"concat": [doubled], None: [one, one]}.get(mode, [one])
    return Built(tuple(map(site.tensor, [*merged, *made, *made])), tuple(variables))
