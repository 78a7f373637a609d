"""Rules of the core layers."""

from __future__ import annotations

from dataclasses import replace

from surgery.model.shapes.einsum import EinsumShapes, analyze
from surgery.model.shapes.rules import Built, Site, Variable, rule
from surgery.model.spec import TensorSpec


@rule("InputLayer")
def input_layer(site: Site) -> Built | None:
    shape = site.layer.config.get("batch_shape") or site.layer.config.get("batch_input_shape")
    if shape is None:
        return None
    return Built((TensorSpec(tuple(shape), site.get("dtype", "float32")),))


@rule("Dense")
def dense(site: Site) -> Built | None:
    site.need_rank(2, "batch, ..., features", at_least=True)
    features = site.need_known(-1, "features")
    units = site.get("units")
    kernel = site.variable(0, "kernel", (features, units))
    bias = site.variable(1, "bias", (units,)) if site.layer.config.get("use_bias", True) else None
    return site.built((*site.shape[:-1], units), *with_lora(site, kernel), bias)


@rule("EinsumDense")
def einsum_dense(site: Site) -> Built | None:
    shapes = einsum_shapes(site)
    kernel = site.variable(0, "kernel", shapes.kernel)
    bias = None if shapes.bias is None else site.variable(1, "bias", shapes.bias)
    return site.built(shapes.output, *with_lora(site, kernel), bias)


def einsum_shapes(site: Site) -> EinsumShapes:
    """The shapes that an EinsumDense's equation gives."""
    given = site.get("output_shape")
    output = [given] if isinstance(given, int) else list(given)
    try:
        return analyze(site.get("equation"), site.get("bias_axes"), site.shape, output)
    except ValueError as error:
        raise site.refused(f"EinsumDense {site.get('equation')!r} cannot take {site.shown}: {error}") from error


@rule("Embedding")
def embedding(site: Site) -> Built | None:
    rows, columns = site.get("input_dim"), site.get("output_dim")
    return site.built((*site.shape, columns), *with_lora(site, site.variable(0, "embeddings", (rows, columns))))


@rule("ReversibleEmbedding")
def reversible_embedding(site: Site) -> Built | None:
    if site.get("lora_rank") or site.call.kwargs.get("reverse"):
        return None
    rows, columns = site.get("input_dim"), site.get("output_dim")
    back = None
    if not site.layer.config.get("tie_weights", True):
        back = site.variable(1, "reverse_embeddings", (columns, rows), "embeddings_initializer")
    return site.built((*site.shape, columns), site.variable(0, "embeddings", (rows, columns)), back)


@rule("Identity", "Masking")
def unchanged(site: Site) -> Built:
    dtype = site.carried() if site.class_name == "Identity" else None
    return site.built(site.shape, dtype=dtype)


def with_lora(site: Site, kernel: Variable) -> tuple[Variable, ...]:
    """The kernel, and with LoRA its two halves beside it, in float32; then the kernel itself is not trained. Keras 3.15."""
    rank = site.get("lora_rank")
    if not rank:
        return (kernel,)
    first, second = (f"lora_{kernel.name}_{half}" for half in "ab")
    return (
        replace(kernel, trainable=False),
        Variable(first, first, (*kernel.shape[:-1], rank), "float32", True, "HeUniform", is_stored=False),
        Variable(second, second, (rank, kernel.shape[-1]), "float32", True, "Zeros", is_stored=False),
    )
