"""What of a stage is taken up when a run is resumed, and which stages need not be done again; told without Keras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from surgery.planning.facts import Facts, data_sources, input_facts
from surgery.planning.plan import Plan
from surgery.recipe import Recipe
from surgery.recipe.data import FactoryData, file_of
from surgery.recipe.recipe import Outputs
from surgery.recipe.training import Stage

ANEW = frozenset({"TensorBoard", "OrbaxCheckpoint"})
"""Callbacks that write for themselves, and begin anew in a resumed stage."""
LEFT_OUT = frozenset({"BackupAndRestore"})
"""Callbacks that would put a state of their own in place of the checkpoint's."""
WRITING = frozenset({"CSVLogger", "ModelCheckpoint", "RemoteMonitor"}) | ANEW | LEFT_OUT
"""Callbacks that leave something beside the weights."""


def done_again_because(recipe: Recipe, stage: Stage) -> str | None:
    """Why a stage is done in every run, even if everything that it follows from is as it was. None where it is not."""
    if recipe.imports:
        return f"the code of {recipe.imports[0]} may have changed"
    if any(isinstance(data, FactoryData) for data in data_sources(_without_looks(recipe))):
        return "a factory makes its batches"
    writing = next((one for one in stage.callbacks if one.class_name in WRITING), None)
    return None if writing is None else f"{writing.class_name} writes files"


def resuming_notes(recipe: Recipe, stages: Iterable[Stage]) -> Iterator[str]:
    """Sentences for the plan on what is not as plain as that."""
    for stage in stages:
        names = [one.class_name for one in stage.callbacks]
        if (why := done_again_because(recipe, stage)) is not None:
            yield f"Stage '{stage.name}' is done in every run: {why}."
        for name in names:
            if name in ANEW:
                yield f"{name} of stage '{stage.name}' begins anew when the run is resumed."
            if name in LEFT_OUT:
                yield f"{name} of stage '{stage.name}' is left out when the run is resumed: the checkpoint does its work."


def resuming_facts(plan: Plan) -> Facts:
    """Every fact that a run follows from, but where it writes."""
    return input_facts(replace(plan, recipe=plan.recipe.model_copy(update={"outputs": Outputs()})))


def stage_facts(recipe: Recipe, facts: Facts) -> Facts:
    """Those of the facts that the weights after any stage follow from: no evaluations, and not the stages themselves."""
    learned = list(data_sources(_without_looks(recipe)))
    looked_at = (file_of(source) for source in data_sources(recipe) if source not in learned)
    files = [named for named in looked_at if named is not None]
    without = {f"data {word} {path}" for kind, path in files for word in (kind, "classes")}
    parts = ("recipe evaluation", "recipe training stages")
    return {name: fact for name, fact in facts.items() if not name.startswith(parts) and name not in without}


def _without_looks(recipe: Recipe) -> Recipe:
    """The recipe up to the end of its training."""
    return recipe.model_copy(update={"evaluation": (), "outputs": Outputs()})
