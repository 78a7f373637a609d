"""`branch`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit, SetOutputs
from surgery.model.keras_object import LayerObject
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec, TensorRef, with_leaf
from surgery.operations.chain import added, after, wire
from surgery.operations.operation import Operation, Phase


class Branch(Operation):
    """Grow a further head: layers that start from an inner layer and end in one more output.

    Every output and every weight of the model stays as it is; the new layers' weights are fresh. The new output comes last:
    one output becomes a list of two, a list grows by one, and outputs in a dict get the key that is the name of the last new
    layer. Losses and metrics are then given by output.

    Example:

    ```yaml
    - op: branch
      from: block5_pool
      layers:
        - GlobalAveragePooling2D: {name: age_pool}
        - Dense: {units: 1, name: age}
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["branch"]

    from_: Annotated[Selector, Field(alias="from")]
    """The layer whose output the new layers read."""

    layers: Annotated[list[LayerObject], Field(min_length=1)]
    """The new layers, in a chain; the last one is the new output."""

    def claim(self) -> str:
        return "the outputs that were there stay as they are"

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        return (self.one(model, "from")[0],)

    def takes_layers(self) -> bool:
        return False

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        start = self._start(model)
        chain = wire(model, self.layers, after([start]), field="layers")
        yield from added(model, "", chain.layers)
        yield SetOutputs("", with_leaf(model.outputs, chain.ends[0], chain.ends[0].layer))

    def _start(self, model: ModelSpec) -> TensorRef:
        path, layer = self.one(model, "from")
        if "/" in path:
            what, fix = "is inside a nested model", f"from: {path.partition('/')[0]}"
        elif len(layer.calls) > 1:
            what, fix = f"is called {len(layer.calls)} times", "name a layer that reads the call you mean"
        elif len(layer.outputs) > 1:
            what, fix = f"has {len(layer.outputs)} outputs", "name a layer that reads the output you mean"
        else:
            return TensorRef(path)
        raise GraphUnsupported(
            f"'{path}' {what}, so no head can start from it",
            expected="a layer of the model itself with one output",
            fix=fix,
            field=("from",),
        )
