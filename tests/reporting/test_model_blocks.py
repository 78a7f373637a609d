"""A model as lines for git: one bit more or less is one line."""

from __future__ import annotations

from pathlib import Path

from surgery.model.archive import write_archive
from surgery.reporting.model_blocks import file_blocks
from tests.networks import changed, classifier, values_of, write_network


def test_a_layer_is_a_block_without_its_defaults(tmp_path: Path) -> None:
    write_network(tmp_path / "model.keras", classifier())
    blocks = file_blocks(tmp_path / "model.keras").split("\nlayer ")
    lines = blocks[2].splitlines()
    assert lines[:5] == [
        "conv1 (Conv2D)",
        "  inputs: image",
        "  activation: relu",
        "  filters: 4",
        "  kernel_size: [3, 3]",
    ]
    assert lines[5].startswith("  kernel (3, 3, 1, 4) float32: norm ")
    assert len(lines) == 7


def test_one_bit_is_one_line(tmp_path: Path) -> None:
    values = values_of(classifier())
    write_archive(tmp_path / "model.keras", classifier(), values)
    values["conv2", "vars/1"].view("u1")[0] ^= 1
    write_archive(tmp_path / "other.keras", classifier(), values)
    one, other = (file_blocks(tmp_path / name).splitlines() for name in ("model.keras", "other.keras"))
    assert [a.split()[0] for a, b in zip(one, other, strict=True) if a != b] == ["bias"]


def test_objects_are_short(tmp_path: Path) -> None:
    layer = {"Dense": {"units": 2, "kernel_initializer": {"HeNormal": {"seed": 3}}, "name": "last"}}
    model = changed(classifier(), op="append", layers=[layer])
    write_network(tmp_path / "model.keras", changed(model, op="freeze", layers="last"))
    text = file_blocks(tmp_path / "model.keras")
    assert (
        "layer last (Dense)\n  inputs: predictions\n  trainable: false\n  kernel_initializer: HeNormal(seed=3)\n"
        in text
    )


def test_what_is_no_model_has_a_text_too(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"PK")
    text = file_blocks(tmp_path / "broken.keras")
    assert text.startswith("not a model that surgery reads: ")
    assert text.splitlines()[1].startswith("sha256 ")
    assert file_blocks(tmp_path / "nowhere.keras").endswith("sha256 none\n")
