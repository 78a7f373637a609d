"""A diff as text and as Markdown: what it says, how long it may be, and what no layer name can do to it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgery.model.changes import Diff, diff
from surgery.model.spec import ModelSpec, TensorRef
from surgery.reporting.diff_graph import MOST_CHARACTERS, MOST_EDGES, diff_graph, quoted
from surgery.reporting.diff_lines import percent
from surgery.reporting.diff_markdown import diff_markdown
from surgery.reporting.diff_text import diff_text
from surgery.reporting.schemas import schema_texts
from tests.model.graphs import classifier, layer, model, random_models
from tests.model.test_changes import OLD, build, compare, dense

SCHEMA = Path(__file__).parents[2] / "schemas" / "diff.schema.json"
COMMENT = 65_536
BOX = r'  n\d+\["(?:[\w /]|#\d+;|<br/>)+"\](?::::(?:added|removed|changed))?'
EDGE = r"  n\d+ (?:-->|-\.->) n\d+"
STYLE = r"  classDef \w+ [\w:#,\- ]+"


def hostile() -> Diff:
    names = [
        '"]; click n0 "javascript:alert(1)',
        "```\n::error::x",
        "<details><script>",
        "1. a | b",
        "\x1b[2J",
        "@a#1",
    ]
    layers = [layer("x", "InputLayer"), *(layer(name, f"</details>{name}", "x", rate=name) for name in names)]
    return diff(model("old", layer("x", "InputLayer")), model("new", *layers))


def several() -> Diff:
    new = build(
        dense("dense", "x", 7),
        dense("dense_1", "dense", 1, trainable=False),
        dense("dense_2", "dense_1", 2, drift=0.1),
        dense("head", "dense_2", 3, units=7, activation="relu"),
    )
    return compare(OLD, new)


def test_text() -> None:
    assert diff_text(several()).splitlines() == [
        "layers: 1 added, 1 changed, 2 renamed, 1 rewired, 1 frozen; 3 variables not equal; 3 variables equal bit for bit",
        "",
        "Layers",
        "  + dense    Dense(units=16), 272 parameters, reads x",
        "  > dense_1  was dense",
        "  > dense_2  was dense_1, by similar weights",
        "  ~ dense_1  inputs: x -> dense",
        "  ~ head     activation: linear -> relu",
        "  ~ head     units: 5 -> 7",
        "  ~ dense_1  trainable: true -> false",
        "",
        "Weights",
        "  dense_2  kernel  (16, 16)            changed   "
        "moved by 9.74 % of its norm, cosine 0.9953, 100 % of its entries",
        "  head     kernel  (16, 5) -> (16, 7)  reshaped",
        "  head     bias    (5,) -> (7,)        reshaped",
        "",
        "parameters:            629 -> 935 (+306)",
        "trainable parameters:  629 -> 663 (+34)",
        "bytes of weights:      2,516 -> 3,740 (+1,224)",
    ]


def test_text_of_identical_models() -> None:
    assert diff_text(compare(OLD, OLD)) == "No differences: 6 variables equal bit for bit."
    without = diff(OLD[0], OLD[0])
    assert diff_text(without) == "No differences: 6 variables of equal shape (values were not compared)."
    assert "mermaid" not in diff_markdown(without)


def test_many_changes_of_one_kind_are_one_line() -> None:
    old = build(*(dense(f"a{n}", f"a{n - 1}" if n else "x", n) for n in range(20)))
    new = build(*(dense(f"a{n}", f"a{n - 1}" if n else "x", n, trainable=False) for n in range(20)))
    assert "  ~ 20 layers  trainable: true -> false" in diff_text(compare(old, new)).splitlines()


def test_graph() -> None:
    picture = diff_graph(several())
    assert picture is not None
    assert picture.hidden == 0
    assert picture.text.splitlines()[:11] == [
        "flowchart TD",
        '  n0["dense<br/>Dense<br/>added"]:::added',
        '  n1["x<br/>InputLayer"]',
        '  n2["dense_1<br/>Dense<br/>was dense"]:::changed',
        "  n1 --> n0",
        "  n0 --> n2",
        '  n3["dense_2<br/>Dense<br/>was dense_1"]:::changed',
        "  n2 --> n3",
        "  n1 -.-> n2",
        '  n4["head<br/>Dense<br/>changed"]:::changed',
        "  n3 --> n4",
    ]


def test_trainability_alone_has_no_graph() -> None:
    old, new = build(dense("a", "x", 1)), build(dense("a", "x", 1, trainable=False))
    assert diff_graph(compare(old, new)) is None


def _check_graph(text: str) -> None:
    head, *lines = text.splitlines()
    assert head == "flowchart TD"
    for line in lines:
        assert re.fullmatch(f"{BOX}|{EDGE}|{STYLE}", line), line
    assert sum("->" in line for line in lines) <= MOST_EDGES
    assert len(text) <= MOST_CHARACTERS


def test_no_layer_name_is_markup() -> None:
    markdown = diff_markdown(hostile(), title="<img src=x> @team")
    (graph,) = re.findall(r"```mermaid\n(.*?)\n```", markdown, re.DOTALL)
    _check_graph(graph)
    outside = markdown.replace(graph, "")
    assert [line for line in outside.splitlines() if line.startswith("```")] == ["```mermaid", "```"]
    for text in (outside, graph, diff_text(hostile())):
        assert "\x1b" not in text
        assert not re.search(r"^::", text, re.MULTILINE)
    without_code = re.sub(r"(`+) ?.*? ?\1", "", outside)
    assert "<script>" not in without_code
    assert "<img" not in without_code
    assert without_code.count("</details>") == without_code.count("<details>")
    assert "@team" not in without_code


@given(st.text(max_size=40))
def test_quoted_is_only_words_and_codes(text: str) -> None:
    assert re.fullmatch(r"(?:[\w /]|#\d+;)*", quoted(text))
    assert re.sub(r"#(\d+);", lambda code: chr(int(code.group(1))), quoted(text)) == text


@pytest.fixture(scope="module")
def large() -> Diff:
    """2,000 new layers with the longest names that Keras allows, wired densely."""
    layers = [layer("x", "InputLayer")]
    for number in range(2000):
        feeders = [one.name for one in layers[-3:]]
        layers.append(layer(f"{number:04d}" + "é<" * 120, "Add", *feeders))
    return diff(model("old", layers[0]), model("new", *layers))


def test_large_diff_fits_into_a_comment(large: Diff) -> None:
    markdown = diff_markdown(large)
    assert len(markdown) < COMMENT
    assert len(markdown.encode()) < COMMENT * 2
    picture = diff_graph(large)
    assert picture is not None
    _check_graph(picture.text)
    assert picture.hidden > 0
    assert f"{picture.hidden} more changed layers are not drawn." in markdown
    assert "more: `surgery diff --json`" in markdown


@given(random_models(), random_models())
def test_any_diff_can_be_shown(old: ModelSpec, new: ModelSpec) -> None:
    found = diff(old, new)
    picture = diff_graph(found)
    if picture:
        _check_graph(picture.text)
    assert diff_markdown(found)
    for change in (*found.added, *found.rewired):
        assert change.path in diff_text(found) or "layers  " in diff_text(found)


def test_removed_layers_are_drawn_with_the_edges_they_had() -> None:
    old = classifier()
    conv = old["encoder/conv2"]
    wired = replace(conv, calls=tuple(call.map({TensorRef("norm"): TensorRef("conv1")}) for call in conv.calls))
    inner = old.with_layer("encoder/conv2", wired).model_at("encoder")
    inner = replace(inner, layers=tuple(one for one in inner.layers if one.name != "norm"))
    picture = diff_graph(diff(old, old.with_model("encoder", inner)))
    assert picture is not None
    assert picture.text.splitlines()[1:8] == [
        '  n0["encoder/conv2<br/>Conv2D<br/>changed"]:::changed',
        '  n1["encoder/conv1<br/>Conv2D"]',
        '  n2["encoder/norm<br/>BatchNormalization<br/>removed"]:::removed',
        "  n1 --> n0",
        "  n2 -.-> n0",
        "  n1 -.-> n2",
        "  classDef added fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
    ]


def test_percent() -> None:
    assert [percent(x) for x in (0, 1e-6, 0.0123, 0.99999999, 1, 12.5)] == [
        "0 %",
        "< 0.01 %",
        "1.23 %",
        "> 99.99 %",
        "100 %",
        "1.25e+03 %",
    ]


@pytest.mark.parametrize("make", [several, hostile, lambda: compare(OLD, OLD)])
def test_documents_fit_the_published_schema(make: object) -> None:
    found = make()  # type: ignore[operator]
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)
    assert document["identical"] == found.identical


def test_the_published_schema_is_fresh() -> None:
    made = schema_texts()["diff.schema.json"]
    assert SCHEMA.read_text(encoding="utf-8") == made, "run: python -m surgery.reporting.schemas schemas"
