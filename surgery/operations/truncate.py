"""`truncate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit, RemoveLayer, SetOutputs
from surgery.model.graph import needed_for
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec, TensorRef
from surgery.operations.operation import Operation, Phase


class Truncate(Operation):
    """Make an inner layer the output; what nothing needs any more goes.

    Every weight that is left stays as it is, so the result computes the inner activation of the source.

    Example:

    ```yaml
    - op: truncate
      after: block5_pool
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["truncate"]

    after: Selector
    """The layer that becomes the output."""

    def claim(self) -> str:
        return "the output is the inner activation of the source"

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        return (self.one(model, "after")[0],)

    def takes_layers(self) -> bool:
        return False

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        path = self.targets(model)[0]
        if "/" in path:
            raise GraphUnsupported(
                f"'{path}' is inside a nested model",
                expected="a layer of the model itself",
                fix=f"after: {path.partition('/')[0]}",
                field=("after",),
            )
        outputs = self._outputs(model, path)
        if tuple(outputs) == model.refs_out():
            return
        yield SetOutputs("", outputs[0] if len(outputs) == 1 else outputs)
        needed = needed_for(model, outputs)
        for layer in reversed(model.layers):
            if layer.name not in needed:
                yield RemoveLayer(layer.name)

    def _outputs(self, model: ModelSpec, name: str) -> list[TensorRef]:
        layer = model.by_name[name]
        if layer.is_input or len(layer.calls) > 1:
            what = "is an input" if layer.is_input else f"is called {len(layer.calls)} times"
            raise GraphUnsupported(
                f"'{name}' {what}, so it is not one output",
                expected="a layer that is called once",
                fix="name the layer that reads the output you mean",
                field=("after",),
            )
        return [TensorRef(name, 0, index) for index in range(max(1, len(layer.outputs)))]
