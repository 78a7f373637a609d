"""`rename`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from surgery.errors import UnknownLayer
from surgery.model.edits import Edit, RenameLayer
from surgery.model.nearest import did_you_mean
from surgery.model.select import Selector, read_selector
from surgery.model.spec import ModelSpec, split_path
from surgery.operations.operation import LIST_LAYERS, Operation, Phase

LayerName = Annotated[str, Field(pattern=r"^[^/\x00-\x1f]{1,255}$")]


class Rename(Operation):
    """Give layers other names; weights and wiring follow.

    Either a map of old names to new ones, or a `prefix` for every layer that a selector picks. The layers of one operation
    get their names at once, so that two of them can swap.

    Example:

    ```yaml
    - op: rename
      layers: {dense_1: head, dense_2: predictions}
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["rename"]

    prefix: LayerName | None = None
    """Put in front of the name of every layer that `layers` picks."""

    layers: dict[str, LayerName] | Selector
    """Old names and new ones; with `prefix`, the layers to rename."""

    @field_validator("layers", mode="before")
    @classmethod
    def _map_or_selector(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("prefix") is None and not isinstance(value, dict):
            raise PydanticCustomError(
                "wrong-type",
                "without 'prefix', 'layers' is a map of old names to new ones",
                {"expected": "{old: new}", "fix": "layers: {dense_1: head}"},
            )
        # A range is a map, too.
        return value if info.data.get("prefix") is None else read_selector(value)

    def claim(self) -> str:
        return "what the model computes stays as it is"

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        if not isinstance(self.layers, dict):
            return self.select(model, "layers")
        missing = next((old for old in self.layers if model.find(old) is None), None)
        if missing is not None:
            raise UnknownLayer(
                f"no layer is called '{missing}'",
                expected="names of layers of this model",
                fix=did_you_mean(missing, (path for path, _ in model.walk())) or LIST_LAYERS,
                field=("layers", missing),
                mark="key",
            )
        return tuple(self.layers)

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        # What is inside a model is renamed before the model: its path begins with the model's name.
        for path in sorted(self.targets(model), key=lambda path: path.count("/"), reverse=True):
            name = split_path(path)[1]
            new = self.layers[path] if isinstance(self.layers, dict) else f"{self.prefix}{name}"
            if new != name:
                yield RenameLayer(path, new)
