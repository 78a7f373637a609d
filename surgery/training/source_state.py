"""The optimizer's state in the source file, for the variables of the first stage that come from the source's.

The file names none of an optimizer's variables. Keras makes them in an order of its own, so Keras is asked: an optimizer of the
same class and arguments, built on the source model, has its variables in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from surgery.errors import ModelInvalid
from surgery.execution.build import build_source_model
from surgery.execution.keras_objects import optimizer_called, same_as
from surgery.execution.variables import keras_layers, stored_variables
from surgery.model.archive.optimizer import StoredOptimizer
from surgery.model.derive import derive
from surgery.model.spec import ModelSpec
from surgery.model.weights import Stored, WeightSource, stored_in
from surgery.planning import Plan
from surgery.training.data.examples import Array
from surgery.training.optimizer_state import Name, OptimizerState, handing_on, names

Beside = dict[tuple[str, str], dict[str, Array]]
"""What an optimizer keeps beside each variable of the source: by path and key, then by the optimizer's own name for it."""


def state_in_source(plan: Plan, model: Any, trust: Sequence[str] = ()) -> OptimizerState:
    """The state with which a plan's first stage goes on.

    Args:
        plan: A plan whose first stage takes the state of the source file.
        model: The Keras model after its operations.
        trust: Modules outside Keras that may be imported.

    Raises:
        ModelInvalid: the file holds other variables than such an optimizer has for this model.
    """
    with plan.library() as library:
        stored, values = library.optimizer()
    source = build_source_model(plan, trust)
    optimizer = _built(stored, source)
    found, updates = _by_variable(plan, stored, optimizer, values, source)
    initial = {slot: float(np.asarray(kept).flat[0]) for kept in optimizer.slots for slot, kept in kept.items()}
    slots: dict[tuple[str, int, str], Array] = {}
    counts: dict[Name, int] = {}
    known = names(model)
    for (path, key), variable in keyed(model, plan.stages[0].spec).items():
        origin = plan.stages[0].optimizer.sources.get((path, key))
        if origin is None:
            continue
        counts[known[id(variable)]] = updates
        for slot in _slots(found, origin):
            make = partial(np.full, tuple(variable.shape), initial[slot], "float32")
            slots[*known[id(variable)], slot] = derive(origin, partial(_read, found, slot), make)
    return OptimizerState(slots, counts)


def keyed(model: Any, spec: ModelSpec) -> dict[tuple[str, str], Any]:
    """The variables of a Keras model by the path of their layer and their key."""
    return {
        (path, key): variable
        for path, layer in keras_layers(model, spec)
        for key, variable in stored_variables(layer).items()
    }


def _slots(found: Beside, origin: WeightSource) -> Iterable[str]:
    """What stands beside the variable that a variable of the result is made from."""
    stored = next(stored_in(origin))
    return found[stored.path, stored.key]


def _read(found: Beside, slot: str, stored: Stored) -> Array:
    return found[stored.path, stored.key][slot]


def _built(stored: StoredOptimizer, source: Any) -> Any:
    """An optimizer like the stored one, for its layout alone; its schedule decides nothing here."""
    plain = {key: value for key, value in stored.config.items() if not isinstance(value, Mapping)}
    try:
        made = optimizer_called(stored.class_name.lower())
        optimizer = handing_on(same_as(type(made), {**plain, "learning_rate": 0.0}))
    except (TypeError, ValueError) as error:
        raise ModelInvalid(f"the optimizer in the source file is none of Keras': {error}") from error
    optimizer.build(source.trainable_variables)
    return optimizer


def _by_variable(
    plan: Plan, stored: StoredOptimizer, optimizer: Any, values: Sequence[Array], source: Any
) -> tuple[Beside, int]:
    """What the file holds beside each variable of the source, and how many updates it comes from."""
    is_scheduled = isinstance(stored.config.get("learning_rate"), Mapping)
    made = [one for one in optimizer.variables if not (is_scheduled and one is optimizer._learning_rate)]
    shapes = [tuple(variable.shape) for variable in made]
    if shapes != [value.shape for value in values]:
        raise ModelInvalid(
            f"the optimizer in {plan.source.described} has {len(values)} variables; {stored.class_name} has {len(made)} for "
            "what trains in this model, or other shapes",
            expected="a model that was compiled after its layers were frozen or unfrozen",
            fix="optimizer_state: fresh",
        )
    held = {id(variable): value for variable, value in zip(made, values, strict=True)}
    place = {id(variable): number for number, variable in enumerate(optimizer._trainable_variables)}
    found = {
        name: {slot: held[id(kept)] for slot, kept in optimizer.slots[place[id(variable)]].items()}
        for name, variable in keyed(source, plan.source.spec).items()
        if id(variable) in place
    }
    done = int(held[id(optimizer._iterations)])
    return found, done // (optimizer.gradient_accumulation_steps or 1)
