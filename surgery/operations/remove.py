"""`remove`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from surgery.errors import GraphUnsupported
from surgery.model.calling import told_calls
from surgery.model.edits import Edit, Redirect, RemoveLayer
from surgery.model.select import Selector
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef, split_path
from surgery.operations.operation import Operation, Phase, listed


class Remove(Operation):
    """Take layers out; whoever read them reads what they read.

    Their weights go with them, and the ledger says so; every other weight stays as it is.

    Example:

    ```yaml
    - op: remove
      layers: {class: Dropout}
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["remove"]

    layers: Selector
    """The layers to take out. Each must have one input."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        replaced: dict[tuple[str, TensorRef], TensorRef] = {}
        paths = self.targets(model)
        for path in paths:
            if any(path.startswith(f"{around}/") for around in paths):
                continue  # it goes with the model that it is in
            inside, name = split_path(path)
            layer = model.model_at(inside).by_name[name]
            for index, call in enumerate(layer.calls):
                source = _only_input(layer, call.refs())
                # The layer that feeds this one may have been removed just before.
                while (inside, source) in replaced:
                    source = replaced[inside, source]
                replaced[inside, TensorRef(name, index)] = source
                yield Redirect(inside, TensorRef(name, index), source)
            yield RemoveLayer(path, told_calls(layer))


def _only_input(layer: LayerSpec, refs: tuple[TensorRef, ...]) -> TensorRef:
    outputs = max(len(call.outputs) for call in layer.calls)
    if len(set(refs)) != 1 or outputs > 1:
        what = f"takes {len(refs)} inputs: {listed(tuple(map(str, refs)))}"
        if layer.is_input or len(set(refs)) == 1:
            what = "is an input of the model" if layer.is_input else f"has {outputs} outputs"
        raise GraphUnsupported(
            f"'{layer.name}' {what}, so nothing says what its readers would read",
            expected="layers with one input and one output",
            fix="replace it, or truncate the model before it",
            field=("layers",),
        )
    return refs[0]
