"""`reinitialize`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from surgery.model.edits import Edit, FreshWeights
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import Fresh
from surgery.operations.operation import Operation, Phase


class Reinitialize(Operation):
    """Give layers fresh weights from their own initializers.

    The structure stays as it is. The values follow from the recipe's seed and the layer's path, so they are the same at
    every run.

    Example:

    ```yaml
    - op: reinitialize
      layers: [block5_conv3, predictions]
    ```
    """

    phase = Phase.WEIGHTS

    op: Literal["reinitialize"]

    layers: Selector
    """The layers to initialize anew; in a nested model, all of its layers."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        for path in self.targets(model):
            if _has_values(model[path].weights):
                yield FreshWeights(path)
            inner = model[path].inner
            for inner_path, layer in inner.walk(f"{path}/") if inner else ():
                if _has_values(layer.weights):
                    yield FreshWeights(inner_path)


def _has_values(weights: tuple[WeightSpec, ...]) -> bool:
    return any(not isinstance(weight.source, Fresh) for weight in weights)
