"""What notebooks show: tables of what the text says, escaped, made when first asked for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from surgery import api
from surgery.reporting.notebook_html import run_html
from tests.networks import classifier, network
from tests.recipes_text import plan_of, write_recipe
from tests.reporting.run_document import document
from tests.reporting.test_page import read

HOSTILE = "<script>alert(1)</script>&"
HEAD = """
    operations:
      - {op: replace, layers: predictions, with: [{Dense: {units: 3, name: head}}]}
    """


def test_model() -> None:
    text = classifier()._repr_html_()
    assert text is not None
    assert read(text).open == []
    assert "7 layers" in text
    assert "conv1" in text
    assert text.count("<tr>") == 8


def test_a_long_model_is_folded() -> None:
    model = network({"Flatten": {}}, *({"Dense": {"units": 2, "name": f"d{number}"}} for number in range(60)))
    text = model._repr_html_() or ""
    assert "all 62 layers" in text
    assert "…" in text


def test_plan_and_diff(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, HEAD)
    told = plan._repr_html_() or ""
    assert "replace (line 6)" in told
    assert "fresh, GlorotUniform" in told
    diff = api.diff(tmp_path / "model.keras", write_recipe(tmp_path, HEAD))
    text = diff._repr_html_() or ""
    assert "1 added, 1 removed" in text
    assert read(told).open == read(text).open == []


def test_run() -> None:
    text = run_html(document())
    assert "0.9800" in text
    assert "build/digits.keras" in text


def test_hostile_names_are_text() -> None:
    text = replace(classifier(), name=HOSTILE)._repr_html_() or ""
    assert read(text).scripts == 0
    assert "&lt;script&gt;" in text


def test_nothing_is_imported_until_a_notebook_asks() -> None:
    code = (
        "import sys, surgery.api; assert 'markupsafe' not in sys.modules; assert 'surgery.reporting' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
