"""The state of a training as one value: what a checkpoint holds, and what is kept of a stage that is done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import keras

from surgery.training.data.examples import Array
from surgery.training.frozen_prefix.agreement import Agreement
from surgery.training.history import EpochRecord, StageRecord
from surgery.training.layers import walk
from surgery.training.loss_scale import LossScale
from surgery.training.moved import Unmoved
from surgery.training.optimizer_state import NOTHING, OptimizerState

Values = Mapping[str, Array]
"""Values of variables, by the path of their layer and their place in it."""


@dataclass(frozen=True)
class Underway:
    """A stage that has begun."""

    epoch: int
    """Epochs that are done; as many as the stage has, where a callback ended it."""
    step: int
    """Steps of the next epoch that are done."""
    records: tuple[EpochRecord, ...]
    seconds: float
    """What the stage took so far."""
    epoch_seconds: float
    """What the next epoch took so far."""
    optimizer: Values
    """What the optimizer keeps, by the place of each among its variables."""
    metrics: list[Array]
    """Where the metrics of the next epoch are, after its steps so far."""
    logs: dict[str, Array] | None
    """What they came to, where all its steps are done and the validation is not."""
    callbacks: list[Any]
    """The state of each of the recipe's callbacks."""
    key: str | None = None
    """The digest of all that the stage follows from."""
    agreement: Agreement | None = None
    """What was found when its features were compared with the whole network: it goes on as it began."""
    start: Mapping[str, str] = field(default_factory=dict)
    """A digest of each variable that it trains, as it was when the stage began."""


@dataclass(frozen=True)
class TrainingState:
    """How far a training is. What is not in it follows from the plan: frozen layers, flags, the order of the data."""

    stages: tuple[StageRecord, ...]
    """Those that are done."""
    variables: Values
    """Those of the model that may be other ones than when it was built."""
    optimizer: OptimizerState = field(default_factory=lambda: NOTHING)
    """What the stage that comes goes on with, where it does."""
    underway: Underway | None = None

    def read(self) -> TrainingState:
        """The same with the values of now, whatever becomes of the variables."""
        begun = self.underway and replace(self.underway, optimizer=dict(self.underway.optimizer))
        return replace(self, variables=dict(self.variables), underway=begun)

    def to_value(self) -> dict[str, Any]:
        """As `bundle.write_bundle` takes it."""
        return {
            "stages": [_plain(record) for record in self.stages],
            "variables": self.variables,
            "slots": [(*name, values) for name, values in self.optimizer.slots.items()],
            "updates": [(*name, count) for name, count in self.optimizer.updates.items()],
            "underway": None if self.underway is None else _underway_value(self.underway),
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> TrainingState:
        """What `to_value` gave.

        Raises:
            KeyError, TypeError, ValueError: It did not.
        """
        slots = {(path, number, slot): values for path, number, slot, values in value["slots"]}
        updates = {(path, number): count for path, number, count in value["updates"]}
        begun = value["underway"]
        return cls(
            tuple(_stage(record) for record in value["stages"]),
            {**value["variables"]},
            OptimizerState(slots, updates),
            None if begun is None else _underway(begun),
        )


class Live(Mapping[str, Array]):
    """The values that variables have when they are asked for, so that no more than one is in memory twice.

    Args:
        variables: The variables by name.
    """

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Array:
        return value_of(self._variables[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


class Variables:
    """The variables of a model by name, and which of them training may have changed so far.

    Args:
        model: The whole model, as built.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._all: dict[str, Any] = {}
        self._changed: set[str] = set()
        self._names: dict[int, str] = {}
        for path, layer in walk(model):
            states = [generator.state for generator in layer._seed_generators]
            resting = [*layer._non_trainable_variables, *states]
            for number, variable in enumerate([*layer._trainable_variables, *resting]):
                if id(variable) in self._names:
                    continue
                name = f"{path} {number}"
                self._all[name], self._names[id(variable)] = variable, name
                # Statistics, states and counters may move in layers that do not train, too; they are small.
                if number >= len(layer._trainable_variables):
                    self._changed.add(name)

    def train(self) -> None:
        """From now on those change, too, that train by the flags of now."""
        training = {
            id(variable) for _, layer in walk(self._model) if layer.trainable for variable in layer._trainable_variables
        }
        self._changed |= {name for name, variable in self._all.items() if id(variable) in training}

    def values(self) -> Live:
        """The values of those that may have changed."""
        return Live({name: variable for name, variable in self._all.items() if name in self._changed})

    def all(self) -> Mapping[str, Any]:
        """Every variable."""
        return self._all

    @property
    def size(self) -> int:
        """About how many bytes those take that may have changed."""
        return sum(4 * math.prod(variable.shape) for variable in self.changing())

    def changing(self) -> list[Any]:
        """Those that may have changed."""
        return [variable for name, variable in self._all.items() if name in self._changed]

    def is_changed(self, variable: Any) -> bool:
        """Whether a variable of the model may have changed."""
        name = self._names.get(id(variable))
        return name is None or name in self._changed

    def restore(self, values: Values) -> None:
        """Gives the model these values.

        Raises:
            ValueError: They are not of this model.
        """
        shapes = {name: tuple(variable.shape) for name, variable in self._all.items()}
        wrong = [name for name, value in values.items() if shapes.get(name) != value.shape]
        if wrong:
            raise ValueError(f"the model has no variable '{wrong[0]}' of the shape {values[wrong[0]].shape}")
        for name, value in values.items():
            self._all[name].assign(value)


def value_of(variable: Any) -> Array:
    """The value of a variable; later steps do not change it."""
    value: Array = keras.ops.convert_to_numpy(variable)
    return value if value.flags.owndata else value.copy()


def give(variable: Any, value: Array) -> None:
    """Gives a variable a value.

    Raises:
        ValueError: It has another shape.
    """
    if tuple(variable.shape) != value.shape:
        raise ValueError(f"{variable.path} has the shape {tuple(variable.shape)}, not {value.shape}")
    variable.assign(value)


def are_finite(variables: Iterable[Any]) -> bool:
    """Whether there is neither NaN nor infinity in any of them. Looked at where they lie, without a copy of the values."""
    numbers = (one for one in variables if keras.backend.is_float_dtype(one.dtype))
    return all(bool(keras.ops.all(keras.ops.isfinite(one))) for one in numbers)


def _underway_value(begun: Underway) -> dict[str, Any]:
    plain = {name: getattr(begun, name) for name in begun.__dataclass_fields__}
    agreement = begun.agreement and asdict(begun.agreement)
    return plain | {"records": [_plain(record) for record in begun.records], "agreement": agreement}


def _plain(record: EpochRecord | StageRecord) -> dict[str, Any]:
    return asdict(record)


def _stage(value: Mapping[str, Any]) -> StageRecord:
    epochs = tuple(map(_epoch, value["epochs"]))
    scale = value.get("loss_scale")
    still = value.get("unmoved")
    return StageRecord(
        **{
            **value,
            "epochs": epochs,
            "agreement": _agreement(value.get("agreement")),
            "loss_scale": scale and LossScale(**scale),
            "unmoved": still and Unmoved(tuple(still["variables"]), still["of"]),
        }
    )


def _underway(value: Mapping[str, Any]) -> Underway:
    records = tuple(map(_epoch, value["records"]))
    return Underway(**{**value, "records": records, "agreement": _agreement(value.get("agreement"))})


def _agreement(value: Mapping[str, Any] | None) -> Agreement | None:
    return None if value is None else Agreement(**value)


def _epoch(value: Mapping[str, Any]) -> EpochRecord:
    return EpochRecord(**value)
