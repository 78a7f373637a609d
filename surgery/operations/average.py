"""`average`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit, SetWeights
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.model.weights import Averaged, Stored
from surgery.operations.checkpoint import open_checkpoint, weighted, weights_of
from surgery.operations.operation import Operation, Phase


class Average(Operation):
    """Average the weights of the model with those of other checkpoints of the same architecture.

    Every variable becomes the weighted mean over all files, summed in double precision, the moving statistics of normalizations
    among them. `weights` has a share for the model itself, then one for each file; left out, all count alike. A missing
    or mismatching variable is an error that lists them all.

    Paper: Wortsman et al., Model soups, 2022.

    Example:

    ```yaml
    - op: average
      with: [epoch-8.keras, epoch-9.keras]
      weights: [2, 1, 1]
    ```
    """

    phase = Phase.WEIGHTS
    reads_files = True
    model_files = "with"

    op: Literal["average"]

    with_: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, alias="with")]
    """The other checkpoints, relative to the recipe."""

    weights: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = None
    """How much each counts: the model itself, then the files in their order. They are scaled to a sum of 1."""

    layers: Selector | None = None
    """The layers whose weights are averaged. Left out: all."""

    @model_validator(mode="after")
    def _as_many_weights(self) -> Self:
        count = len(self.with_) + 1
        if self.weights is not None and (len(self.weights) != count or not sum(self.weights)):
            raise PydanticCustomError(
                "invalid-value",
                f"'weights' has {len(self.weights)} numbers, with a sum of {sum(self.weights):g}, for {count} models",
                {"expected": f"{count} numbers: the model's own first, then one for each file", "at": ("weights",)},
            )
        return self

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        if self.layers is not None:
            return self.select(model, "layers")
        return tuple(path for path, layer in model.walk() if layer.weights)

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        shares = self.weights or [1.0] * (len(self.with_) + 1)
        shares = [share / sum(shares) for share in shares]
        pairs = [(path, path) for path in weighted(model, self.targets(model))]
        others = []
        for index, file in enumerate(self.with_):
            other = open_checkpoint(self.library, file, ("with", index))
            others.append(weights_of(model, other, file, pairs))
        for path in others[0]:
            own = {weight.key: weight for weight in model[path].weights}
            sources = []
            for number, (key, _) in enumerate(others[0][path]):
                stored = own[key].source
                if not isinstance(stored, Stored):
                    raise _made_anew(path, own[key].name)
                parts = (stored, *(found[path][number][1] for found in others))
                sources.append((key, Averaged(tuple(zip(parts, shares, strict=True)))))
            if sources:
                yield SetWeights(path, tuple(sources))


def _made_anew(path: str, name: str) -> GraphUnsupported:
    return GraphUnsupported(
        f"the {name} of '{path}' is not simply that of a file, so that it is no checkpoint's to average",
        expected="layers whose weights are in the source model",
        fix="average in a recipe of its own, or choose other layers",
        field=("layers",),
    )
