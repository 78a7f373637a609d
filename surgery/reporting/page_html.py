"""One self-contained HTML file: nothing is fetched, whatever comes from a model or a recipe is text and never markup."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from surgery.reporting.graph_svg import Drawing

FOLDER = Path(__file__).parent / "page"


@dataclass(frozen=True)
class Total:
    """A number at the top."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Block:
    """A part of a section: lines, a table (folded under a sentence, if there is one), or a picture."""

    lines: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    folded: str = ""
    picture: Markup | None = None


@dataclass(frozen=True)
class Section:
    """A heading and what is under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """What a page shows."""

    title: str
    lead: Sequence[str] = ()
    state: tuple[str, str] | None = None
    """`good`, `bad` or `plain`, and a sentence."""
    totals: Sequence[Total] = ()
    drawings: Sequence[Drawing] = ()
    layers: Sequence[Sequence[dict[str, Any]]] = ()
    """For each drawing and each of its boxes: `path`, `class_name`, `kind`, and `parts` of a `title` and `rows`."""
    legend: Sequence[str] = ()
    sections: Sequence[Section] = ()
    footer: str = ""


def page_html(page: Page) -> str:
    """The file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (FOLDER / "report.js").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        page=page,
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_digest=Markup(b64encode(hashlib.sha256(script.encode()).digest()).decode()),
        layers=_json(page.layers),
    )


def _json(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it closes the element or opens a comment."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
