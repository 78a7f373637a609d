"""Where TensorFlow cannot compute with 16-bit floats."""

from __future__ import annotations

import os

import pytest

LIMIT = os.environ.get("ONEDNN_MAX_CPU_ISA")

halves = pytest.mark.skipif(
    LIMIT is not None and "FP16" not in LIMIT.upper(),
    reason=f"ONEDNN_MAX_CPU_ISA={LIMIT} takes 16-bit floats from oneDNN, and TensorFlow 2.21, which asks the processor, ends the "
    "process; plain Keras does, too",
)
"""For tests that train in mixed_float16 or mixed_bfloat16 on TensorFlow."""
