"""`lora`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from surgery.errors import GraphUnsupported
from surgery.model.edits import Edit, UpdateConfig
from surgery.model.select import Selector
from surgery.model.spec import LayerSpec, ModelSpec
from surgery.operations.operation import Operation, Phase, listed

ADAPTABLE = ("Dense", "EinsumDense", "Embedding", "Conv1D", "Conv2D", "Conv3D")


class Lora(Operation):
    """Train a low-rank addition to layers instead of their kernels: Keras' own LoRA.

    Each kernel stays as it is and is not trained any more; beside it stand two small matrices whose product, times alpha /
    rank, is added to it. They begin so that nothing is added. The bias trains as before. Keras keeps no adapter in a file: what is
    written holds the kernels with the addition in them, and the rank. `merge_lora` then takes the rank away, too.

    Paper: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021.

    Example:

    ```yaml
    - op: lora
      layers: {class: [Dense, EinsumDense]}
      rank: 8
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["lora"]

    layers: Selector
    """The layers to adapt: Dense, EinsumDense, Embedding, Conv1D, Conv2D, Conv3D."""

    rank: Annotated[int, Field(ge=1)]
    """The rank of the addition."""

    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The addition counts alpha / rank. Left out, it counts once."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        paths = self.targets(model)
        self._refuse(model, paths)
        for path in paths:
            changes = {"lora_rank": self.rank, "lora_alpha": self.alpha or self.rank}
            if any(model[path].config.get(key) != value for key, value in changes.items()):
                yield UpdateConfig(path, changes)

    def _refuse(self, model: ModelSpec, paths: tuple[str, ...]) -> None:
        other = tuple(path for path in paths if model[path].class_name not in ADAPTABLE)
        if other:
            raise GraphUnsupported(
                f"{listed(other)} cannot be adapted",
                expected=f"layers of the classes {', '.join(ADAPTABLE)}",
                fix="layers: {class: [Dense, EinsumDense]}",
                field=("layers",),
            )
        for path in paths:
            reason = _obstacle(model[path])
            if reason:
                raise GraphUnsupported(
                    f"'{path}' {reason}, which Keras does not adapt",
                    expected="a layer without it",
                    fix="leave it out of 'layers'",
                    field=("layers",),
                )


def _obstacle(layer: LayerSpec) -> str | None:
    if layer.config.get("kernel_constraint") or layer.config.get("embeddings_constraint"):
        return "has a constraint on its kernel"
    if layer.config.get("quantization_config"):
        return "is quantized"
    return None
