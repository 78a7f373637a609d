"""What each guard against forgetting holds, on what data, at what cost; and whether it can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surgery.errors import DataInvalid, GraphUnsupported, InvalidValue, NothingToDo, SurgeryError, flatten
from surgery.model.carried import Rows, carried, carried_size
from surgery.model.select import Node, select
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import stored_in
from surgery.planning.normalization import BATCH_NORMALIZATION
from surgery.planning.rates import trained_paths
from surgery.planning.teaching import Taught, taught
from surgery.recipe import Recipe
from surgery.recipe.data import DataSource, FactoryData, file_of
from surgery.recipe.guards import AnyGuard, DistillGuard, EWCGuard, L2SPGuard, ReplayGuard, kind_of
from surgery.recipe.training import Training

if TYPE_CHECKING:
    from surgery.planning.plan import StagePlan


@dataclass(frozen=True, slots=True)
class Held:
    """A variable that is held where it starts, or some of its rows."""

    path: str
    weight: WeightSpec
    rows: Rows
    """Which of its rows are carried over from a trained model; the others are free."""

    @property
    def size(self) -> int:
        return carried_size(self.rows)


@dataclass(frozen=True)
class GuardPlan:
    """A guard of the recipe, and what follows for this model."""

    guard: AnyGuard
    number: int
    """Its place in the recipe's list, from 0."""
    line: int
    held: tuple[Held, ...] = ()
    """What `l2_sp` and `ewc` hold."""
    taught: tuple[Taught, ...] = ()
    """The outputs that the source model teaches."""
    described: tuple[str, ...] = ()
    """What it does here, and what it costs, in sentences."""

    @property
    def kind(self) -> str:
        return kind_of(self.guard)

    @property
    def parameters(self) -> int:
        """How many numbers are held."""
        return sum(held.size for held in self.held)

    @property
    def setting(self) -> str:
        """`strength 0.01`."""
        match self.guard:
            case L2SPGuard(l2_sp=one):
                return f"strength {one.strength:,.12g}"
            case EWCGuard(ewc=one):
                return f"strength {one.strength:,.12g}"
            case DistillGuard(distill=one):
                return f"weight {one.weight:,.12g}, temperature {one.temperature:g}"
            case ReplayGuard(replay=one):
                return f"share {one.share:g}"


@dataclass(frozen=True)
class _Models:
    """What a guard looks at."""

    training: Training
    source: ModelSpec
    result: ModelSpec
    trained: frozenset[tuple[str, str]]
    """The variables that some stage trains, by path and key."""

    @property
    def trained_parameters(self) -> int:
        weights = ((path, weight) for path, layer in self.result.walk() for weight in layer.weights)
        return sum(weight.size for path, weight in weights if (path, weight.key) in self.trained)


def guard_plans(
    recipe: Recipe, source: ModelSpec, result: ModelSpec, stages: Sequence[StagePlan]
) -> tuple[tuple[GuardPlan, ...], list[SurgeryError]]:
    """What the guards of a recipe do; and what keeps them from it, each with its place.

    Args:
        recipe: The recipe.
        source: The model that it starts from.
        result: The model after its operations.
        stages: The stages as planned.
    """
    if recipe.training is None:
        return (), []
    models = _Models(recipe.training, source, result, frozenset(_trained(stages)))
    plans: list[GuardPlan] = []
    errors: list[SurgeryError] = []
    for number, guard in enumerate(recipe.training.guards):
        place = ("training", "guards", number, kind_of(guard))
        try:
            held, lessons, described = _planned(guard, models)
        except SurgeryError as error:
            errors += [one.at(recipe.location(*place, *one.field)) for one in flatten(error)]
            continue
        plans.append(GuardPlan(guard, number, recipe.location(*place).line, held, lessons, described))
    return tuple(plans), errors


def penalty_strength(guard: AnyGuard) -> float:
    """The strength of a guard that adds a penalty on weights."""
    return guard.l2_sp.strength if isinstance(guard, L2SPGuard) else guard.ewc.strength  # type: ignore[union-attr]


def old_batch_size(share: float, batch_size: int) -> int:
    """How many samples of a batch are old."""
    return round(share * batch_size)


_Found = tuple[tuple[Held, ...], tuple[Taught, ...], tuple[str, ...]]


