"""What it saves that the frozen layers of a stage are computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from surgery.model.multiply_adds import multiply_adds
from surgery.model.spec import ModelSpec
from surgery.planning.prefix import Prefix


@dataclass(frozen=True)
class Saving:
    """What each further epoch of a stage does not compute, for every example."""

    layers: int
    parameters: int
    multiply_adds: int
    """Those of the layers before the cut."""
    of: int
    """Those of the whole model, once from the inputs to the outputs."""
    uncounted: tuple[str, ...]
    """Layers of which nobody can say how much they multiply; they are in neither number."""
    epochs: int
    """How many further epochs there are."""

    @property
    def described(self) -> str:
        """For the plan."""
        when = {0: "in the next run", 1: "in the second epoch, and in the next run"}.get(
            self.epochs, f"in each of {self.epochs} further epochs, and in the next run"
        )
        layers = "1 layer" if self.layers == 1 else f"{self.layers:,} layers"
        parts = [f"{layers} with {self.parameters:,} parameters"]
        if self.of:
            share = math.floor(1000 * self.multiply_adds / self.of) / 10
            parts.append(f"{share:g} % of the {self.of:,} multiply-adds of an example")
        if self.uncounted:
            parts.append(f"not counted {', '.join(self.uncounted)}")
        return f"saved {when}: {'; '.join(parts)}"


def saving(model: ModelSpec, prefix: Prefix, epochs: int) -> Saving | None:
    """What a prefix of a model saves in so many epochs; None where nothing is computed once."""
    if not prefix.cut:
        return None
    counts = {layer.name: multiply_adds(layer) for layer in model.layers}
    inside = [model.by_name[name] for name in prefix.layers]
    return Saving(
        len(inside),
        sum(layer.parameters for layer in inside),
        sum(counts[layer.name] or 0 for layer in inside),
        sum(count or 0 for count in counts.values()),
        tuple(name for name, count in counts.items() if count is None),
        epochs - 1,
    )
