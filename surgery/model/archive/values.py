"""The values of a model's variables, left in their file until somebody looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from surgery.model.archive.checksum import Checksum
from surgery.model.archive.container import WEIGHTS, Container
from surgery.model.archive.ranges import Range
from surgery.model.archive.unpacking import unpack
from surgery.model.hdf5 import Block, as_declared, item_bytes, map_block, open_file

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Conversion(Protocol):
    """Arrays of an old file as one variable of Keras 3. It tells the shape without touching a number."""

    def shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]: ...

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable's values are: datasets, and what an old Keras' layout needs done to them."""

    blocks: tuple[Block, ...]
    convert: Conversion | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        shapes = [block.shape for block in self.blocks]
        return self.convert.shape(shapes) if self.convert else shapes[0]

    @property
    def dtype(self) -> str:
        return self.blocks[0].dtype


class Values(Protocol):
    """Variables by (layer path, key): what the writer asks for them."""

    def __getitem__(self, variable: tuple[str, str], /) -> NDArray[Any]: ...


class WeightValues(Mapping[tuple[str, str], "NDArray[Any]"]):
    """`values[layer_path, key]`: read-only arrays over the pages of the file. Use it as a context manager.

    What was made of the values counts once they are closed: by then the whole member was compared with its checksum. A dataset that
    is chunked or compressed is unpacked when it is asked for; Keras writes none.
    """

    def __init__(self, container: Container, places: Mapping[tuple[str, str], Place], compare: bool = True) -> None:
        self._container, self._places = container, places
        self._file: Any = None
        is_summed = compare and container.weights is not None and container.checksum is not None
        self._checksum = Checksum(container.weights) if is_summed and container.weights else None

    def __getitem__(self, variable: tuple[str, str]) -> NDArray[Any]:
        place = self._places[variable]
        arrays = [as_declared(self._stored(block), block.dtype) for block in place.blocks]
        array = place.convert(*arrays) if place.convert else arrays[0]
        array.flags.writeable = False
        return array

    def range_of(self, variable: tuple[str, str]) -> Range | None:
        """Where the bytes of a variable are; None when they are not one piece of the file that is the value as it stands."""
        place, member = self._places[variable], self._container.weights
        (block, *others) = place.blocks
        if others or place.convert or block.offset is None or not block.size or member is None:
            return None
        item = item_bytes(block.stored_as)
        kind = (block.shape, f"{block.dtype} {block.stored_as}")
        return Range(member.descriptor, member.start + block.offset, block.size * item, item, kind, self._checksum)

    def __contains__(self, variable: object) -> bool:
        return variable in self._places

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(compare=kind is None)

    def close(self, *, compare: bool = True) -> None:
        """Closes the file. Arrays that were handed out stay valid.

        Args:
            compare: Whether what was made of the values is to be kept.

        Raises:
            FileUnreadable: the checksum of the weights says that they are damaged.
        """
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            if compare:
                self.compare()
        finally:
            self._checksum = None
            self._container.close()

    def compare(self) -> None:
        """Compares the whole member with its checksum, whatever of it was read.

        Raises:
            FileUnreadable: the weights are damaged.
        """
        if self._checksum is not None and self._container.checksum is not None:
            self._checksum.compare(self._container.checksum, self._container.path, WEIGHTS)

    def _stored(self, block: Block) -> NDArray[Any]:
        member = self._container.weights
        if member is None:
            raise ValueError("the file is closed")
        if block.offset is not None or not block.size:
            return map_block(member.descriptor, member.start, block)
        if self._file is None:
            self._file = open_file(member, str(self._container.path))
        return unpack(self._file[block.path], member, block, str(self._container.path))
