"""Plain values of a command line, which typer would have pydantic convert."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer.core

from surgery.cli.main import run
from surgery.cli.plain import Plain, _of_typer
from tests.networks import classifier, write_network


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (str, "a"),
        (str, ""),
        (str, None),
        (bool, True),
        (bool, None),
        (Path, "a/b"),
        (Path, None),
        (list[str], ("a", "b")),
        (list[str], ()),
        (list[str], None),
        (list[Path], ["a"]),
    ],
)
def test_values_are_what_typer_makes_of_them(annotation: Any, value: Any) -> None:
    assert _of_typer is not None, "typer has its converters in another place"
    info = typer.Option()
    descriptor = typer._coercion.resolve_type_descriptor(annotation, info)
    parameter = SimpleNamespace(multiple=annotation in (list[str], list[Path]), nargs=1)
    context = SimpleNamespace()
    ours = Plain(descriptor).coerce(value, param=parameter, ctx=context)
    assert ours == _of_typer(descriptor).coerce(value, param=parameter, ctx=context)


def test_what_no_terminal_can_show_is_left_to_typer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "a\udcffb.keras"]) != 3


def test_models_are_shown_and_compared_without_pydantic(tmp_path: Path) -> None:
    write_network(tmp_path / "model.keras", classifier())
    program = "import sys; from surgery.cli.main import run; assert run(sys.argv[1:]) == 0; sys.exit('pydantic' in sys.modules)"
    for command in ("inspect model.keras", "diff model.keras model.keras", "scan model.keras"):
        subprocess.run([sys.executable, "-c", program, *command.split()], cwd=tmp_path, check=True, capture_output=True)
