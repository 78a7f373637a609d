"""One bit of an archive that is another: whoever uses the bytes refuses, or the bit was never one of them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from surgery import api
from surgery.errors import FileUnreadable, SurgeryError
from surgery.model.archive import open_model, open_weights, read_assets
from surgery.model.archive.checksum import LARGE, joined
from surgery.model.archive.optimizer import read_state
from surgery.planning import Plan
from surgery.recipe import load_recipe
from tests.model.test_archive import WEIGHTS, archive
from tests.model.test_config import chain
from tests.networks import network, write_network

FLIPS = 500


def written(folder: Path) -> Path:
    layers = [{"Conv2D": {"filters": 4, "kernel_size": 3, "name": "conv"}}, {"Flatten": {"name": "flat"}}]
    write_network(folder / "model.keras", network(*layers, {"Dense": {"units": 3, "name": "head"}}))
    recipe = "surgery: 1\nmodel: {path: model.keras}\noperations:\n  - {op: freeze, layers: conv}\n"
    (folder / "recipe.yaml").write_text(recipe)
    return folder / "model.keras"


def flip(path: Path, data: bytes, bit: int) -> None:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    path.unlink()
    path.write_bytes(changed)


def planned(model: Path) -> Plan:
    return api.plan(load_recipe(model.with_name("recipe.yaml")))


def applied(plan: Plan) -> bytes:
    """What apply writes."""
    output = plan.source.path.with_name("result.keras")
    output.unlink(missing_ok=True)
    api.apply_to_file(plan, output, prove=False)
    return output.read_bytes()


def read_for_training(plan: Plan) -> list[bytes]:
    """Every value that a model is built with."""
    with plan.library() as library:
        weights = [weight for _, layer in plan.spec.walk() for weight in layer.weights]
        return [values.tobytes() for weight in weights if (values := library.values(weight)) is not None]


def test_one_bit_is_refused_or_lies_where_nobody_looks(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    model, clean = written(tmp_path), written(tmp_path / "clean")
    data, result, values = model.read_bytes(), applied(planned(clean)), read_for_training(planned(clean))
    weights = data.find(b"\x89HDF")
    random, refused, in_values = Random(20), 0, 0
    for _ in range(FLIPS):
        bit = random.randrange(8 * len(data))
        flip(model, data, bit)
        outcomes = {_is_refused(lambda: api.diff(clean, model).identical), *_uses(model, result, values)}
        assert len(outcomes) == 1, f"bit {bit}: some refuse, others do not"
        refused += True in outcomes
        in_values += True in outcomes and bit // 8 >= weights
    assert refused > FLIPS // 2
    assert in_values > FLIPS // 4


def _uses(model: Path, result: bytes, values: list[bytes]) -> set[bool]:
    try:
        plan = planned(model)
    except SurgeryError:
        return {True}
    return {_is_refused(lambda: applied(plan) == result), _is_refused(lambda: read_for_training(plan) == values)}


def _is_refused(use: Callable[[], bool]) -> bool:
    """Whether it is an error; else it must be as if no bit had been another."""
    try:
        assert use()
    except SurgeryError:
        return True
    return False


def test_flipped_weight_names_file_member_and_a_way_out(tmp_path: Path) -> None:
    model = written(tmp_path)
    data = model.read_bytes()
    with open_weights(model) as values:
        found = values.range_of(("conv", "vars/0"))
        assert found is not None
        begin = found.begin
    flip(model, data, 8 * begin)
    with pytest.raises(FileUnreadable, match=r"model\.keras is damaged: the checksum of model\.weights\.h5") as error:
        applied(planned(model))
    assert f"sha256sum {model}" in str(error.value)
    assert not model.with_name("result.keras").exists()
    assert not list(tmp_path.glob(".*"))


def test_optimizer_and_variables_are_compared(tmp_path: Path) -> None:
    compiled = {"compile_config": {"optimizer": {"class_name": "SGD", "config": {}}}}
    path = archive(tmp_path / "model.keras", chain() | compiled, WEIGHTS)
    assert read_state(path)[0].class_name == "SGD"
    data = path.read_bytes()
    flip(path, data, 8 * data.rfind((3).to_bytes(8, "little")))
    with pytest.raises(FileUnreadable, match="checksum"):
        read_state(path)


def test_a_reader_that_fails_says_why_it_did(tmp_path: Path) -> None:
    model = written(tmp_path)
    data = model.read_bytes()
    flip(model, data, 8 * (data.find(b"\x89HDF") + len(data) // 2))
    with pytest.raises(KeyError, match="mine"), open_model(model)[1]:
        raise KeyError("mine")


def test_flipped_vocabulary_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", chain(), WEIGHTS)
    with zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("assets/layers/dense/vocabulary.txt", "one\ntwo\n")
    data = path.read_bytes()
    flip(path, data, 8 * data.find(b"two"))
    with pytest.raises(FileUnreadable, match="CRC"):
        read_assets(path)


@pytest.mark.parametrize("size", [0, 1, 1000, LARGE + 1])
def test_sums_are_put_together(size: int) -> None:
    random = Random(size)
    first, second = random.randbytes(17), random.randbytes(size)
    assert joined(zlib.crc32(first), zlib.crc32(second), size) == zlib.crc32(first + second)


def test_assets_are_bounded_together(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", chain(), WEIGHTS)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as zipped:
        for number in range(3):
            zipped.writestr(f"assets/layers/dense/{number}.txt", bytes(100 << 20))
    with pytest.raises(FileUnreadable, match="assets/ have 314572800 bytes together"):
        read_assets(path)


KINDS = {
    "freeze": "{op: freeze, layers: head}",
    "overlap": "{op: replace, layers: head, with: [{Dense: {units: 7, name: head}}], weights: overlap}",
    "resize": "{op: resize, layer: head, units: 8, new: zero}",
    "append": "{op: append, layers: [{Dense: {units: 2, name: more}}]}",
    "rename": "{op: rename, layers: {head: top}}",
    "cast": "{op: cast, layers: head, dtype: float16}",
    "transplant": "{op: transplant, from: model.keras}",
    "average": "{op: average, with: [model.keras]}",
}


@pytest.mark.keras
@pytest.mark.parametrize("prove", [None, False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_made_of_damaged_weights_is_put_in_place(tmp_path: Path, kind: str, prove: bool | None) -> None:
    """Copied, cut, enlarged, converted or mixed, measured or not."""
    model = tmp_path / "model.keras"
    write_network(model, network({"Dense": {"units": 3, "name": "head"}}))
    write_network(tmp_path / "host.keras", network({"Dense": {"units": 3, "name": "head"}}))
    with open_weights(model) as values:
        kernel = values["head", "vars/0"].tobytes()
    data = model.read_bytes()
    flip(model, data, 8 * data.index(kernel) + 5)
    source = "host.keras" if kind in ("transplant", "average") else "model.keras"
    (tmp_path / "recipe.yaml").write_text(f"surgery: 1\nmodel: {{path: {source}}}\noperations:\n  - {KINDS[kind]}\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(FileUnreadable, match=r"model\.keras is damaged"):
        api.apply_to_file(planned(model), tmp_path / "out.keras", prove=prove)
    left = {path.name for path in tmp_path.iterdir()} - set(before)
    assert all(name.endswith(".surgery-claim") for name in left), left
