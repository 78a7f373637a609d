"""LoRA on a live model, where Keras 3.15 does less than a recipe asks for.

Keras keeps no adapter in a file: it adds the two halves to the kernel when it saves, and sets both to zero when it loads, from where
no gradient ever moves them. Setting a layer's `trainable` lets its kernel train again. Dense and Embedding forget their
alpha when they are made from a config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HALVES = (("lora_kernel_a", "lora_kernel_b"), ("lora_embeddings_a", "lora_embeddings_b"))
KERNELS = ("_kernel", "_embeddings")


def start(layer: Any, config: Mapping[str, Any], seed: int) -> None:
    """Gives an adapter the values from which it learns: the first half random, the second zero, so that it adds nothing yet."""
    import keras

    if not getattr(layer, "lora_enabled", False):
        return
    for first, second in HALVES:
        if hasattr(layer, first):
            half = getattr(layer, first)
            half.assign(keras.initializers.HeUniform(seed=seed)(tuple(half.shape), half.dtype))
            getattr(layer, second).assign(keras.ops.zeros_like(getattr(layer, second)))
    layer.lora_alpha = config.get("lora_alpha") or layer.lora_rank
    hold_kernel(layer)


def hold_kernel(layer: Any) -> None:
    """Keeps the kernel that an adapter stands beside from training."""
    if getattr(layer, "lora_enabled", False):
        for name in KERNELS:
            if hasattr(layer, name):
                getattr(layer, name).trainable = False
