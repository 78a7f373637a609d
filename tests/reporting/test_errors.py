"""Errors for machines: JSON after its schema, SARIF after the rules of 2.1.0, annotations that nothing can forge."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from surgery.errors import Errors, Location, SurgeryError, UnknownLayer, UnusedParameter
from surgery.reporting.errors_github import defused, errors_github
from surgery.reporting.errors_json import errors_document
from surgery.reporting.errors_sarif import errors_sarif
from surgery.reporting.schemas import SCHEMAS

HOSTILE = "a\n::error file=x::owned\r\n##[error]b %0A::stop-commands::x\x1b[31m, c: d"


def error(path: str = "recipes/a b.yaml", what: str = "no layer matches 'x'") -> SurgeryError:
    place = Location(path, 7, 13, 4, "    layers: x")
    return UnknownLayer(what, expected="a layer", fix="did you mean 'y'?", location=place)


def warning() -> SurgeryError:
    return UnusedParameter("the parameter 'a' is used nowhere", location=Location("r.yaml", 2, 3))


def test_json_is_what_its_schema_says() -> None:
    document = errors_document([Errors([error(), warning()]), SurgeryError(HOSTILE)])
    jsonschema.validate(document, SCHEMAS["errors"]())
    assert {row["path"]: row["line"] for row in document["errors"]} == {"recipes/a b.yaml": 7, "r.yaml": 2, None: None}


def sarif_is_valid(document: dict[str, Any]) -> None:
    """The rules of the SARIF 2.1.0 schema for what surgery writes of it."""
    assert set(document) == {"$schema", "version", "runs"}
    assert document["version"] == "2.1.0"
    for run in document["runs"]:
        assert set(run) <= {"tool", "results", "columnKind"}
        assert run.get("columnKind") in (None, "utf16CodeUnits", "unicodeCodePoints")
        rules = run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        assert all(rule["fullDescription"]["text"] for rule in rules)
        for result in run["results"]:
            assert set(result) <= {"ruleId", "ruleIndex", "level", "message", "locations"}
            assert result["level"] in ("none", "note", "warning", "error")
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["message"]["text"]
            for location in result.get("locations", []):
                physical = location["physicalLocation"]
                assert re.fullmatch(r"[A-Za-z0-9%/._~:-]+", physical["artifactLocation"]["uri"])
                region = physical["region"]
                assert min(region.values()) >= 1
                assert region["endColumn"] > region["startColumn"]


@pytest.mark.parametrize("found", [[], [error()], [error(), error(what="twice"), warning(), SurgeryError("nowhere")]])
def test_sarif(found: list[SurgeryError]) -> None:
    document = errors_sarif(found, "0.1.0")
    sarif_is_valid(document)
    assert len(document["runs"][0]["results"]) == len(found)
    json.dumps(document)


def test_sarif_keeps_relative_paths_relative() -> None:
    (result,) = errors_sarif([error()], "1")["runs"][0]["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "recipes/a%20b.yaml"
    assert physical["region"] == {"startLine": 7, "startColumn": 13, "endColumn": 17}


def test_github_annotation() -> None:
    assert errors_github([error("r,:.yaml")]) == (
        "::error title=surgery%3A unknown-layer,file=r%2C%3A.yaml,line=7,col=13,endLine=7,endColumn=17::"
        "no layer matches 'x'%0Aexpected: a layer%0Afix: did you mean 'y'?\n"
    )


def test_nothing_forges_an_annotation() -> None:
    text = errors_github([error(HOSTILE, HOSTILE), SurgeryError(HOSTILE, expected=HOSTILE, fix=HOSTILE)])
    lines = text.split("\n")
    assert len(lines) == 3
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", ""]
    assert "\x1b" not in text
    properties = lines[0].split("::")[1]
    assert [part.split("=")[0] for part in properties.split(" ", 1)[1].split(",")] == [
        *("title", "file", "line", "col", "endLine", "endColumn")
    ]


def test_ten_annotations_and_the_rest_counted() -> None:
    lines = errors_github([warning(), *(error(what=str(number)) for number in range(11))]).splitlines()
    assert len(lines) == 10
    assert all(line.startswith("::error ") for line in lines[:9])
    assert lines[9] == "::notice title=surgery::3 more are not shown here; they are in the log of this step"
    assert len(errors_github([error()] * 10).splitlines()) == 10


def test_defused_log() -> None:
    assert defused("a\n::error::b\n  ::c\n##[error]d") == "a\n|::error::b\n|  ::c\n|##[error]d"


def test_published_schema_is_fresh(repository: Path) -> None:
    assert json.loads((repository / "schemas/errors.schema.json").read_text()) == SCHEMAS["errors"]()
