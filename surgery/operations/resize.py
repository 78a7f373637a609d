"""`resize`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.operation import Operation, Phase

if TYPE_CHECKING:
    from surgery.model.channels import Flow

Label = str | int

MOST_ROWS = 1_000_000
"""Of one layer; the plan says of each where it comes from."""


class Labels(BaseModel):
    """What the rows of a layer stand for, before and after."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)

    old: Annotated[list[Label], Field(min_length=1)]
    """The classes as the layer has them now, in the order of its units."""

    new: Annotated[list[Label], Field(min_length=1)]
    """The classes that it shall have, in the order of its units."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("old", "new"):
            labels = getattr(self, name)
            twice = next((label for label, count in Counter(labels).items() if count > 1), None)
            if twice is not None:
                raise PydanticCustomError(
                    "invalid-value",
                    f"the label {twice!r} stands in '{name}' twice".replace("{", "{{").replace("}", "}}"),
                    {"expected": "each label once", "fix": "take one of the two out", "at": (name,)},
                )
        return self


class Resize(Operation):
    """Give a layer other units, or other input channels; the layers that read them follow.

    With `labels` the rows of known classes move to their new places, and only new classes get new rows. With `units` the first
    rows stay. `input_channels` changes what the layer reads, and so the model's input, or the layer that makes the channels. What
    follows: normalizations, depthwise convolutions, and the kernels of the next layers, also through activations, pooling,
    dropout, flattening and concatenation. `new` says what new rows get: values of the layer's initializer, the mean of
    the old rows, or zeros.

    Example:

    ```yaml
    - op: resize
      layer: predictions
      labels:
        old: [cat, dog, horse]
        new: [dog, cat, zebra, horse]
      new: mean
    ```
    """

    phase = Phase.STRUCTURE
    needs_shapes = True

    op: Literal["resize"]

    layer: Selector
    """The layer: Dense, Embedding, a convolution, or an input."""

    labels: Labels | None = None
    """The classes that its units stand for, before and after: `{old: [...], new: [...]}`."""

    units: Annotated[int, Field(ge=1)] | None = None
    """How many units, filters or embedding dimensions it has afterwards."""

    input_channels: Annotated[int, Field(ge=1)] | None = None
    """How many channels it reads afterwards."""

    new: Literal["initializer", "mean", "zero"] = "initializer"
    """What new rows get: `initializer`, `mean` (of the old rows) or `zero`."""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name in ("labels", "units", "input_channels") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "invalid-value",
                f"resize takes one of labels, units and input_channels, and has {' and '.join(given) or 'none'}",
                {"expected": "one of the three", "fix": "units: 10", "at": (given[1],) if given else (), "mark": "key"},
            )
        if (self.units or self.input_channels or 0) > MOST_ROWS:
            raise PydanticCustomError(
                "limit-exceeded",
                f"{given[0]} is more than a plan can tell of one by one",
                {"expected": f"at most {MOST_ROWS}", "at": (given[0],)},
            )
        return self

    def names_layers(self) -> bool:
        """What follows it depends on the wiring that other operations leave."""
        return False

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        return (self.one(model, "layer")[0],)

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        path, _ = self.one(model, "layer")
        # NumPy, which they need, would slow down whoever only lists operations.
        import numpy as np

        from surgery.model.channels import changed_channels, trace

        flow = trace(model)
        maker = self._maker(flow, path)
        old = flow.spaces[maker]
        fixed = flow.fixed(ends=False)
        reason = next((fixed[root] for root in flow.joins.roots(old).tolist() if root in fixed), None)
        if reason is not None:
            raise _refusal(f"the channels of '{maker}' cannot be followed: {reason}")
        rows = [*self._rows(len(old))]
        new = [int(old[row]) if row is not None else flow.total + place for place, row in enumerate(rows)]
        if new != old.tolist():
            yield from changed_channels(model, flow, {maker: np.array(new, np.int64)}, self.new)

    def _rows(self, count: int) -> Sequence[int | None]:
        """For each new row the old one that it takes."""
        if self.labels is None:
            size = self.units or self.input_channels or 0
            return [row if row < count else None for row in range(size)]
        if len(self.labels.old) != count:
            raise _refusal(
                f"'labels: old' has {len(self.labels.old)} classes, and the layer has {count} units",
                expected=f"{count} labels, one for each unit",
                field=("labels", "old"),
                fix=f"write all {count} under 'old', in the order of the units",
            )
        places = {label: row for row, label in enumerate(self.labels.old)}
        return [places.get(label) for label in self.labels.new]

    def _maker(self, flow: Flow, path: str) -> str:
        """The layer that makes the channels in question."""
        if self.input_channels is None:
            if path in flow.spaces:
                return path
            raise _refusal(
                f"'{path}' makes no channels of its own",
                expected="Dense, Embedding, a convolution",
                fix="name the layer that makes its channels",
            )
        if path in flow.spaces and not any(owner == path for owner, _ in flow.uses):
            return path
        read = [
            set(atoms.tolist())
            for (owner, key), axes in flow.uses.items()
            for axis, atoms in axes.items()
            if owner == path and flow.made.get((owner, key)) != axis
        ]
        makers = [name for name, atoms in flow.spaces.items() if read and read[0] == set(atoms.tolist())]
        if not makers:
            raise _refusal(
                f"'{path}' does not read the channels of one layer alone",
                expected="a layer with a kernel over the channels of one other",
                fix="resize the layers that it reads, with 'units'",
            )
        return makers[0]


def _refusal(
    what: str,
    expected: str = "a layer whose channels every reader passes on, or has a kernel for",
    field: tuple[str, ...] = ("layer",),
    fix: str = "replace it with a layer of that size, and its readers with new ones: op: replace, weights: overlap",
) -> GraphUnsupported:
    return GraphUnsupported(what, expected=expected, fix=fix, field=field)
