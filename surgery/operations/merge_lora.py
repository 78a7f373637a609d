"""`merge_lora`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from surgery.model.edits import Edit, UpdateConfig
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.operation import Operation, Phase


class MergeLora(Operation):
    """Make layers with LoRA plain layers again, which compute the same.

    Keras adds an adapter to its kernel when it saves, so that the file holds the sum already: every stored weight stays as it is,
    and the adapter, which is not in the file, goes. The kernels can be trained again.

    Example:

    ```yaml
    - op: merge_lora
      layers: "*"
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["merge_lora"]

    layers: Selector
    """The layers to merge; those without LoRA stay as they are, and of a nested model all of its layers are meant."""

    def claim(self) -> str:
        return "the plain layers compute what the adapted ones did"

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        done: set[str] = set()
        for path in self.targets(model):
            inner = model[path].inner
            for each, layer in inner.walk(f"{path}/") if inner else [(path, model[path])]:
                if layer.config.get("lora_rank") and each not in done:
                    done.add(each)
                    yield UpdateConfig(each, {"lora_rank": None, "lora_alpha": None})
