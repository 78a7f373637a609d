"""Writing `model.weights.h5`: the tree of headers through HDF5, then each variable's bytes straight to their place.

HDF5 lays the file out with every dataset allocated and none filled. The bytes then go to the offsets that it gave, in
slices, in the order of the file, and the checksum of the whole is taken on the way: one pass over the values, a few
megabytes of memory, and no byte that depends on anything but the content.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from surgery.errors import PromiseBroken
from surgery.model.archive.groups import groups_of
from surgery.model.archive.values import Values
from surgery.model.archive.zipping import ALIGNMENT, write_at
from surgery.model.hdf5 import Member, forget, numpy_dtype
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec
from surgery.model.weights import shape_text

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

SLICE = 4 * 2**20


class WritableMember(Member):
    """The end of an open file, as a file of its own that HDF5 writes to.

    An error of the disk is kept until HDF5 has closed the file: raised from inside HDF5 it would come out as another one.
    """

    error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._try(write_at, self.descriptor, view, self.start + self._position)
        self._position += len(view)
        self.size = max(self.size, self._position)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        self._try(os.ftruncate, self.descriptor, self.start + self.size)
        return self.size

    def _try(self, write: Callable[..., None], *arguments: Any) -> None:
        if self.error is None:
            try:
                write(*arguments)
            except OSError as error:
                self.error = error


@dataclass(frozen=True, slots=True)
class Slot:
    """A variable of the result, and where its bytes go in the HDF5 file."""

    path: str
    weight: WeightSpec
    offset: int


def write_weights(descriptor: int, start: int, spec: ModelSpec, values: Values) -> tuple[int, int]:
    """Writes the HDF5 file at `start` of an open file.

    Args:
        descriptor: The open file.
        start: Where the HDF5 file begins in it.
        spec: The model, its layers in the order that Keras will have.
        values: The value of every variable, by layer path and key.

    Returns:
        Its size and its CRC-32.

    Raises:
        PromiseBroken: a value is missing, or has another shape or dtype than the model says.
    """
    member = WritableMember(descriptor, start, 0)
    slots = sorted(_lay_out(member, spec), key=lambda slot: slot.offset)
    if member.error is not None:
        raise member.error
    checksum, position = 0, 0
    for slot in slots:
        checksum = _checksum(member, position, slot.offset, checksum)
        array = _value(slot, values)
        checksum = _write(array, descriptor, start + slot.offset, checksum)
        position = slot.offset + array.nbytes
        del array
    return member.size, _checksum(member, position, member.size, checksum)


def _lay_out(member: WritableMember, spec: ModelSpec) -> list[Slot]:
    import h5py

    slots: list[Slot] = []
    options = {"libver": "earliest", "alignment_threshold": 4096, "alignment_interval": ALIGNMENT}
    with h5py.File(member, "w", **options) as file:
        _vars(file, spec.name)
        file.create_group("layers")
        for path, group in groups_of(spec):
            layer = spec[path]
            made = file.create_group(group)
            _vars(made, layer.name)
            slots += _datasets(made, path, layer)
    return slots


def _vars(group: h5py.Group, name: str) -> None:
    """Keras keeps a layer's name here, and does not look at it when it loads."""
    import numpy as np

    group.create_group("vars").attrs.create("name", np.bytes_(name.encode()))


def _datasets(group: h5py.Group, path: str, layer: LayerSpec) -> list[Slot]:
    from h5py import h5d, h5p, h5s, h5t

    slots = []
    for weight in () if layer.inner else (weight for weight in layer.weights if weight.is_stored):
        inside, _, key = weight.key.rpartition("/")
        place = group.require_group(inside) if inside else group
        plan = h5p.create(h5p.DATASET_CREATE)
        plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5d.FILL_TIME_NEVER)
        plan.set_obj_track_times(False)
        kind = h5t.py_create(stored_dtype(weight.dtype), logical=True)
        space = h5s.create_simple(weight.shape) if weight.shape else h5s.create(h5s.SCALAR)
        dataset = h5d.create(place.id, key.encode(), kind, space, plan)
        if weight.dtype == "bfloat16":
            place[key].attrs.create("dtype", "bfloat16")
        if weight.size:
            slots.append(Slot(path, weight, int(dataset.get_offset())))
    return slots


def stored_dtype(dtype: str) -> np.dtype[Any]:
    """Little-endian numbers; bfloat16 as two opaque bytes, as Keras stores it."""
    import numpy as np

    return np.dtype("V2") if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<")


def _value(slot: Slot, values: Values) -> NDArray[Any]:
    """The value of a variable, as bytes in the order of the file."""
    import numpy as np

    weight = slot.weight
    try:
        array = np.asarray(values[slot.path, weight.key])
    except KeyError:
        raise PromiseBroken(f"the variable {weight.key} of '{slot.path}' has no value") from None
    if array.shape != weight.shape or array.dtype.newbyteorder("=") != numpy_dtype(weight.dtype):
        raise PromiseBroken(
            f"the value of {weight.key} of '{slot.path}' is {array.dtype} {shape_text(array.shape)}, "
            f"and the model says {weight.dtype} {shape_text(weight.shape)}"
        )
    if weight.dtype == "bfloat16":
        return np.ascontiguousarray(array).view("V2")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _write(array: NDArray[Any], descriptor: int, offset: int, checksum: int) -> int:
    """Writes an array in slices, and lets go of the source's pages behind it."""
    import numpy as np

    data = array.reshape(-1).view(np.uint8).data
    for begin in range(0, len(data), SLICE):
        part = data[begin : begin + SLICE]
        write_at(descriptor, part, offset + begin)
        checksum = zlib.crc32(part, checksum)
        forget(array)
    return checksum


def _checksum(member: Member, begin: int, end: int, checksum: int) -> int:
    """The CRC-32 carried on over bytes that are in the file already."""
    while begin < end:
        data = os.pread(member.descriptor, min(SLICE, end - begin), member.start + begin)
        checksum, begin = zlib.crc32(data, checksum), begin + len(data)
    return checksum
