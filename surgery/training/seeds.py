"""Every random choice of a run follows from the recipe's seed."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np

from surgery.planning.seeds import derived
from surgery.training.layers import walk


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and the backend, and asks the backend for deterministic operations.

    TensorFlow and Torch keep to deterministic operations until the process ends. XLA reads its flags once, when JAX or
    TensorFlow starts its devices; cuBLAS, which Torch uses, its variable when it starts. JAX has nothing else to ask for: what it
    compiles for a CPU is deterministic, and its random numbers follow from the layers' own seeds.
    """
    os.environ["TF_DETERMINISTIC_OPS"] = "1"
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_gpu_deterministic_ops=true".strip()
    keras.utils.set_random_seed(seed % 2**32)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


class Given(int):
    """A seed that a generator was given here; its layer's config has none."""


def reseed_layers(model: Any, seed: int, stage: str) -> None:
    """Gives each random layer (Dropout, augmentation) the state that belongs to it in this stage.

    So a stage depends on the weights that it starts from, the seed and its name, not on what ran in the process before.
    A layer whose config has a seed of its own starts from that one, as in Keras.
    """
    for path, layer in walk(model):
        for index, generator in enumerate(layer._seed_generators):
            own = generator._initial_seed
            value = derived(seed, "layer", stage, path, index) if own is None or isinstance(own, Given) else own
            generator.state.assign(np.array([value % 2**32, 0], dtype=generator.state.dtype))
            if keras.backend.backend() == "torch" and own is None:
                # There a Dropout whose config has no seed would draw from the process, not from its generator (Keras 3.15).
                generator._initial_seed = Given(value % 2**32)


def cannot_repeat(device: str, streams: bool) -> tuple[str, ...]:
    """What bit-identical repetition does not cover, in sentences for the report.

    Args:
        device: `cpu` or `gpu`.
        streams: Whether some of the data comes from a factory as `tf.data` or `PyDataset`.
    """
    notes = [
        "Weights repeat bit by bit with the same package versions, processor, instruction set and number of threads.",
    ]
    if device == "gpu":
        notes.append(
            "On a GPU they repeat on the same model and driver only; an operation without a deterministic kernel fails."
        )
    if streams:
        notes.append("The order of data that a factory streams is the factory's own.")
    return tuple(notes)
