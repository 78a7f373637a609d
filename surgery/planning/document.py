"""A plan as a JSON document. The types are its published JSON Schema, too."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from surgery.model.documented import documented
from surgery.model.edits import to_json
from surgery.model.fingerprint import file_digest
from surgery.model.listing import LayerRow, rows
from surgery.planning.plan import LedgerLine, Plan, StagePlan, Step

FORMAT = 1


@documented
class StepDocument(TypedDict):
    """One operation of the recipe."""

    op: str
    """The operation."""
    line: int
    """Its line in the recipe."""
    layers: list[str]
    """The paths of the layers that it works on."""
    edits: list[dict[str, Any]]
    """The primitive edits that it lowers itself to, each with its kind under `edit`."""
    remark: str | None
    """What a reviewer should know: that a later operation refines it."""


@documented
class LedgerDocument(TypedDict):
    """Where the values of one variable come from."""

    path: str
    """The layer."""
    variable: str
    """The variable's Keras name: kernel, bias, gamma."""
    key: NotRequired[str]
    """Where the archive stores it below its layer: it tells the kernels of both halves of a Bidirectional apart."""
    index: int
    """Its position among the layer's variables."""
    shape: list[int]
    """Its shape."""
    source: str
    """Begins with kept, moved, sliced, overlap, fresh, transplanted or dropped."""


@documented
class Change(TypedDict):
    """A number before and after."""

    before: int
    """In the source model."""
    after: int
    """In the result."""


@documented
class RateDocument(TypedDict):
    """A layer that does not simply learn as the optimizer says."""

    path: str
    """The layer."""
    multiplier: float
    """Times the optimizer's learning rate."""
    weight_decay: float | None
    """Instead of the optimizer's weight decay; null leaves that."""


@documented
class SavingDocument(TypedDict):
    """What each further epoch of a stage does not compute, for every example."""

    cut: list[str]
    """The layers whose outputs are computed once."""
    layers: int
    """How many layers are before the cut."""
    parameters: int
    """How many numbers their variables hold."""
    multiply_adds: int
    """How often they multiply and add, for one example."""
    of: int
    """How often the whole model does, from the inputs to the outputs."""
    uncounted: list[str]
    """Layers of which nobody can say how often; they are in neither number."""


@documented
class StageDocument(TypedDict):
    """One training stage."""

    name: str
    """The stage."""
    steps: list[StepDocument]
    """The operations that it begins with."""
    trainable_parameters: int
    """How many numbers it trains."""
    batch_normalization: str | None
    """What the trainable BatchNormalization layers of the source model do, and how many they are."""
    frozen_prefix: str
    """Which frozen layers are computed once for all epochs, and what ends them."""
    saving: SavingDocument | None
    """What that saves."""
    rates: list[RateDocument]
    """The layers that learn slower or faster than the optimizer says, or have a weight decay of their own."""
    optimizer_state: str
    """What the optimizer starts from."""
    optimizer_ledger: list[LedgerDocument]
    """A line for every variable that the stage trains: where what the optimizer keeps beside it comes from; dropped, where it
    does not train any more."""


@documented
class GuardDocument(TypedDict):
    """A guard against forgetting."""

    guard: str
    """l2_sp, ewc, distill or replay."""
    line: int
    """Its line in the recipe."""
    setting: str
    """How strong it is."""
    does: list[str]
    """What it does to this model, and what it costs, in sentences."""
    parameters: int
    """How many numbers it holds where they start."""
    held: list[str]
    """The layers of which it holds some."""
    taught: list[str]
    """The outputs that the source model teaches."""


@documented
class SourceDocument(TypedDict):
    """The model that the recipe starts from."""

    model: str
    """As the recipe names it."""
    name: str
    """The Keras model's own name."""
    layers: int
    """How many layers it has."""


@documented
class FileDocument(TypedDict):
    """A further model file that values come from."""

    path: str
    """As the recipe names it."""
    sha256: str
    """The digest of the file; of a folder the empty text."""


