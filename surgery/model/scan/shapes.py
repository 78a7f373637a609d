"""How many values a config makes Keras allocate, compared with how many the file has: a small file may not fill memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from surgery.errors import SurgeryError
from surgery.model.scan import limits
from surgery.model.scan.classes import Config, Object
from surgery.model.scan.hdf5_walk import Description
from surgery.model.scan.rule import Found, joined, rule

FAMILY = "shapes"

Sizes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A config together with the description of its weights."""

    config: Config
    weights: Description

    @property
    def stored(self) -> int:
        return sum(entry.elements for entry in self.weights.entries if entry.kind == "dataset")


@rule("shape-bomb", FAMILY)
def shape_bomb(model: Model) -> Found:
    """The layers of the config need far more values than the file stores. Keras allocates them all before it looks at the
    weights: 17 kB with `units: 100000000` cost 6.9 GB."""
    allowed = limits.SLACK_ELEMENTS + limits.STORED_FACTOR * model.stored
    total = 0
    for found, elements in _declared(model.config):
        total += elements
        if total > allowed:
            yield found.path, f"{found} and what comes before it need {total} values; the file stores {model.stored}"
            return


@rule("shape-bomb-by-inputs", FAMILY)
def bomb_by_inputs(model: Model) -> Found:
    """The shapes that follow from the model's inputs make layers far larger than the file stores, although what the config says
    about each layer alone does not show it."""
    needed = _proved(model.config)
    if needed > limits.SLACK_ELEMENTS + limits.STORED_FACTOR * model.stored:
        yield "$", f"the layers need {needed} values from these inputs; the file stores {model.stored}"


def _proved(config: Config) -> int:
    """How many values the layers have when shapes are computed from the inputs on; 0 where they cannot be.

    A graph that the static rules cannot follow is none that they could call too large; the other rules still hold.
    """
    from surgery.model.config import from_config
    from surgery.model.prove import prove

    try:
        model = from_config(config.value)
        return prove(model, again=True, lenient=True).parameters
    except (SurgeryError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return 0


@rule("shape-odd", FAMILY)
def odd_shape(model: Model) -> Found:
    """A size that is negative, fractional or no number where a layer takes a number of units, filters or words."""
    for found in model.config.objects:
        for key in _SIZES if isinstance(found.name, str) and found.name in _ELEMENTS else ():
            value = found.config.get(key)
            if not (value is None or _is_size(value) or isinstance(value, list)):
                yield joined(joined(found.path, "config"), key), f"{found} with a {key} that is no size"


def _is_size(value: object) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool) and value >= 0  # type: ignore[operator]


def _declared(config: Config) -> Iterator[tuple[Object, int]]:
    """At least how many values each layer has, shared layers once."""
    shared: set[Any] = set()
    for found in config.objects:
        count = _ELEMENTS.get(found.name) if isinstance(found.name, str) else None
        identity = found.data.get("shared_object_id") if found.module is not None else None
        if count is None or (identity is not None and repr(identity) in shared):
            continue
        shared.add(repr(identity))
        yield found, max(0, count(found.config, _input_size(found)))


def _input_size(found: Object) -> int:
    """The last axis of the input that the layer was built for; 1 where the config does not say."""
    build = found.data.get("build_config")
    shape = build.get("input_shape", build.get("query_shape")) if isinstance(build, dict) else None
    axes = [axis for axis in shape if _is_size(axis)] if isinstance(shape, list) else []
    return int(axes[-1]) if axes else 1


def _size(config: Sizes, *keys: str) -> int:
    """The first of the sizes that the config has; 1 without any."""
    for key in keys:
        value: Any = config.get(key)
        if _is_size(value):
            return int(value)
        if isinstance(value, list):
            return math.prod(int(axis) for axis in value if _is_size(axis) and axis)
    return 1


def _dense(config: Sizes, inputs: int) -> int:
    return inputs * _size(config, "units", "output_shape", "output_dim")


def _convolution(config: Sizes, inputs: int) -> int:
    groups = max(1, _size(config, "groups"))
    return _size(config, "kernel_size", "filter_length") * _size(config, "filters", "nb_filter") * inputs // groups


def _depthwise(config: Sizes, inputs: int) -> int:
    depth = inputs * _size(config, "depth_multiplier")
    return depth * _size(config, "kernel_size") + depth * _size(config, "filters")


def _embedding(config: Sizes, inputs: int) -> int:
    return _size(config, "input_dim") * _size(config, "output_dim")


def _recurrent(gates: int) -> Callable[[Sizes, int], int]:
    def count(config: Sizes, inputs: int) -> int:
        units = _size(config, "units", "output_dim")
        return gates * units * (units + inputs)

    return count


def _recurrent_convolution(config: Sizes, inputs: int) -> int:
    filters = _size(config, "filters")
    return 4 * _size(config, "kernel_size") * filters * (filters + inputs)


def _attention(config: Sizes, inputs: int) -> int:
    heads = _size(config, "num_heads", "num_query_heads")
    return 2 * heads * _size(config, "key_dim", "head_dim") * inputs


def _per_channel(config: Sizes, inputs: int) -> int:
    return inputs


def _spectrogram(config: Sizes, inputs: int) -> int:
    return _size(config, "frame_length", "sequence_length") * max(
        _size(config, "fft_length"), _size(config, "num_mel_bins")
    )


_CONVOLUTIONS = [
    f"{kind}{rank}D{end}" for kind in ("Conv", "Convolution") for rank in (1, 2, 3) for end in ("", "Transpose")
]

_ELEMENTS: Mapping[str, Callable[[Sizes, int], int]] = {
    "Dense": _dense,
    "EinsumDense": _dense,
    "Embedding": _embedding,
    "ReversibleEmbedding": _embedding,
    "LSTM": _recurrent(4),
    "LSTMCell": _recurrent(4),
    "CuDNNLSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "GRUCell": _recurrent(3),
    "CuDNNGRU": _recurrent(3),
    "SimpleRNN": _recurrent(1),
    "SimpleRNNCell": _recurrent(1),
    "MultiHeadAttention": _attention,
    "GroupQueryAttention": _attention,
    "BatchNormalization": _per_channel,
    "LayerNormalization": _per_channel,
    "GroupNormalization": _per_channel,
    "RMSNormalization": _per_channel,
    "STFTSpectrogram": _spectrogram,
    "MelSpectrogram": _spectrogram,
    **{f"ConvLSTM{rank}D": _recurrent_convolution for rank in (1, 2, 3)},
    **{
        f"{kind}{rank}D": _depthwise
        for kind in ("DepthwiseConv", "SeparableConv", "SeparableConvolution")
        for rank in (1, 2)
    },
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
}

_SIZES = ("units", "filters", "input_dim", "output_dim", "num_heads", "num_query_heads", "key_dim", "head_dim")
