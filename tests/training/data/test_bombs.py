"""Files of data that say they are far more than they are: an error with the file's name, soon and in little memory."""

from __future__ import annotations

import io
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from surgery.errors import DataInvalid, FileUnreadable
from surgery.training.data.csv_file import LONGEST_LINE, CsvFile
from surgery.training.data.image_folder import ImageFolder, pixels_of
from surgery.training.data.npz_file import NpzFile

pytestmark = pytest.mark.keras


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Each ends within seconds and takes less than 300 MiB more than there was."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10
    assert time.process_time() - began < 10


def npz(folder: Path, data: bytes, compression: int = zipfile.ZIP_STORED) -> NpzFile:
    with zipfile.ZipFile(folder / "a.npz", "w", compression) as archive:
        archive.writestr("x.npy", data)
    return NpzFile(folder / "a.npz")


def npy(header: str, data: bytes = b"", length: int | None = None) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text) if length is None else length) + text + data


def described(shape: str, dtype: str = "<f4") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "shape",
    [f"({2**64},)", f"({2**63},)", f"({2**32}, {2**32})", "(-1,)", "(-2, -2)", "(5,)", "(3,)", f"({'1, ' * 40})"],
)
def test_shape_that_the_file_does_not_hold(tmp_path: Path, shape: str, compression: int) -> None:
    file = npz(tmp_path, npy(described(shape), bytes(16)), compression)
    with pytest.raises(FileUnreadable, match=r"'x' in a\.npz is damaged"):
        file["x"]


@pytest.mark.parametrize("dtype", ["V0", "S0", "|O"])
def test_type_that_has_no_numbers(tmp_path: Path, dtype: str) -> None:
    with pytest.raises((FileUnreadable, DataInvalid), match="'x' in a"):
        npz(tmp_path, npy(described("(4,)", dtype), bytes(16)))["x"]


def test_header_that_would_fill_memory(tmp_path: Path) -> None:
    data = npy(described("(4,)"), bytes(256 << 20), length=250 << 20)
    with pytest.raises(FileUnreadable, match="header"):
        npz(tmp_path, data, zipfile.ZIP_DEFLATED)["x"]


def test_member_that_inflates_beyond_what_it_says(tmp_path: Path) -> None:
    """The directory says 144 bytes; the stream goes on."""
    data = npy(described("(4,)"), bytes(64 << 20))
    npz(tmp_path, data, zipfile.ZIP_DEFLATED)
    path, true = tmp_path / "a.npz", struct.pack("<I", len(data))
    said = struct.pack("<I", len(data) - (64 << 20) + 16)
    path.write_bytes(path.read_bytes().replace(true, said))
    with pytest.raises(FileUnreadable, match="damaged"):
        NpzFile(path)["x"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_flipped_bit_is_refused(tmp_path: Path, compression: int) -> None:
    numbers = np.arange(4096, dtype="float32")
    buffer = io.BytesIO()
    np.save(buffer, numbers)
    file = npz(tmp_path, buffer.getvalue(), compression)
    assert np.array_equal(file["x"], numbers)
    data = bytearray(file.path.read_bytes())
    data[len(data) // 2] ^= 4
    file.path.write_bytes(data)
    with pytest.raises(FileUnreadable, match="damaged"):
        file["x"]


@pytest.mark.parametrize(
    "numbers", [np.zeros((0, 3), "f4"), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(["a", "bc"])]
)
def test_arrays_of_any_kind_still_come(tmp_path: Path, numbers: np.ndarray) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "b.npz", x=numbers)
        assert np.array_equal(NpzFile(tmp_path / "b.npz")["x"], numbers)


def test_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(b"a,label\n1,x\n")
        file.truncate(1 << 30)
    with pytest.raises(FileUnreadable, match=r"a\.csv, line 3 is longer than 16 MiB"):
        CsvFile(path, ",")
    assert LONGEST_LINE == 16 << 20


def test_one_long_label_does_not_widen_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,label\n" + "1,x\n" * 20_000 + f"2,{'y' * 100_000}\n", encoding="ascii")
    assert CsvFile(path, ",").labels("label", None).tolist() == [0] * 20_000 + [1]


def test_long_cell_that_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"a,label\n1,x\n2,x\n{'y' * 200_000},x\n", encoding="ascii")
    with pytest.raises((FileUnreadable, DataInvalid), match=r"a\.csv") as error:
        CsvFile(path, ",").numbers(("a",))
    assert len(str(error.value)) < 1000


def png(width: int, height: int) -> bytes:
    """A PNG that says it is so large, with a row of zeros in it."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(bytes(1 + 3 * 1024))) + part(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
def test_image_of_too_many_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "bomb.png").write_bytes(png(*size))
    with pytest.raises(FileUnreadable, match=r"a/bomb\.png is no image that can be read"):
        ImageFolder(tmp_path / "images", (8, 8)).take(np.array([0]))


def test_image_that_a_program_would_draw(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(OSError, match="cannot identify"):
        pixels_of(path)


def test_image_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(8, 8))
    with path.open("r+b") as file:
        file.truncate(1 << 34)
    with pytest.raises(ValueError, match="bytes"):
        pixels_of(path)
