"""`append`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit, Redirect
from surgery.model.keras_object import LayerObject
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec, TensorRef
from surgery.operations.chain import added, after, wire
from surgery.operations.operation import Operation, Phase, listed


class Append(Operation):
    """Add layers after an output; the last of them becomes the output.

    Every weight of the model stays as it is; the new layers' weights are fresh. With several outputs `to` says which one
    goes on.

    Example:

    ```yaml
    - op: append
      layers:
        - GlobalAveragePooling2D: {}
        - Dense: {units: 5, activation: softmax, name: flowers}
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["append"]

    layers: Annotated[list[LayerObject], Field(min_length=1)]
    """The new layers, in a chain."""

    to: Selector | None = None
    """The output layer to go on from; may be left out when the model has one output."""

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        return (self._output(model).layer,)

    def takes_layers(self) -> bool:
        return False

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        output = self._output(model)
        chain = wire(model, self.layers, after([output]), field="layers")
        yield Redirect("", output, chain.ends[0], consumers=())
        yield from added(model, "", chain.layers)

    def _output(self, model: ModelSpec) -> TensorRef:
        outputs = tuple(dict.fromkeys(model.refs_out()))
        names = tuple(dict.fromkeys(ref.layer for ref in outputs))
        if self.to is not None:
            name, _ = self.one(model, "to")
            outputs = tuple(ref for ref in outputs if ref.layer == name)
            if not outputs:
                raise GraphUnsupported(
                    f"'{name}' is not an output of the model",
                    expected=f"one of the outputs: {listed(names)}",
                    fix=f"to: {names[0]}; a further output is made by: op: branch",
                    field=("to",),
                )
        if len(outputs) != 1:
            raise GraphUnsupported(
                f"the model has {len(outputs)} outputs: {listed(names)}",
                expected="the one to go on from, in 'to'",
                fix=f"to: {names[0]}",
            )
        return outputs[0]
