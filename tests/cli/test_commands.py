"""The commands that need no Keras, in this process: what they print and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from surgery import cli
from surgery.cli.main import PARTS, READ_MODELS, application, run
from tests.networks import classifier, write_network
from tests.recipes_text import write_recipe

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"


def test_inspect_prints_the_layers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(tmp_path / "model.keras", classifier())
    assert run(["inspect", str(tmp_path / "model.keras")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "network (Functional), 7 layers"
    assert lines[4].split() == ["1", "conv1", "Conv2D", "(None,", "6,", "6,", "4)", "40", "yes", "image"]


def test_inspect_json_has_the_contract_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(tmp_path / "model.keras", classifier())
    assert run(["inspect", "--json", str(tmp_path / "model.keras")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"layers", "parameters", "trainable_parameters", "inputs", "outputs"} <= set(document)
    assert document["layers"][1] == {
        "index": 1,
        "path": "conv1",
        "class_name": "Conv2D",
        "output_shape": [None, 6, 6, 4],
        "parameters": 40,
        "trainable_parameters": 40,
        "trainable": True,
        "inbound": ["image"],
    }


def test_inspect_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "nothing.keras"]) == 1
    assert "error[file-missing]" in capsys.readouterr().err


def test_validate_says_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, FREEZE)
    assert run(["validate", str(recipe)]) == 0
    assert capsys.readouterr().out == f"{recipe}: ok\n"


def test_validate_reports_all_errors_of_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "operations:\n  - {op: freze, layers: conv1}\n  - {op: freeze, layer: conv1}\n")
    other = tmp_path / "other.yaml"
    other.write_text("surgery: 2\n")
    assert run(["validate", str(recipe), str(other)]) == 1
    text = capsys.readouterr().err
    assert f"{recipe}:6:10: error[unknown-operation]" in text
    assert f"{recipe}:7:18: error[unknown-key]" in text
    assert f"{other}:1:" in text


def test_plan_prints_steps_and_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(write_recipe(tmp_path, FREEZE))]) == 0
    text = capsys.readouterr().out
    assert "freeze (line 6): conv1" in text
    assert "trainable parameters:" in text


def test_plan_error_has_the_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, 'operations:\n  - op: freeze\n    layers: "convv*"\n')
    assert run(["plan", str(recipe)]) == 1
    assert capsys.readouterr().err.splitlines()[:4] == [
        f"{recipe}:7:13: error[unknown-layer]: freeze: no layer matches 'convv*'",
        "  |",
        '7 |     layers: "convv*"',
        "  |             ^^^^^^^^",
    ]


def test_plan_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--markdown", str(write_recipe(tmp_path, FREEZE))]) == 0
    assert capsys.readouterr().out.startswith("### Plan of test")


def test_set_overrides_a_parameter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "parameters: {which: conv1}\noperations:\n  - {op: freeze, layers: '${which}'}\n")
    assert run(["plan", str(recipe), "--set", "which=conv2"]) == 0
    assert "freeze (line 7): conv2" in capsys.readouterr().out


def test_ops_lists_every_operation(capsys: pytest.CaptureFixture[str]) -> None:
    from surgery.operations import registry

    assert run(["ops"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in registry())


def test_ops_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ops", "freeze"]) == 0
    assert "layers: {to: block4_pool}" in capsys.readouterr().out


def test_ops_knows_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ops", "freez"]) == 1
    assert "freeze" in capsys.readouterr().err


def test_explain_every_code(capsys: pytest.CaptureFixture[str]) -> None:
    from surgery.reporting.catalogue_text import catalogue

    for code in catalogue():
        assert run(["explain", code]) == 0
        assert capsys.readouterr().out.startswith(code)


def test_no_command_at_all_shows_the_help_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert "inspect" in shown.out
    assert shown.err == ""


def test_usage_errors_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, FREEZE)
    assert run(["plan"]) == 2
    assert run(["planne"]) == 2
    assert run(["plan", str(recipe), "--json", "--markdown"]) == 2
    capsys.readouterr()


def test_help_shows_an_example_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    from surgery.cli.app import app

    run(["--help"])
    capsys.readouterr()
    for command in app.registered_commands:
        assert command.callback is not None
        assert "Example: `surgery " in (command.callback.__doc__ or ""), command.callback.__name__


def test_version_names_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("python ")
    assert "keras " in text


def test_a_command_is_found_without_importing_the_others() -> None:
    commands = Path(cli.__file__).parent.glob("*.py")
    names = {file.stem for file in commands} - PARTS - {"__init__"}
    assert set(application().commands) == names
    assert names >= READ_MODELS
    program = "import sys; from surgery.cli.main import application; print(*application(sys.argv[1]).commands)"
    for name, found in (("diff", {"diff"}), ("git", {"git"}), ("nothing", names)):
        said = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True)
        assert set(said.stdout.split()) == found
