"""The HTML files of runs and diffs: complete in themselves, usable in a browser, and deaf to hostile names."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from surgery import api
from surgery.model.spec import ModelSpec
from surgery.reporting.diff_html import diff_html
from surgery.reporting.run_html import run_html
from tests.networks import network, write_network
from tests.recipes_text import plan_of, write_recipe
from tests.reporting.browser import dom, needs_browser, told
from tests.reporting.run_document import document

HOSTILE = '</script><img src=x onerror="document.documentElement.dataset.owned=1">"\'&{{7*7}}'
RECIPE = """
    operations:
      - op: replace
        layers: predictions
        with: [{Dense: {units: 7, activation: softmax, name: new_head}}]
        weights: overlap
      - {op: freeze, layers: {to: flatten}}
      - {op: rename, layers: {pool1: pooling}}
    """


@pytest.fixture(scope="module")
def diff_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    recipe = write_recipe(folder, RECIPE)
    page = folder / "diff.html"
    page.write_text(diff_html(api.diff(folder / "model.keras", recipe), "old -> new"), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    page = folder / "report.html"
    page.write_text(run_html(document(), plan_of(folder, RECIPE)), encoding="utf-8")
    return page


class Reader(HTMLParser):
    """Elements that would fetch something or run, and whether all are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input", "br", "path", "rect", "circle", "polyline"):
            self.open.append(tag)
        self.scripts += tag == "script"
        self.links += [value or "" for key, value in attrs if key in ("src", "href", "xlink:href", "data", "srcset")]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


@pytest.mark.parametrize("name", ["diff_page", "run_page"])
def test_a_page_fetches_nothing_and_is_whole(name: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(name).read_text(encoding="utf-8")
    reader = read(text)
    assert reader.open == []
    assert reader.links == reader.handlers == []
    assert reader.scripts == 2
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert "default-src 'none'" in text


def test_a_run_shows_all_parts(run_page: Path) -> None:
    text = run_page.read_text(encoding="utf-8")
    for heading in (
        "Before and after",
        "Guards against forgetting",
        "Training",
        "What was done",
        "Where the values come from",
        "Data",
        "Where and how",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert "overlap" in text
    assert "keras" in text
    assert 'class="box added"' in text
    assert 'class="box removed"' in text
    assert 'class="box renamed' in text


def test_the_same_page_every_time(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RECIPE)
    assert run_html(document(), plan) == run_html(document(), plan)


def hostile_model() -> ModelSpec:
    model = network({"Flatten": {"name": "flatten"}}, {"Dense": {"units": 2, "name": "head"}})
    layers = tuple(replace(layer, name=HOSTILE) if layer.name == "flatten" else layer for layer in model.layers)
    return replace(model, layers=layers, name=HOSTILE)


def test_hostile_names_are_text(tmp_path: Path) -> None:
    old, new = network({"Flatten": {}}), hostile_model()
    write_network(tmp_path / "old.keras", old)
    found = replace(api.diff(tmp_path / "old.keras", tmp_path / "old.keras"), new=new, pairs={})
    text = diff_html(found, HOSTILE)
    reader = read(text)
    assert reader.scripts == 2
    assert reader.handlers == reader.links == []
    assert "<img" not in text
    assert "49" not in text.split("</title>")[0].split("<title>")[1]


@needs_browser
def test_it_renders_and_search_opens_a_layer(diff_page: Path) -> None:
    found = told(
        diff_page,
        """
        const search = document.getElementById("search");
        search.value = "new head";
        search.dispatchEvent(new Event("input"));
        const names = [...document.querySelectorAll("#matches li")].map((item) => item.firstChild.textContent);
        search.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true}));
        const details = document.getElementById("details");
        return {names, title: details.querySelector("h3").textContent, hidden: details.hidden,
                text: details.textContent, focus: document.activeElement.getAttribute("aria-label"),
                boxes: document.querySelectorAll(".box").length};
        """,
    )
    assert found["names"] == ["new_head"]
    assert found["title"] == "new_head"
    assert not found["hidden"]
    assert "softmax" in found["text"]
    assert found["focus"].startswith("new_head, Dense, added")
    assert found["boxes"] == 14


@needs_browser
def test_click_and_keys(run_page: Path) -> None:
    found = told(
        run_page,
        """
        const after = document.querySelectorAll(".pane")[1];
        const details = document.getElementById("details");
        const steps = [];
        const note = () => steps.push(details.hidden ? "-" : details.querySelector("h3").textContent);
        after.querySelectorAll(".box")[1].dispatchEvent(new MouseEvent("click", {bubbles: true}));
        note();
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}));
        note();
        const canvas = after.querySelector(".canvas");
        for (const key of ["End", "Enter"]) canvas.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        note();
        const scene = after.querySelector(".scene");
        const before = scene.getAttribute("transform");
        after.querySelector("[data-do=in]").click();
        return {steps, zoomed: before !== scene.getAttribute("transform")};
        """,
    )
    assert found == {"steps": ["conv1", "-", "new_head"], "zoomed": True}


@needs_browser
def test_a_hostile_name_does_not_run(tmp_path: Path) -> None:
    write_network(tmp_path / "old.keras", network({"Flatten": {}}))
    found = replace(api.diff(tmp_path / "old.keras", tmp_path / "old.keras"), new=hostile_model(), pairs={})
    page = tmp_path / "diff.html"
    page.write_text(diff_html(found, HOSTILE), encoding="utf-8")
    assert "data-owned" not in dom(page)
    opened = told(
        page,
        """
        document.querySelectorAll(".pane")[1].querySelectorAll(".box")[1].dispatchEvent(new MouseEvent("click", {bubbles: true}));
        return [document.getElementById("details").querySelector("h3").textContent, document.documentElement.dataset.owned || null];
        """,
    )
    assert opened == [HOSTILE, None]