def _planned(guard: AnyGuard, models: _Models) -> _Found:
    match guard:
        case L2SPGuard(l2_sp=one):
            held = tuple(_held(models, one.layers))
            others = "begin anew" if one.layers is None else "begin anew or are not chosen"
            return held, (), _of_held(held, models, "l2_sp", others)
        case EWCGuard(ewc=one):
            _indexed(one.data, "ewc")
            held = tuple(one for one in _held(models, None) if not any(s.file for s in stored_in(one.weight.source)))
            cost = f"Fisher information of {_name(one.data)}: at most {one.samples:,} gradients of the source model"
            return held, (), (*_of_held(held, models, "ewc", "do not come from the source model"), cost)
        case DistillGuard():
            lessons = _lessons(models)
            return (), lessons, (*(f"teaches {lesson.described}" for lesson in lessons), _teacher_cost(models.training))
        case ReplayGuard(replay=one):
            _indexed(one.data, "replay")
            return (), (), (_mixed(one.share, one.data, models.training),)


def _trained(stages: Sequence[StagePlan]) -> Iterator[tuple[str, str]]:
    for stage in stages:
        for path in trained_paths(stage.spec):
            layer = stage.spec[path]
            is_held = layer.class_name == BATCH_NORMALIZATION and path in stage.adapted
            yield from ((path, weight.key) for weight in layer.weights if weight.trainable and not is_held)


def _held(models: _Models, layers: Node | None) -> Iterator[Held]:
    try:
        chosen = None if layers is None else select(models.result, layers)
    except SurgeryError as error:
        error.field = ("layers", *error.field)
        raise
    for path, layer in models.result.walk():
        if chosen is not None and not any(path == one or path.startswith(f"{one}/") for one in chosen):
            continue
        for weight in layer.weights:
            rows = carried(weight.source, weight.shape)
            if (path, weight.key) in models.trained and carried_size(rows):
                yield Held(path, weight, rows)


def _of_held(held: Sequence[Held], models: _Models, kind: str, others: str) -> tuple[str, ...]:
    """What is held, and what is not.

    Raises:
        NothingToDo: Nothing is.
    """
    if not held:
        raise NothingToDo(
            f"{kind} holds nothing: no layer here brings values of a trained model and is trained",
            expected="layers that a stage trains, and whose values do not all begin anew",
            fix="unfreeze them in a stage, or take the guard out",
        )
    size, trained = sum(one.size for one in held), models.trained_parameters
    free = f"; {trained - size:,} are free, for they {others}" if trained > size else ""
    return (f"holds {size:,} of {trained:,} trained parameters, in {len(held)} variables{free}",)


def _lessons(models: _Models) -> tuple[Taught, ...]:
    if isinstance(models.training.data.train, FactoryData):
        raise _by_index("distill", "training samples")
    if _inputs(models.source) != _inputs(models.result):
        raise GraphUnsupported(
            "distill: the source model takes other inputs than the changed one",
            expected="the same inputs, so that both see the same samples",
            fix="replay: {data: ...}",
        )
    found = taught(models.source, models.result, models.training.stages[0])
    if not found:
        raise GraphUnsupported(
            "distill: no output of the changed model has units that an output of the source model has",
            expected="an output layer that keeps rows of the source's",
            fix="weights: overlap, where the output layer is replaced; or resize it by its labels",
        )
    return found


def _inputs(model: ModelSpec) -> list[tuple[int | None, ...] | None]:
    return [tensor.shape if (tensor := model.tensor(ref)) else None for ref in model.refs_in()]


def _teacher_cost(training: Training) -> str:
    if training.data.augmentation:
        return "the source model computes every batch, for augmentation varies the inputs"
    return "the source model computes every training sample once"


def _mixed(share: float, data: DataSource, training: Training) -> str:
    if isinstance(training.data.train, FactoryData):
        raise _by_index("replay", "training samples")
    size = training.data.batch_size
    old = old_batch_size(share, size)
    if not 0 < old < size:
        raise InvalidValue(
            f"a share of {share:g} of a batch of {size} is {'no sample' if old == 0 else 'all of it'}",
            expected=f"between {1 / size:.3g} and {1 - 1 / size:.3g}",
            fix=f"share: {min(max(share, 1 / size), 1 - 1 / size):.3g}",
            field=("share",),
        )
    return f"each batch of {size} has {old} of {_name(data)}: an epoch takes {size / (size - old):.3g} times the steps"


def _indexed(data: DataSource, kind: str) -> None:
    if isinstance(data, FactoryData):
        raise _by_index(kind, "old samples", ("data",))


def _by_index(kind: str, what: str, field: tuple[str, ...] = ()) -> DataInvalid:
    return DataInvalid(
        f"{kind}, and the {what} come from a factory in batches of its own",
        expected="samples that can be asked for one by one: npz, csv or image_folder",
        fix="save what the factory makes as an npz file",
        field=field,
    )


def _name(data: DataSource) -> str:
    found = file_of(data)
    return found[1] if found else "a factory"
