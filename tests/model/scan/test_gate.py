"""The way from a path to a verdict and to a use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surgery.errors import FileMissing, FileUnreadable, ModelUnsafe
from surgery.model.scan import Status, Verdict, checked, gate, process, require_safe, scan
from surgery.model.scan.verdict import Finding
from tests.hostile import HOSTILE
from tests.hostile.model import (
    dense,
    functional,
    layer,
    members,
    weights,
    write_folder,
    write_hdf5,
    write_model,
    write_zip,
)


@pytest.mark.parametrize("kind", ["zip", "folder", "hdf5"])
def test_genuine_file_is_accepted(kind: str, tmp_path: Path) -> None:
    write = {"zip": write_model, "folder": write_folder, "hdf5": write_hdf5}[kind]
    verdict = scan(write(tmp_path, functional()))
    assert [str(finding) for finding in verdict.findings] == []
    assert verdict.kind == kind
    assert verdict.status is Status.ACCEPTED


def test_weights_alone_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    path.write_bytes(weights())
    assert scan(path).is_accepted


def test_compressed_archive_is_accepted(tmp_path: Path) -> None:
    import zipfile

    path = write_zip(tmp_path / "model.keras", {**members(), "surgery/notes.json": b"{}"}, zipfile.ZIP_DEFLATED)
    assert scan(path).is_accepted


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="there is no file"):
        scan(tmp_path / "nothing.keras")


def test_name_that_no_file_can_have() -> None:
    with pytest.raises(FileUnreadable):
        scan("a\0b")


def test_refusal_names_place_code_and_fix(tmp_path: Path) -> None:
    path = HOSTILE["lambda_in_functional"].build(tmp_path)
    with pytest.raises(ModelUnsafe) as caught:
        require_safe(path)
    assert "config.json: $.config.layers[2].class_name" in caught.value.what
    assert "[class-lambda]" in caught.value.what
    assert caught.value.fix is not None
    assert caught.value.fix.startswith(f"see every finding: surgery scan {path}; put a layer in its place")


def custom(tmp_path: Path) -> Path:
    return write_model(
        tmp_path, functional(layer("Gate", "gate", {}, "first", module="my_package.layers"), middle="gate")
    )


@pytest.mark.parametrize(
    ("trust", "accepted"),
    [
        ((), False),
        (("my_package.layers",), True),
        (("my_package",), True),
        (("my_package.layers.Gate",), True),
        (("my_pack",), False),
        (("other",), False),
    ],
)
def test_trust_grants_modules(trust: tuple[str, ...], accepted: bool, tmp_path: Path) -> None:
    assert scan(custom(tmp_path), trust).is_accepted is accepted


@pytest.mark.parametrize(
    ("module", "function", "trust", "accepted"),
    [
        ("builtins", "doubled", (), False),
        ("builtins", "doubled", ("my_package.layers.doubled",), True),
        ("builtins", "doubled", ("my_package.layers", "my_package.layers.halved"), False),
        ("builtins", "my_package.layers>doubled", ("my_package.layers",), True),
        ("my_package.layers", "doubled", ("my_package",), True),
        ("keras.utils", "get_file", ("keras", "keras.utils"), False),
    ],
)
def test_a_lambda_of_a_granted_function_carries_no_code(
    module: str, function: str, trust: tuple[str, ...], accepted: bool, tmp_path: Path
) -> None:
    reference = {"module": module, "class_name": "function", "config": function, "registered_name": "function"}
    payload = layer("Lambda", "payload", {"function": reference, "arguments": {}}, "first")
    assert scan(write_model(tmp_path, functional(payload, middle="payload")), trust).is_accepted is accepted


def test_trusting_keras_grants_no_lambda(tmp_path: Path) -> None:
    assert not scan(HOSTILE["lambda_in_functional"].build(tmp_path), ("keras", "keras.layers")).is_accepted


def test_file_is_scanned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, calls = write_model(tmp_path), []

    def counted(name: str, trust: tuple[str, ...] = ()) -> Verdict:
        calls.append(name)
        return scan(name, trust)

    monkeypatch.setattr(gate, "scan", counted)
    for _ in range(3):
        require_safe(path)
    assert len(calls) == 1
    write_model(tmp_path, functional(dense("more", "first"), middle="more"))
    require_safe(path)
    assert len(calls) == 2


def test_file_that_changes_during_its_use_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    with pytest.raises(ModelUnsafe, match="changed while it was read"), checked(path) as same:
        os.utime(same)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (b"", 0, "scan-failed"),
        (b"{}", 0, "scan-failed"),
        (b'{"kind": "zip", "findings": [{}]}', 0, "scan-failed"),
        (b"", -11, "scan-crashed"),
        (b'{"kind": "zip", "findings": []}', -9, "scan-crashed"),
        (b"", 1, "scan-failed"),
        (b"[" * 100_000, 0, "scan-failed"),
    ],
)
def test_answer_that_is_none_is_a_refusal(answer: bytes, status: int, code: str) -> None:
    answered = process._understood(answer, status)
    assert [finding.code for finding in answered.findings] == [code]


def test_refused_outweighs_unchecked() -> None:
    findings = (Finding("a", Status.UNCHECKED, "x"), Finding("b", Status.REFUSED, "y"))
    assert Verdict("p", "zip", findings).status is Status.REFUSED
    assert Verdict("p", "zip", findings[:1]).status is Status.UNCHECKED
    assert not Verdict("p", "zip", findings[:1]).is_accepted
