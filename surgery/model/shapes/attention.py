"""Rules of the attention layers."""

from __future__ import annotations

from collections.abc import Iterator

from surgery.model.shapes.rules import Built, Site, Variable, rule
from surgery.model.spec import Shape, TensorRef, leaves


@rule("Attention")
def dot_attention(site: Site) -> Built | None:
    if _returns_scores(site):
        return None
    names = [
        name for name, used in (("scale", site.get("use_scale")), ("concat_score_weight", _is_concat(site))) if used
    ]
    variables = [site.variable(index, name, (), "Ones") for index, name in enumerate(names)]
    return site.built(_attended(site), *variables)


@rule("AdditiveAttention")
def additive_attention(site: Site) -> Built | None:
    if _returns_scores(site):
        return None
    shape = _attended(site)
    features = site.need_known(-1, "features")
    scale = (
        site.variable(0, "scale", (features,), "GlorotUniform") if site.layer.config.get("use_scale", True) else None
    )
    return site.built(shape, scale)


@rule("MultiHeadAttention")
def multi_head_attention(site: Site) -> Built | None:
    roles = None if _returns_scores(site) else _roles(site)
    if roles is None:
        return None
    query, value, key = roles
    heads, key_dim = site.get("num_heads"), site.get("key_dim")
    value_dim = site.get("value_dim", key_dim)
    given = site.get("output_shape")
    features = [query[-1]] if given is None else [given] if isinstance(given, int) else list(given)
    if query[-1] is None or value[-1] is None or key[-1] is None:
        raise site.refused(f"MultiHeadAttention needs to know the number of features, and gets {site.shown}")
    axes = site.get("attention_axes", ())
    is_there = all(0 < axis % len(query) < len(query) - 1 for axis in axes)
    if len(query) < 3 or len(query) != len(value) or not is_there:
        # Keras builds it, and no batch goes through. Keras 3.15.
        raise site.refused(
            f"MultiHeadAttention needs positions to attend over (batch, positions, features), not {site.shown}"
        )
    if value[1:-1] != key[1:-1]:
        raise site.refused(f"MultiHeadAttention needs a key and a value of equal length, and gets {site.shown}")
    parts: list[tuple[str, str, Shape, Shape]] = [
        ("query_dense", "query", (query[-1],), (heads, key_dim)),
        ("key_dense", "key", (key[-1],), (heads, key_dim)),
        ("value_dense", "value", (value[-1],), (heads, value_dim)),
        ("output_dense", "attention_output", (heads, value_dim), tuple(features)),
    ]
    if site.get("use_gate"):
        parts.insert(2, ("_gate_dense", "gate", (query[-1],), (heads, value_dim)))
    return site.built((*query[:-1], *features), *_projections(site, parts))


@rule("GroupQueryAttention", "GroupedQueryAttention")
def grouped_query_attention(site: Site) -> Built | None:
    roles = None if _returns_scores(site) else _roles(site)
    if roles is None:
        return None
    site.need_rank(3, "batch, length, features")
    query, value, key = roles
    if query[-1] != value[-1]:
        raise site.refused(f"GroupQueryAttention needs a query and a value of the same features, and gets {site.shown}")
    heads, groups, size = site.get("num_query_heads"), site.get("num_key_value_heads"), site.get("head_dim")
    parts: list[tuple[str, str, Shape, Shape]] = [
        ("_query_dense", "query", (query[-1],), (heads, size)),
        ("_key_dense", "key", (key[-1],), (groups, size)),
        ("_value_dense", "value", (value[-1],), (groups, size)),
        ("_output_dense", "attention_output", (heads, size), (query[-1],)),
    ]
    if site.get("use_gate"):
        parts.insert(2, ("_gate_dense", "gate", (query[-1],), (heads, size)))
    return site.built(query, *_projections(site, parts))


def _projections(site: Site, parts: list[tuple[str, str, Shape, Shape]]) -> Iterator[Variable]:
    """Kernel and bias of each inner EinsumDense, from its attribute and the sizes that go in and out."""
    for attribute, _, inputs, outputs in parts:
        yield site.variable(0, "kernel", (*inputs, *outputs)).below(attribute)
        if site.layer.config.get("use_bias", True):
            yield site.variable(1, "bias", outputs).below(attribute)


Roles = tuple[Shape, Shape, Shape]


def _roles(site: Site) -> Roles | None:
    """The shapes of query, value and key, which is the value where it is not given; None for a call that lacks one.

    The flat inputs come in the order of the arguments as they were passed, keyword arguments (masks, too) by sorted name.
    """
    positional = zip(("query", "value", "key"), site.call.args, strict=False)
    names = [name for name, value in positional if isinstance(value, TensorRef)]
    names += [name for name in sorted(site.call.kwargs) if isinstance(site.call.kwargs[name], TensorRef)]
    shapes = {name: tensor.shape for name, tensor in zip(names, site.inputs, strict=False)}
    if not {"query", "value"} <= set(shapes) or len(names) != len(site.inputs):
        return None
    return shapes["query"], shapes["value"], shapes.get("key", shapes["value"])


def _attended(site: Site) -> Shape:
    count = sum(1 for _ in leaves(site.call.args)) or len(site.inputs)  # masks come in the keyword arguments
    if count not in (2, 3):
        raise site.refused(f"{site.class_name} takes a query, a value and perhaps a key, not {count} inputs")
    query, value, *keys = (tensor.shape for tensor in site.inputs[:count])
    key = keys[0] if keys else value
    # Keras 3.15 builds the layer all the same, and cannot call it.
    pairs = [(query[-1], key[-1], "query and a key of the same features")]
    if min(len(key), len(value)) > 2:
        pairs.append((key[-2], value[-2], "key and a value of the same length"))
    for one, other, what in pairs:
        if None not in (one, other) and one != other:
            raise site.refused(f"{site.class_name} needs a {what}, and gets {site.shown}")
    return (*query[:-1], value[-1])


def _is_concat(site: Site) -> bool:
    return bool(site.get("score_mode") == "concat")


def _returns_scores(site: Site) -> bool:
    return bool(site.call.kwargs.get("return_attention_scores"))
