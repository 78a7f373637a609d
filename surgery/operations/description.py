"""The operations as documents: fields, defaults and the example of each, printed from the code."""

from __future__ import annotations

import inspect
import re
from dataclasses import asdict, dataclass
from typing import Any

from surgery.errors import UnknownOperation
from surgery.model.docstrings import field_docstrings
from surgery.model.nearest import did_you_mean
from surgery.operations import Operation, registry


@dataclass(frozen=True)
class FieldText:
    """One key of an operation."""

    name: str
    description: str
    required: bool
    default: Any


@dataclass(frozen=True)
class Description:
    """One operation: what its docstring says, its fields, its example in YAML."""

    name: str
    summary: str
    text: str
    example: str
    phase: str
    fields: tuple[FieldText, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(name: str) -> Description:
    """One operation by name.

    Raises:
        UnknownOperation: when there is none of that name.
    """
    operation = registry().get(name)
    if operation is None:
        raise UnknownOperation(
            f"no operation is called '{name}'",
            expected=f"one of {', '.join(registry())}",
            fix=did_you_mean(name, registry()) or "list them with: surgery ops",
        )
    return _description(operation)


def described() -> list[Description]:
    """Every operation."""
    return [_description(operation) for operation in registry().values()]


def _description(operation: type[Operation]) -> Description:
    document = inspect.getdoc(operation) or ""
    summary, _, rest = document.partition("\n\n")
    text, _, example = rest.partition("Example:")
    found = re.search(r"```yaml\n(.*?)```", example, re.DOTALL)
    return Description(
        name=operation.name(),
        summary=_line(summary),
        text="\n\n".join(_line(part) for part in text.strip().split("\n\n")),
        example=found.group(1).rstrip() if found else "",
        phase=operation.phase.name.lower(),
        fields=tuple(_field(operation, name) for name in operation.model_fields if name != "op"),
    )


def _field(operation: type[Operation], name: str) -> FieldText:
    info, text = operation.model_fields[name], field_docstrings(operation).get(name, "")
    required = info.is_required()
    return FieldText(info.alias or name, _line(text), required, None if required else info.default)


def _line(text: str) -> str:
    return " ".join(text.split())
