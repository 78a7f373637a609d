"""Prints the reference pages from the code: `python docs/print_reference.py docs/reference`. Keras is not needed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel

from surgery.cli.app import app
from surgery.cli.main import register
from surgery.errors import SurgeryError
from surgery.model.docstrings import field_docstrings
from surgery.operations import Operation
from surgery.operations.description import Description, described
from surgery.recipe import data, evaluation, guards, source, training
from surgery.recipe.recipe import Outputs, Recipe
from surgery.reporting.catalogue_text import catalogue, findings

PRINTED = "<!-- Printed from the code by docs/print_reference.py: make docs. -->"

RECIPE: Sequence[tuple[str, type[BaseModel]]] = (
    ("A recipe", Recipe),
    ("model: a file", source.FileModel),
    ("model: of keras.applications", source.ApplicationModel),
    ("model: a KerasHub preset", source.PresetModel),
    ("model: from a factory", source.FactoryModel),
    ("training", training.Training),
    ("training.cache", training.Cache),
    ("training.guards: l2_sp", guards.L2SP),
    ("training.guards: ewc", guards.EWC),
    ("training.guards: distill", guards.Distill),
    ("training.guards: replay", guards.Replay),
    ("training.data", training.TrainingData),
    ("a training stage", training.Stage),
    ("learning_rates: some layers", training.LearningRate),
    ("weight_decay: some layers", training.WeightDecay),
    ("warmup", training.Warmup),
    ("data: npz", data.NpzData),
    ("data: csv", data.CsvData),
    ("data: image_folder", data.ImageFolderData),
    ("data: factory", data.FactoryData),
    ("an evaluation", evaluation.Evaluation),
    ("outputs", Outputs),
)


def operations_page() -> Iterator[str]:
    yield "# Operations\n"
    yield from _table(("op", "effect"), ((f"[`{entry.name}`](#{entry.name})", entry.summary) for entry in described()))
    yield "\nEvery operation also takes:\n"
    yield from _table(
        ("field", "", "meaning"), (_field(Operation, name) for name in Operation.model_fields if name != "op")
    )
    for entry in described():
        yield f"\n## {entry.name}\n\n{entry.summary}\n\n{entry.text}\n\n```yaml\n{entry.example}\n```\n"
        yield from _table(("field", "", "meaning"), _operation_fields(entry))


def _operation_fields(entry: Description) -> Iterator[tuple[str, str, str]]:
    own = [field for field in entry.fields if field.name not in Operation.model_fields]
    for field in sorted(own, key=lambda field: not field.required):
        yield f"`{field.name}`", "required" if field.required else "", field.description


def recipe_page() -> Iterator[str]:
    yield "# Every key of a recipe\n"
    for title, part in RECIPE:
        yield f"\n## {title}\n\n{_text(part)}\n"
        yield from _table(("key", "", "meaning"), (_field(part, name) for name in part.model_fields))


def _field(part: type[BaseModel], name: str) -> tuple[str, str, str]:
    info, text = part.model_fields[name], field_docstrings(part).get(name, "")
    return f"`{info.alias or name}`", "required" if info.is_required() else "", " ".join(text.split())


def errors_page() -> Iterator[str]:
    yield "# Errors\n"
    yield "The code stands in the first line of an error, `error[CODE]`; `surgery explain CODE` prints the same text.\n"
    yield from _table(("code", "exit status", "meaning"), map(_error, catalogue().items()))
    yield "\n## What a scan can find\n"
    yield "Codes of `surgery scan`, and of every command that reads a model file, in the text of `model-unsafe`.\n"
    yield from _table(("code", "meaning"), ((f"`{code}`", meaning) for code, meaning in findings().items()))


def _error(entry: tuple[str, type[SurgeryError]]) -> tuple[str, str, str]:
    code, kind = entry
    return f"`{code}`", str(kind.exit_status), _text(kind)


def commands_page() -> Iterator[str]:
    import typer.main

    register()
    yield "# Commands\n"
    for name, entry in _commands(typer.main.get_command(app), "surgery"):
        yield f"\n## {name}\n\n{entry.help}\n"  # type: ignore[attr-defined]
        rows = [(_option(parameter), parameter.help or "") for parameter in entry.params]  # type: ignore[attr-defined]
        if rows:
            yield from _table(("argument", "meaning"), rows)


def _commands(group: object, prefix: str) -> Iterator[tuple[str, object]]:
    """Every command that help shows; of a group its commands."""
    for name, entry in sorted(group.commands.items()):  # type: ignore[attr-defined]
        if hasattr(entry, "commands"):
            yield from _commands(entry, f"{prefix} {name}")
        elif not entry.hidden:
            yield f"{prefix} {name}", entry


def _option(parameter: object) -> str:
    names, metavar = parameter.opts, parameter.metavar  # type: ignore[attr-defined]
    if parameter.param_type_name == "argument":  # type: ignore[attr-defined]
        return f"`{metavar}`"
    return f"`{', '.join(names)}{f' {metavar}' if metavar else ''}`"


def _text(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


PAGES = {"operations": operations_page, "recipe": recipe_page, "errors": errors_page, "commands": commands_page}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / f"{name}.md").write_text("\n".join((PRINTED, *page())) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
