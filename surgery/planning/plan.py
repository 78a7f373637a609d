"""The plan as a value: steps, the model that they make, and a ledger with a line for every variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from surgery.model.edits import Edit
from surgery.model.library import Library
from surgery.model.notebook import InNotebook
from surgery.model.spec import ModelSpec
from surgery.model.weights import WeightSource
from surgery.operations import Operation
from surgery.planning.guards import GuardPlan
from surgery.planning.normalization import normalizations
from surgery.planning.prefix import WHOLE, Prefix
from surgery.planning.rates import Rate
from surgery.planning.saving import Saving, saving
from surgery.recipe import Recipe
from surgery.recipe.training import Stage


@dataclass(frozen=True)
class Source:
    """The model that the recipe starts from, with every shape proved."""

    path: Path
    """The file that is read: the recipe's own, or the one that Keras wrote for an application, preset or factory."""
    described: str
    """What the recipe calls it."""
    spec: ModelSpec
    is_made: bool = False
    """Whether Keras wrote the file here; then it needs no scan."""
    holds_code: bool = False
    """Whether Lambda layers in it carry code. It is read all the same, and no layer of the result may be one of them."""


@dataclass(frozen=True)
class Step:
    """One operation of the recipe with the layers that it matched and the edits that it lowers itself to."""

    operation: Operation
    number: int
    """Its place in the recipe's list, from 0."""
    line: int
    layers: tuple[str, ...]
    edits: tuple[Edit, ...]
    remark: str | None = None
    """What a reviewer should know: `refined by line 31 for 5 layers`."""

    @property
    def op(self) -> str:
        return self.operation.op


@dataclass(frozen=True)
class LedgerLine:
    """Where the values of one variable of the result come from; or that a variable of the source is gone."""

    path: str
    variable: str
    index: int
    key: str
    shape: tuple[int, ...]
    source: str

    @property
    def is_kept(self) -> bool:
        return self.source == "kept"


@dataclass(frozen=True)
class OptimizerPlan:
    """What the optimizer of a stage starts from."""

    described: str = "starts afresh"
    """For the plan, in one line."""
    origin: Literal["fresh", "stage", "file"] = "fresh"
    """Whose state goes on: nobody's, that of the stage before, that of the source file."""
    sources: Mapping[tuple[str, str], WeightSource] = field(default_factory=dict)
    """Of each variable, by the path of its layer and its key, that goes on with the state in the source file: where the numbers
    beside it come from."""
    ledger: tuple[LedgerLine, ...] = ()
    """A line for every variable that the stage trains, whether its state is kept or fresh; and for those whose state is dropped."""
    is_plain: bool = True
    """Whether it is a matter of course: the first optimizer there is starts afresh."""


@dataclass(frozen=True)
class StagePlan:
    """What a training stage trains: the steps that it begins with, and the model with their flags."""

    stage: Stage
    """What the recipe says of it; a stage with `gradual` has become several."""
    number: int
    """The place of the recipe's stage, from 0."""
    steps: tuple[Step, ...]
    spec: ModelSpec
    rates: Mapping[str, Rate] = field(default_factory=dict)
    """What the layers have that do not simply learn as the optimizer says, by path."""
    adapted: tuple[str, ...] = ()
    """The BatchNormalization layers whose statistics follow the data while their gamma and beta stay."""
    prefix: Prefix = WHOLE
    """The frozen layers that are computed once for all epochs."""
    optimizer: OptimizerPlan = field(default_factory=OptimizerPlan)
    """What its optimizer starts from."""

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def trainable_parameters(self) -> int:
        """How many numbers it trains."""
        resting = sum(w.size for path in self.adapted for w in self.spec[path].weights if w.trainable)
        return self.spec.trainable_parameters - resting

    @property
    def saving(self) -> Saving | None:
        """What each further epoch does not compute, for frozen layers are computed once."""
        return saving(self.spec, self.prefix, self.stage.epochs)

    @property
    def normalization(self) -> str | None:
        """What the trainable BatchNormalization layers of the source model do; None where there are none."""
        layers = len(normalizations(self.spec))
        mode = self.stage.batch_normalization or "train"
        return f"{mode} ({layers} layers)" if layers else None

    @property
    def trainable(self) -> Mapping[str, bool]:
        """The flag of every layer, by path."""
        return {path: layer.trainable for path, layer in self.spec.walk()}


@dataclass(frozen=True)
class Plan(InNotebook):
    """What a recipe does to a model. The written model is checked against it."""

    recipe: Recipe
    source: Source
    steps: tuple[Step, ...]
    spec: ModelSpec
    """The model after the operations."""
    ledger: tuple[LedgerLine, ...]
    stages: tuple[StagePlan, ...] = ()
    guards: tuple[GuardPlan, ...] = ()
    """What keeps the stages from losing what the source model knows."""
    notes: tuple[str, ...] = ()
    """What was done beyond reading files, and what is lost: one sentence each."""
    files: tuple[str, ...] = ()
    """Further model files that values come from, as the recipe names them."""
    trust: tuple[str, ...] = ()
    """The modules whose classes the model files may name: granted by the user, and under the recipe's imports."""

    def library(self) -> Library:
        """The files that the plan reads, for their values. Close it, or use it in `with`."""
        source = self.source
        return Library(
            source.path,
            self.recipe.resolve,
            trust=self.trust,
            is_made=source.is_made,
            holds_code=source.holds_code,
        )

    @property
    def output(self) -> Path:
        """The file that the recipe asks for; `build/NAME.keras` beside it when it names none."""
        return self.recipe.resolve(self.recipe.outputs.model or f"build/{self.recipe.name}.keras")

    @property
    def final(self) -> ModelSpec:
        """The model as the last stage leaves its flags."""
        return self.stages[-1].spec if self.stages else self.spec

    def to_json(self) -> Mapping[str, Any]:
        """The document of `surgery plan --json`."""
        from surgery.planning.document import plan_document

        return plan_document(self)
