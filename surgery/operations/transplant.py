"""`transplant`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from surgery.errors import UnknownLayer
from surgery.model.edits import Edit, SetWeights
from surgery.model.nearest import did_you_mean
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.checkpoint import open_checkpoint, weighted, weights_of
from surgery.operations.operation import Operation, Phase


class Transplant(Operation):
    """Take the weights of layers from another model file.

    The structure stays as it is. Layers take the weights of those of the same path in the other file; `map` says what they are
    called there instead. Without both, every layer of the model takes its weights from there. A layer or variable that
    is missing there, or has another shape or dtype, is an error that lists them all.

    Example:

    ```yaml
    - op: transplant
      from: pretrained.keras
      layers: "block*"
    ```
    """

    phase = Phase.WEIGHTS
    reads_files = True
    model_files = "from"

    op: Literal["transplant"]

    from_: Annotated[str, Field(alias="from", min_length=1)]
    """A `.keras` file or folder, or `.h5`/`.hdf5`; relative to the recipe."""

    layers: Selector | None = None
    """The layers that take weights. Left out: all."""

    map: Annotated[dict[str, str], Field(min_length=1)] | None = None
    """Layers of this model, and what each is called in the other file: `{conv1: stem_conv}`."""

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.layers is not None and self.map is not None:
            raise PydanticCustomError(
                "invalid-value",
                "'layers' and 'map' exclude each other",
                {"expected": "one of them, or none for the whole model", "at": ("map",), "mark": "key"},
            )
        return self

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        if self.map is not None:
            for path in self.map:
                if model.find(path) is None:
                    known = [path for path, _ in model.walk()]
                    raise UnknownLayer(
                        f"no layer is called '{path}'",
                        expected="paths of layers of this model",
                        fix=did_you_mean(path, known) or "list them with: surgery inspect",
                        field=("map", path),
                    )
            return tuple(self.map)
        if self.layers is not None:
            return self.select(model, "layers")
        return tuple(path for path, layer in model.walk() if layer.weights)

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        other = open_checkpoint(self.library, self.from_, ("from",))
        names = self.map or {}
        pairs = [(path, names.get(path, path)) for path in weighted(model, self.targets(model))]
        for path, sources in weights_of(model, other, self.from_, pairs).items():
            now = {weight.key: weight.source for weight in model[path].weights}
            changed = tuple((key, source) for key, source in sources if now[key] != source)
            if changed:
                yield SetWeights(path, changed)
