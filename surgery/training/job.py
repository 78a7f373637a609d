"""What a run is to do, and in which circumstances."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from surgery.planning import Plan
from surgery.planning.facts import Facts
from surgery.recipe import Recipe
from surgery.recipe.training import Training, byte_count
from surgery.training.frozen_prefix.features import Budget
from surgery.training.loss_scale import SCALED
from surgery.training.progress import Progress
from surgery.training.record import shown
from surgery.training.resuming.store import Store


@dataclass(frozen=True)
class Job:
    """What all parts of a run need."""

    plan: Plan
    trust: tuple[str, ...]
    device: str
    progress: Progress
    output: Path | None
    """Where to write the model; None for the folder of the run."""
    cache: bool = True
    store: Store = field(default_factory=Store)
    """What later runs can take over."""

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def runs(self) -> Path:
        """The folder of all runs of this recipe."""
        beside = self.recipe.folder if self.output is None else self.output.parent
        return beside / "runs" / self.recipe.name

    @property
    def command(self) -> str:
        """What starts it."""
        named = self.recipe.resolve(self.recipe.outputs.model) if self.recipe.outputs.model else None
        output = "" if self.output is None or self.output == named else f" -o {shown(self.output)}"
        return f"surgery run {shown(self.recipe.path)}{output}"

    def budget(self, training: Training) -> Budget | None:
        """The room for what frozen layers are computed to. On a GPU they may round otherwise alone than in one function with the
        rest: there it has some only where it is asked for."""
        if not self.cache or (self.device != "cpu" and "cache" not in training.model_fields_set):
            return None
        memory, disk = byte_count(training.cache.memory), byte_count(training.cache.disk)
        folder = self.store.folder
        return Budget(memory, 0, Path()) if folder is None else Budget(memory, disk, folder / "features")

    def circumstances(self, facts: Facts) -> Facts:
        """The facts with what the command line and the machine add to them."""
        cache = "yes" if self.cache else "no"
        found = {**facts, "device": self.device, "cache": cache, "trust": " ".join(self.trust)}
        scaled = self.recipe.training is not None and self.recipe.training.precision == SCALED
        return {**found, "loss scale": "dynamic"} if scaled else found
