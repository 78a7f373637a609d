"""Tensors that the agreement tests feed to layers."""

VECTOR = (None, 10)
SEQUENCE = (None, 5, 6)
IMAGE = (None, 9, 8, 4)
VOLUME = (None, 6, 7, 8, 4)
TINY = (2, 2, 2, 2)
UNSIZED = (None, None, None, 4)

BY_RANK = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}
"""An input with that many spatial axes."""

POLICIES = ("float16", "float64", "mixed_float16", "mixed_bfloat16")
