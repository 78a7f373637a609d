"""`unfreeze`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from surgery.model.edits import Edit
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.operation import Operation, Phase
from surgery.operations.trainable import set_trainable


class Unfreeze(Operation):
    """Let training change the weights of some layers again.

    The structure and every weight stay as they are. An unfrozen BatchNormalization updates its statistics again when it is
    trained, as Keras does; an unfrozen nested model unfreezes its layers.

    Example:

    ```yaml
    - op: unfreeze
      layers: {from: block5_conv1, to: block5_pool}
    ```
    """

    phase = Phase.TRAINABILITY

    op: Literal["unfreeze"]

    layers: Selector
    """The layers to unfreeze."""

    def claim(self) -> str:
        return "what the model computes stays as it is"

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        return set_trainable(model, self.targets(model), True)
