"""Verdicts as text, JSON and SARIF."""

from __future__ import annotations

import json

from surgery.model.scan import Finding, Status, Verdict
from surgery.reporting.scan_sarif import scan_sarif
from surgery.reporting.scan_text import scan_document, scan_text

GOOD = Verdict("good.keras", "zip")
BAD = Verdict(
    "models/a b\n::error.keras",
    "zip",
    (
        Finding(
            "class-lambda",
            Status.REFUSED,
            "keras.layers.Lambda carries code",
            "config.json",
            "$.config.layers[1].class_name",
        ),
        Finding("hdf5-damaged", Status.UNCHECKED, "the file is damaged", "model.weights.h5"),
        Finding("file-changed", Status.UNCHECKED, "the file changed"),
    ),
)


def test_text() -> None:
    assert scan_text([GOOD, BAD]).splitlines() == [
        "good.keras: accepted",
        "models/a b\\n::error.keras: refused",
        "  error[class-lambda]: config.json: $.config.layers[1].class_name: keras.layers.Lambda carries code",
        "  error[hdf5-damaged]: model.weights.h5: the file is damaged",
        "  error[file-changed]: the file changed",
    ]


def test_document() -> None:
    document = json.loads(json.dumps(scan_document([GOOD, BAD])))
    assert document["accepted"] is False
    assert [file["verdict"] for file in document["files"]] == ["accepted", "refused"]
    assert document["files"][1]["findings"][0] == {
        "code": "class-lambda",
        "status": "refused",
        "message": "keras.layers.Lambda carries code",
        "member": "config.json",
        "place": "$.config.layers[1].class_name",
        "compiled": False,
    }
    assert scan_document([GOOD])["accepted"] is True


def test_sarif() -> None:
    run = scan_sarif([GOOD, BAD], "1.0")["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["class-lambda", "file-changed", "hdf5-damaged"]
    assert all(rule["fullDescription"]["text"] for rule in run["tool"]["driver"]["rules"])
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("class-lambda", 0, "error")
    location = first["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "models/a%20b%0A%3A%3Aerror.keras"
    assert location["logicalLocations"] == [{"fullyQualifiedName": "config.json: $.config.layers[1].class_name"}]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "warning"]
    assert "logicalLocations" not in run["results"][2]["locations"][0]
