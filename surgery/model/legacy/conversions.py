"""Weights that lie in the file in another way than Keras 3 keeps them: Keras 1, Theano, CuDNN.

The facts are those of `preprocess_weights_for_loading` in Keras 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from surgery.model.archive.values import Conversion, Place
from surgery.model.hdf5 import Block
from surgery.model.legacy.h5 import OldFile
from surgery.model.legacy.layout import CudnnBias, CudnnKernel, Joined, Refolded, Reordered

GATES = {"LSTM": (0, 6, 3, 9), "ConvLSTM2D": (0, 6, 3, 9), "GRU": (0, 3, 6)}
"""Where Keras 1 has the kernel of each gate in its flat list, in the order that Keras 2 joins them."""
CUDNN_GATES = {"LSTM": 4, "GRU": 3}
CONVOLUTIONS = frozenset({"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D"})


def convert_weights(class_name: str, config: Mapping[str, Any], blocks: Sequence[Block], file: OldFile) -> list[Place]:
    """The variables of a layer, from its weights in the file.

    Args:
        class_name: Its class in Keras 3.
        config: Its arguments as Keras 3 has them.
        blocks: Its weights, in the order of the file.
        file: What kind of file it is.
    """
    if class_name == "Bidirectional" and blocks:
        half = size_of_forward(config, len(blocks))
        halves = zip(sides(config), (blocks[:half], blocks[half:]), strict=True)
        return [p for side, its in halves for p in convert_weights(side["class_name"], side["config"], its, file)]
    if class_name == "SpectralNormalization" and len(blocks) > 1:
        inner = config["layer"]
        wrapped = convert_weights(inner["class_name"], inner["config"], blocks[:-1], file)
        return [wrapped[0], Place((blocks[-1],)), *wrapped]  # Keras 3 keeps the kernel in both places
    if class_name in CUDNN_GATES and _is_cudnn(CUDNN_GATES[class_name], blocks):
        return _cudnn(class_name, blocks)
    if file.is_keras_1 and len(blocks) == 3 * len(GATES.get(class_name, ())):
        return _gates(class_name, blocks, is_first=config.get("data_format") == "channels_first")
    if file.is_keras_1 and class_name == "SeparableConv2D" and config.get("data_format") == "channels_first":
        return [Place((block,), Reordered((2, 3, 1, 0)) if len(block.shape) == 4 else None) for block in blocks]
    places = [Place((block,), refolded(class_name, config)) for block in blocks]
    if not blocks or class_name not in CONVOLUTIONS:
        return places
    kernel = _keras_1_kernel(class_name, config, blocks[0]) if file.is_keras_1 else None
    if not file.is_keras_1 and file.backend == "theano":
        kernel = _turned(blocks[0])
    return [Place((blocks[0],), kernel), *places[1:]] if kernel else places


def refolded(class_name: str, config: Mapping[str, Any]) -> Conversion | None:
    """Over axes in another order, Keras 2 folded the weights of a LayerNormalization into the order of its input's."""
    axes = config.get("axis")
    if class_name != "LayerNormalization" or not isinstance(axes, list) or axes == sorted(axes):
        return None
    return Refolded(tuple(sorted(range(len(axes)), key=axes.__getitem__)))


def sides(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The layers of a Bidirectional; the one that reads backwards is like the other where the config has none."""
    return config["layer"], config.get("backward_layer") or config["layer"]


def size_of_forward(config: Mapping[str, Any], count: int) -> int:
    """How many of the weights of a Bidirectional are those of its first layer."""
    forward, backward = (size_of(side) for side in sides(config))
    return forward if forward + backward == count else count // 2


def size_of(layer: Mapping[str, Any]) -> int:
    """How many weights a recurrent layer or a cell has since Keras 2."""
    config = layer["config"]
    inside = config.get("cells") or ([config["cell"]] if isinstance(config.get("cell"), Mapping) else [])
    return sum(map(size_of, inside)) if inside else 2 + bool(config.get("use_bias", True))


def _is_cudnn(gates: int, blocks: Sequence[Block]) -> bool:
    """CuDNN alone has two biases end to end."""
    return len(blocks) == 3 and blocks[2].shape == (2 * gates * blocks[1].shape[0],)


def _cudnn(class_name: str, blocks: Sequence[Block]) -> list[Place]:
    gates = CUDNN_GATES[class_name]
    conversions: tuple[Conversion, ...] = (
        CudnnKernel(gates, is_input=True),
        CudnnKernel(gates, is_input=False),
        CudnnBias(is_summed=class_name == "LSTM"),
    )
    return [Place((block,), conversion) for block, conversion in zip(blocks, conversions, strict=True)]


def _gates(class_name: str, blocks: Sequence[Block], is_first: bool) -> list[Place]:
    """The three variables of a recurrent layer. The kernels of a ConvLSTM2D have the filters first where channels come first."""
    order = GATES[class_name]
    parts = [tuple(blocks[at + part] for at in order) for part in range(3)]
    return [Place(part, Joined((2, 3, 1, 0) if is_first and len(part[0].shape) == 4 else ())) for part in parts]


def _keras_1_kernel(class_name: str, config: Mapping[str, Any], block: Block) -> Conversion | None:
    """How Keras 1 kept a kernel: with Theano's order of axes the filters came first."""
    is_first = config.get("data_format") == "channels_first"
    rank = len(block.shape)
    if class_name == "Conv1D" and rank == 4:
        is_new = block.shape[:2] == (_length(config), 1) and block.shape[3] == config.get("filters")
        return Reordered((0, 1, 2, 3), (1,)) if is_new else Reordered((2, 3, 1, 0), (1,))
    if class_name == "Conv2D" and is_first and rank == 4:
        return Reordered((2, 3, 1, 0))
    if class_name == "Conv2DTranspose" and rank == 4:
        return Reordered((2, 3, 0, 1)) if is_first else Reordered((0, 1, 3, 2))
    if class_name == "Conv3D" and is_first and rank == 5:
        return Reordered((2, 3, 4, 1, 0))
    return None


def _length(config: Mapping[str, Any]) -> Any:
    size = config.get("kernel_size")
    return size[0] if isinstance(size, list | tuple) else size


def _turned(block: Block) -> Conversion | None:
    """Theano turned kernels around before it multiplied."""
    rank = len(block.shape)
    return Reordered(tuple(range(rank)), flipped=tuple(range(rank - 2))) if rank > 2 else None
