"""How old weights become variables of Keras 3: their order in a layer, and for Keras 1 their axes.

Each conversion is a value that tells the shape of its result without touching a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from surgery.model.archive.values import Conversion

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reordered:
    """Other axes, some of them turned around: Theano convolves where TensorFlow correlates."""

    axes: tuple[int, ...]
    dropped: tuple[int, ...] = ()
    """Axes of length 1 that go, after the axes are in order."""
    flipped: tuple[int, ...] = ()

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        moved = [shapes[0][axis] for axis in self.axes]
        return tuple(n for axis, n in enumerate(moved) if axis not in self.dropped)

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        array = np.transpose(arrays[0], self.axes)
        array = np.flip(array, self.flipped) if self.flipped else array
        return np.squeeze(array, self.dropped) if self.dropped else array


@dataclass(frozen=True, slots=True)
class Refolded:
    """The same numbers in the same order, folded into axes that have another one."""

    axes: tuple[int, ...]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        return tuple(shapes[0][axis] for axis in self.axes)

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        return arrays[0].reshape(self.shape([arrays[0].shape]))


@dataclass(frozen=True, slots=True)
class Joined:
    """Arrays side by side along the last axis: Keras 1 kept one for each gate."""

    axes: tuple[int, ...] = ()
    """The order of axes that each gets before."""

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        moved = [tuple(shape[axis] for axis in self.axes) if self.axes else shape for shape in shapes]
        return (*moved[0][:-1], sum(shape[-1] for shape in moved))

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        return np.concatenate([np.transpose(array, self.axes) if self.axes else array for array in arrays], axis=-1)


@dataclass(frozen=True, slots=True)
class CudnnKernel:
    """A kernel of CuDNN: each gate's block is the transpose of what Keras' own layers have."""

    gates: int
    is_input: bool
    """Input kernels are kept in the other memory order as well."""

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        return shapes[0]

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        import numpy as np

        blocks = np.hsplit(arrays[0], self.gates)
        turned = [block.T.reshape(block.shape, order="F") if self.is_input else block.T for block in blocks]
        return np.hstack(turned)


@dataclass(frozen=True, slots=True)
class CudnnBias:
    """The two biases of CuDNN: added up for an LSTM, side by side for a GRU with `reset_after`."""

    is_summed: bool

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        half = shapes[0][0] // 2
        return (half,) if self.is_summed else (2, half)

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        halves = arrays[0].reshape(2, -1)
        return halves.sum(axis=0, dtype=halves.dtype) if self.is_summed else halves


@dataclass(frozen=True, slots=True)
class Scaled:
    """Some of the gates that lie side by side along the last axis, times a factor; rounded once."""

    convert: Conversion | None
    """What brings the arrays into the layout of Keras 3 first."""
    gates: int
    which: tuple[int, ...]
    factor: float

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        return self.convert.shape(shapes) if self.convert else shapes[0]

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]:
        array = self.convert(*arrays) if self.convert else arrays[0]
        values = array.astype("float64").reshape(*array.shape[:-1], self.gates, -1)
        values[..., list(self.which), :] *= self.factor
        return values.reshape(array.shape).astype(array.dtype)
