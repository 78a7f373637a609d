"""Where a run computes, and in which precision. Both are as before when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras

from surgery.errors import InvalidValue
from surgery.training.layers import walk
from surgery.training.place import Field


def gpus() -> list[str]:
    """The GPUs that the backend sees, as `gpu:0`."""
    if keras.backend.backend() == "torch":  # of which keras.distribution knows nothing (3.15)
        import torch

        return [f"gpu:{number}" for number in range(torch.cuda.device_count())]
    try:
        return [str(device) for device in keras.distribution.list_devices("gpu")]
    except RuntimeError:  # JAX raises when it knows no such platform
        return []


def resolve(device: str, field: Field = ("training", "device")) -> str:
    """`cpu` or `gpu`: what `auto` means on this machine.

    Raises:
        InvalidValue: A GPU is asked for and there is none.
    """
    found = gpus()
    if device == "auto":
        return "gpu" if found else "cpu"
    if device == "gpu" and not found:
        backend = keras.backend.backend()
        raise InvalidValue(
            f"device: gpu, and {backend} sees no GPU on this machine",
            expected="auto or cpu here; for a GPU its driver, and a backend built for it",
            fix=f"write device: auto, or install the GPU build: pip install '{_gpu_package(backend)}'",
            field=field,
        )
    return device


@contextmanager
def on(device: str) -> Iterator[None]:
    """Builds and trains on `cpu` or `gpu`. Build the model inside it too: variables stay where they were made."""
    needs_scope = device == "cpu" and bool(gpus())
    with keras.device("cpu:0") if needs_scope else nullcontext():
        yield


@contextmanager
def precision(model: Any, policy: str | None) -> Iterator[None]:
    """Computes in a mixed precision: variables stay float32, and so do the layers that make the outputs.

    A saved layer brings its own dtype policy, which the global one does not reach; so each float32 layer is given the
    policy, and gets its own back. The global policy holds for what is made meanwhile.
    """
    if policy in (None, "float32"):
        yield
        return
    before = keras.config.dtype_policy()
    kept = _float32_layers(model)
    keras.config.set_dtype_policy(policy)
    try:
        for layer, _ in kept:
            layer.dtype_policy = policy
        yield
    finally:
        keras.config.set_dtype_policy(before)
        for layer, own in kept:
            layer.dtype_policy = own


def _float32_layers(model: Any) -> list[tuple[Any, Any]]:
    makers = {id(tensor._keras_history.operation) for tensor in keras.tree.flatten(model.outputs)}
    return [
        (layer, layer.dtype_policy)
        for _, layer in walk(model)
        if id(layer) not in makers and getattr(layer.dtype_policy, "name", "") == "float32"
    ]


def _gpu_package(backend: str) -> str:
    return {"tensorflow": "keras-surgery[cuda]", "jax": "jax[cuda12]"}.get(backend, backend)
