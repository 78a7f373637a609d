"""`freeze`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from surgery.model.edits import Edit
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.operation import Operation, Phase
from surgery.operations.trainable import set_trainable


class Freeze(Operation):
    """Keep training from changing the weights of some layers.

    The structure and every weight stay as they are. A frozen BatchNormalization also runs in inference mode, as Keras
    does; a frozen nested model freezes its layers.

    Example:

    ```yaml
    - op: freeze
      layers: {to: block4_pool}
    ```
    """

    phase = Phase.TRAINABILITY

    op: Literal["freeze"]

    layers: Selector
    """The layers to freeze."""

    def claim(self) -> str:
        return "what the model computes stays as it is"

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        return set_trainable(model, self.targets(model), False)
