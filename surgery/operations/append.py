"""`append`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit, Redirect, SetOutputs
from surgery.model.keras_object import LayerObject
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec, TensorRef
from surgery.operations.chain import added, after, wire
from surgery.operations.operation import Operation, Phase, listed


class Append(Operation):
    """Add layers after an output; the last of them becomes the output.

    Every weight of the model stays as it is; the new layers' weights are fresh. With several outputs `to` says which one
    goes on, or the `inputs` of the first layer name those that do: together they become one output.

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
    """The output layer to go on from; may be left out when the model has one output, or the first layer names its inputs."""

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        return tuple(dict.fromkeys(ref.layer for ref in self._outputs(model)))

    def takes_layers(self) -> bool:
        return False

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        first, *others = self._outputs(model)
        chain = wire(model, self.layers, after([first]), field="layers")
        if others:
            yield SetOutputs("", _without(model.outputs, others))
        yield Redirect("", first, chain.ends[0], consumers=())
        yield from added(model, "", chain.layers)

    def _outputs(self, model: ModelSpec) -> tuple[TensorRef, ...]:
        """The output to go on from, or those that the first layer names."""
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
        named = next((layer.inputs for layer in self.layers if layer.class_name != "InputLayer"), None) or ()
        joined = tuple(ref for ref in outputs if ref.layer in named)
        if len(outputs) > 1 and joined and self.to is None:
            return joined
        if len(outputs) != 1:
            raise GraphUnsupported(
                f"the model has {len(outputs)} outputs: {listed(names)}",
                expected="the one to go on from, in 'to'",
                fix=f"to: {names[0]}",
            )
        return outputs


def _without(structure: Any, refs: Sequence[TensorRef]) -> Any:
    """The outputs but for some; one that is left alone stands for itself."""
    if isinstance(structure, Mapping):
        return {key: value for key, value in structure.items() if value not in refs}
    if not isinstance(structure, list | tuple):
        return structure
    left = [_without(item, refs) for item in structure if item not in refs]
    return left[0] if len(left) == 1 else left
