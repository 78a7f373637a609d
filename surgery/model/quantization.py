"""Quantized layers: what `Model.quantize` of Keras 3.15 makes of a layer, and what a file has of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from surgery.errors import GraphUnsupported
from surgery.model.spec import LayerSpec, WeightSpec
from surgery.model.weights import Stored

_FLOAT8 = ("inputs", "kernel", "outputs_grad")


def quantization(layer: LayerSpec) -> str | None:
    """The mode in which a layer is quantized: `int8`, `int4`, `float8`, `gptq` or `awq`; None where it is not."""
    dtype = layer.config.get("dtype")
    inside = dtype.get("config") if isinstance(dtype, Mapping) else None
    mode = inside.get("mode") if isinstance(inside, Mapping) else None
    if isinstance(dtype, str) and "_from_" in dtype:
        mode = dtype
    return None if mode is None else str(mode).split("_from_")[0].split("/")[0].lower()


def variable_names(mode: str, plain: list[str], count: int) -> list[str] | None:
    """What the variables of a quantized layer are called, in the order of a file; None where there cannot be that many.

    Args:
        mode: How the layer is quantized.
        plain: What they would be called without.
        count: How many the file has.
    """
    main, has_bias = plain[0], "bias" in plain
    bias = ["bias"] if has_bias else []
    match mode:
        case "int8" | "int4" if main == "embeddings" and len(plain) == 2:
            names = [main, f"{main}_scale", plain[1], f"{plain[1]}_scale"]
        case "int8":
            names = [main, *bias, f"{main}_scale"]
        case "int4":
            names = [main, *bias, f"{main}_scale", f"{main}_zero", "g_idx"][:count]
        case "float8":
            names = [main, *bias, *(f"{part}_{kind}" for part in _FLOAT8 for kind in ("scale", "amax_history"))]
        case "gptq" | "awq":
            more = ["awq_scales"] if mode == "awq" else []
            names = [*bias, "quantized_kernel", "kernel_scale", "kernel_zero", *more, "g_idx"]
        case _:
            return None
    return names if len(names) == count else None


def not_quantized(layer: LayerSpec) -> LayerSpec:
    """The layer as its config describes it without quantization."""
    config: dict[str, Any] = {**layer.config, "quantization_config": None}
    dtype = config.get("dtype")
    if isinstance(dtype, Mapping):
        config["dtype"] = dtype.get("config", {}).get("source_name") or "float32"
    elif isinstance(dtype, str):
        config["dtype"] = dtype.rpartition("_from_")[2]
    return replace(layer, config=config)


def breaks_quantization(layer: LayerSpec, weight: WeightSpec) -> bool:
    """Whether a variable of a quantized layer is to be made, cut or mixed: the numbers mean nothing without their scales, and new ones
    are zeros, so that only whole variables of a file can be kept."""
    mode = quantization(layer)
    first = next((own for own in layer.weights if own.name != "bias"), None)  # one of them tells enough
    return mode not in (None, "float8") and weight is first and not isinstance(weight.source, Stored)


def broken_quantization(path: str, layer: LayerSpec, weight: WeightSpec) -> GraphUnsupported:
    """The error for such a variable."""
    mode = quantization(layer)
    return GraphUnsupported(
        f"after it the {weight.name} of '{path}', which is quantized ({mode}), would be made anew, cut or mixed: its numbers "
        "mean nothing without their scales, and Keras begins both with zeros and ones",
        expected="all weights of a quantized layer as they are in a file, or a layer that is not quantized",
        fix=plain_layer(path, layer),
    )


def plain_layer(path: str, layer: LayerSpec, dtype: str = "float32") -> str:
    """The operation that puts a new layer that is not quantized in the place of one that is."""
    return f"{{op: replace, layers: {path}, with: [{{{layer.class_name}: {{inherit: true, dtype: {dtype}}}}}], weights: fresh}}"
