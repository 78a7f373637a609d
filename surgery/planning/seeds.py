"""Every random choice follows from the recipe's seed and from what the choice is for, never from the order of choices."""

from __future__ import annotations

import hashlib


def derived(seed: int, *purpose: str | int) -> int:
    """A seed of 31 bits for one purpose: a layer's path, a stage and an epoch."""
    text = "\x1f".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


def layer_seed(seed: int, path: str) -> int:
    """The seed of a layer's fresh weights."""
    return derived(seed, "weights", path)
