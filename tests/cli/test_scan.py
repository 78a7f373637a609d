"""`surgery scan`, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from surgery.cli.main import run
from surgery.reporting.catalogue_text import findings
from surgery.reporting.schemas import schema_texts
from tests.hostile import HOSTILE
from tests.networks import classifier, write_network


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path / "good.keras", classifier())
    HOSTILE["lambda_in_functional"].build(tmp_path).rename(tmp_path / "bad.keras")
    return ["good.keras", "bad.keras"]


def test_an_accepted_file_ends_with_0(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", files[0]]) == 0
    assert capsys.readouterr().out == "good.keras: accepted\n"


def test_a_refused_file_ends_with_1_and_every_file_has_its_verdict(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scan", *files]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["good.keras: accepted", "bad.keras: refused"]
    assert lines[2].startswith("  error[class-lambda]: config.json: $.config.layers[2].class_name")


def test_a_missing_file_does_not_hide_the_others(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", "nothing.keras", *files]) == 1
    said = capsys.readouterr()
    assert "bad.keras: refused" in said.out
    assert "error[file-missing]" in said.err


def test_json_is_as_the_schema_says(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", *files, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(schema_texts()["scan.schema.json"]))
    assert [file["verdict"] for file in document["files"]] == ["accepted", "refused"]
    assert document["accepted"] is False


def test_sarif(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", *files, "--output-format", "sarif"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == "2.1.0"
    assert {result["ruleId"] for result in document["runs"][0]["results"]} == {"class-lambda"}


def test_another_format_is_a_usage_error(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", *files, "--output-format", "html"]) == 2
    assert run(["scan", *files, "--json", "--output-format", "sarif"]) == 2
    capsys.readouterr()


def test_every_finding_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for code, meaning in findings().items():
        assert meaning
        assert run(["explain", code]) == 0
        assert capsys.readouterr().out.startswith(f"{code} (found by a scan")
    assert run(["explain"]) == 0
    listed = capsys.readouterr().out
    assert all(code in listed for code in findings())
