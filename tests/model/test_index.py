"""Where variables lie, as the process that scanned a file has handed it back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surgery.errors import ModelInvalid
from surgery.model.archive import index, open_model, read_model
from surgery.model.archive.container import WEIGHTS, open_container
from surgery.model.archive.index import kept
from surgery.model.archive.reading import _tree
from surgery.model.hdf5 import Group
from surgery.model.scan import checked, scan
from tests.hostile.model import functional, write_folder, write_model
from tests.networks import classifier, write_network


def from_hdf5(path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    with monkeypatch.context() as without, open_container(path) as container:
        without.setattr(index, "_KEPT", {})
        return _tree(container)


def test_it_is_what_a_look_into_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_network(tmp_path / "zip.keras", classifier())
    for path in (tmp_path / "zip.keras", write_folder(tmp_path, functional())):
        with checked(path), open_container(path) as container:
            assert container.weights is not None
            found = kept(container.weights.descriptor, container.weights.size)
        assert found == from_hdf5(path, monkeypatch)


def test_numbers_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path, functional())
    with h5py.File(folder / WEIGHTS, "a") as file:
        group = file.create_group("layers/kinds/vars")
        for number, dtype in enumerate(("<f2", ">f8", "<i8", "|u1", "|b1")):
            group.create_dataset(str(number), data=np.ones((2, 3), dtype))
        half = group.create_dataset("5", data=np.zeros(2, "V2"))
        half.attrs["dtype"] = "bfloat16"
        group.create_dataset("6", data=np.ones(400, "<f4"), chunks=(100,), compression="gzip")
        group.create_dataset("7", (0,), "<f4")
    assert scan(folder).is_accepted
    descriptor = os.open(folder / WEIGHTS, os.O_RDONLY)
    try:
        assert kept(descriptor, os.fstat(descriptor).st_size) == from_hdf5(folder, monkeypatch)
    finally:
        os.close(descriptor)


def test_a_file_that_was_written_to_is_looked_into_again(tmp_path: Path) -> None:
    path = write_model(tmp_path, functional())
    assert scan(path).is_accepted
    os.utime(path, ns=(1, 1))
    with open_container(path) as container:
        assert container.weights is not None
        assert kept(container.weights.descriptor, container.weights.size) is None


BLOCK = [[2, 3], "<f4", 0]


@pytest.mark.parametrize(
    "said",
    [
        7,
        [],
        [None, {"0": BLOCK}],
        [3, {}, {}],
        [None, [], {}],
        [None, {"0": [[2, 3], "<f4"]}, {}],
        [None, {"0": [[2, -3], "<f4", 0]}, {}],
        [None, {"0": [[2, 3.0], "<f4", 0]}, {}],
        [None, {"0": [[2, True], "<f4", 0]}, {}],
        [None, {"0": [[2, 3], "|O", 0]}, {}],
        [None, {"0": [[2, 3], "<f3", 0]}, {}],
        [None, {"0": [[2, 3], "<f4", -1]}, {}],
        [None, {"0": [[2, 3], "<f4", 977]}, {}],
        [None, {"0": [[1 << 40, 1 << 40], "<f4", 0]}, {}],
    ],
)
def test_a_list_that_cannot_be_true_is_refused(said: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(1000))
    status = path.stat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        index.keep(identity, [None, {"0": BLOCK}, {}])
        assert kept(descriptor, 1000) is not None
        index.keep(identity, said)
        with pytest.raises(ModelInvalid):
            kept(descriptor, 1000)
    finally:
        os.close(descriptor)


def test_nothing_is_kept_of_a_file_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_KEPT", {})
    config = functional()
    config["config"]["layers"][1]["class_name"] = "Lambda"
    assert not scan(write_model(tmp_path, config)).is_accepted
    assert index._KEPT == {}


def test_a_model_and_its_values_are_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.keras"
    write_network(path, classifier())
    assert scan(path).is_accepted
    spec, values = open_model(path)
    with values, monkeypatch.context() as without:
        without.setattr(index, "_KEPT", {})
        assert read_model(path) == spec
        with open_model(path)[1] as others:
            assert list(values) == list(others)
            assert all((values[name] == others[name]).all() for name in values)


LEAN = """
import sys
from surgery.cli.main import run
assert run(sys.argv[1:]) == 0
heavy = {"h5py", "jax", "keras", "numpy", "tensorflow", "torch"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""


@pytest.mark.parametrize("command", ["inspect model.keras", "plan recipe.yaml", "diff model.keras other.keras"])
def test_commands_parse_no_hdf5_themselves(command: str, tmp_path: Path) -> None:
    for name in ("model", "other"):
        write_network(tmp_path / f"{name}.keras", classifier())
    recipe = "surgery: 1\nmodel: {path: model.keras}\noperations: [{op: freeze, layers: conv1}]\n"
    (tmp_path / "recipe.yaml").write_text(recipe)
    subprocess.run([sys.executable, "-c", LEAN, *command.split()], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