@documented
class PlanDocument(TypedDict):
    """What `surgery plan --json` prints."""

    surgery: int
    """Version of this format."""
    recipe: str
    """The recipe's name."""
    source: SourceDocument
    """The model that the recipe starts from."""
    files: list[FileDocument]
    """Further model files that values come from."""
    steps: list[StepDocument]
    """The operations in the order in which they run."""
    ledger: list[LedgerDocument]
    """A line for every variable of the result, and for every one of the source that is gone."""
    parameters: Change
    """How many numbers all variables hold."""
    trainable_parameters: Change
    """How many of them training would change."""
    layers: list[LayerRow]
    """The layers of the result, as `surgery inspect` lists them."""
    backend: str | None
    """What Keras computes with in a run, where the recipe says it; null is what the process has that runs it."""
    stages: list[StageDocument]
    """The training stages."""
    guards: list[GuardDocument]
    """What keeps them from losing what the source model knows."""
    notes: list[str]
    """What was done beyond reading files, and what is lost."""


def plan_document(plan: Plan) -> PlanDocument:
    """The document of `surgery plan --json`."""
    before, after = plan.source.spec, plan.spec
    return {
        "surgery": FORMAT,
        "recipe": plan.recipe.name,
        "source": {"model": plan.source.described, "name": before.name, "layers": len(before.listed)},
        "files": [_file(plan, name) for name in plan.files],
        "steps": [_step(step) for step in plan.steps],
        "ledger": [_line(line) for line in plan.ledger],
        "parameters": {"before": before.parameters, "after": after.parameters},
        "trainable_parameters": {"before": before.trainable_parameters, "after": after.trainable_parameters},
        "layers": rows(after),
        "backend": plan.recipe.training.backend if plan.recipe.training else None,
        "stages": [
            {
                "name": stage.name,
                "steps": [_step(step) for step in stage.steps],
                "trainable_parameters": stage.trainable_parameters,
                "batch_normalization": stage.normalization,
                "frozen_prefix": stage.prefix.described,
                "saving": _saving(stage),
                "rates": [
                    {"path": path, "multiplier": rate.multiplier, "weight_decay": rate.weight_decay}
                    for path, rate in stage.rates.items()
                ],
                "optimizer_state": stage.optimizer.described,
                "optimizer_ledger": [_line(line) for line in stage.optimizer.ledger],
            }
            for stage in plan.stages
        ],
        "guards": [
            {
                "guard": guard.kind,
                "line": guard.line,
                "setting": guard.setting,
                "does": list(guard.described),
                "parameters": guard.parameters,
                "held": list(dict.fromkeys(held.path for held in guard.held)),
                "taught": [lesson.name for lesson in guard.taught],
            }
            for guard in plan.guards
        ],
        "notes": list(plan.notes),
    }


def _file(plan: Plan, name: str) -> FileDocument:
    path = plan.recipe.resolve(name)
    return {"path": name, "sha256": "" if path.is_dir() else file_digest(path)}


def _saving(stage: StagePlan) -> SavingDocument | None:
    found = stage.saving
    if found is None:
        return None
    return {
        "cut": [str(ref) for ref in stage.prefix.cut],
        "layers": found.layers,
        "parameters": found.parameters,
        "multiply_adds": found.multiply_adds,
        "of": found.of,
        "uncounted": list(found.uncounted),
    }


def _step(step: Step) -> StepDocument:
    return {
        "op": step.op,
        "line": step.line,
        "layers": list(step.layers),
        "edits": [dict(to_json(edit)) for edit in step.edits],
        "remark": step.remark,
    }


def _line(line: LedgerLine) -> LedgerDocument:
    return {
        "path": line.path,
        "variable": line.variable,
        "key": line.key,
        "index": line.index,
        "shape": list(line.shape),
        "source": line.source,
    }
