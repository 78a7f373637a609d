"""`insert`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from surgery.errors import GraphUnsupported
from surgery.model.congruence import is_inert
from surgery.model.edits import Edit, Redirect
from surgery.model.keras_object import LayerObject
from surgery.model.select import Selector
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef, join_path, split_path
from surgery.operations.chain import added, after, wire
from surgery.operations.operation import Operation, Phase, inside_of, listed


class Insert(Operation):
    """Put layers on an edge of the graph: before a layer, or after one.

    Every weight of the model stays as it is; the new layers' weights are fresh. `after` feeds everybody who read that
    layer, or only the `consumers`; a shared layer gets the new layers at each of its calls, shared too.

    Example:

    ```yaml
    - op: insert
      before: predictions
      layers:
        - Dropout: {rate: 0.25, name: head_dropout}
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["insert"]

    layers: Annotated[list[LayerObject], Field(min_length=1)]
    """The new layers, in a chain."""

    before: Selector | None = None
    """The layer that they feed."""

    after: Selector | None = None
    """The layer that feeds them."""

    consumers: Selector | None = None
    """With `after`: the layers that read the new chain; all who read the layer, and the output, when left out."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.before is None) == (self.after is None):
            raise PydanticCustomError(
                "missing-key" if self.before is None else "invalid-value",
                "insert needs one of 'before' and 'after'",
                {"expected": "before: LAYER, or after: LAYER", "fix": "keep one of the two"},
            )
        if self.before is not None and self.consumers is not None:
            raise PydanticCustomError(
                "invalid-value",
                "'consumers' goes with 'after'",
                {"expected": "after: LAYER and consumers: LAYERS", "fix": "leave it out", "at": ("consumers",)},
            )
        return self

    def targets(self, model: ModelSpec) -> tuple[str, ...]:
        return (self.one(model, "before" if self.after is None else "after")[0],)

    def takes_layers(self) -> bool:
        return False

    def claim(self) -> str | None:
        inert = all(is_inert(each.class_name, each.config) and not each.call.get("training") for each in self.layers)
        return "what the model computes stays as it is, outside training" if inert else None

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        path = self.targets(model)[0]
        inside, name = split_path(path)
        inner = model.model_at(inside)
        layer = inner.by_name[name]
        edges = self._before(layer) if self.after is None else self._after(layer)
        readers = (name,) if self.after is None else self._readers(model, inside, name)
        chain = wire(inner, self.layers, after(edges), field="layers")
        for old, new in zip(edges, chain.ends, strict=True):
            yield Redirect(inside, old, new, consumers=readers, outputs=readers is None)
        yield from added(model, inside, chain.layers)

    def _before(self, layer: LayerSpec) -> tuple[TensorRef, ...]:
        edges = tuple(dict.fromkeys(ref for call in layer.calls for ref in call.refs()))
        several = next((call.refs() for call in layer.calls if len(set(call.refs())) > 1), ())
        if several or not edges:
            raise GraphUnsupported(
                f"'{layer.name}' takes {len(several) or 'no'} inputs: {listed(tuple(map(str, several)))}",
                expected="a layer with one input",
                fix=f"after: {several[0].layer}, consumers: {layer.name}" if several else f"after: {layer.name}",
                field=("before",),
            )
        return edges

    def _after(self, layer: LayerSpec) -> tuple[TensorRef, ...]:
        outputs = max((len(call.outputs) for call in layer.calls), default=1)
        if outputs > 1:
            raise GraphUnsupported(
                f"'{layer.name}' has {outputs} outputs",
                expected="a layer with one output",
                fix="insert before the layer that reads the output you mean",
                field=("after",),
            )
        return tuple(TensorRef(layer.name, index) for index in range(len(layer.calls)))

    def _readers(self, model: ModelSpec, inside: str, name: str) -> tuple[str, ...] | None:
        if self.consumers is None:
            return None
        chosen = self.select(model, "consumers")
        readers = tuple(
            join_path(inside, layer.name) for layer in model.model_at(inside).layers if name in layer.inbound
        )
        strangers = tuple(path for path in chosen if path not in readers)
        if strangers:
            raise GraphUnsupported(
                f"{listed(strangers)} does not read '{name}'",
                expected=f"some of those that do: {listed(readers)}",
                fix=f"consumers: {readers[0]}" if readers else "leave 'consumers' out",
                field=("consumers",),
            )
        inside_of(chosen, "consumers")
        return tuple(split_path(path)[1] for path in chosen)
