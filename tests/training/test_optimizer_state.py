"""An optimizer's state goes on with its variables: against plain Keras, which goes on with one optimizer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import surgery
from surgery.errors import InvalidValue, ModelInvalid
from surgery.execution.build import build
from surgery.planning import Plan
from surgery.training.data.order import Batches, permutation
from surgery.training.devices import precision
from surgery.training.optimizer_state import names, state_of
from surgery.training.recorder import EpochOrder
from surgery.training.setting import StageWork
from surgery.training.source_state import state_in_source
from surgery.training.stages import train
from tests.halves import halves
from tests.training import small

pytestmark = pytest.mark.keras

RATE = 0.01
DATA = small.examples(64)
OPTIMIZERS = {
    "Adam": {},
    "AdamW": {"amsgrad": True, "weight_decay": 0.01},
    "SGD": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adagrad": {},
    "Adadelta": {},
    "Adamax": {"clipnorm": 1.0},
    "Ftrl": {},
    "Lion": {},
    "Muon": {},
}
RECIPE = """\
surgery: 1
name: further
model: {{path: {file}}}
{operations}
training:
  data: {{train: {{npz: data.npz, x: x, y: y}}, batch_size: 16}}
  stages:
    - name: further
      epochs: 2
      optimizer: {{{optimizer}: {arguments}}}
      optimizer_state: carry
      loss: sparse_categorical_crossentropy
"""

RESIZED = """\
operations:
  - {op: prune, layers: hidden, fraction: 0.25}
  - {op: resize, layer: head, units: 4}
  - {op: rename, layers: {head: top}}
"""


def network() -> keras.Model:
    """Without Dropout, whose masks would depend on who trains."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    first = keras.Input((8,), name="features")
    inner = keras.Sequential([keras.Input((12,)), layers.Dense(10, name="dense")], name="inner")
    x = layers.BatchNormalization(name="norm")(layers.Dense(12, activation="relu", name="hidden")(first))
    return keras.Model(first, layers.Dense(3, activation="softmax", name="head")(inner(x)))


def fitted(model: keras.Model, stage: str, epochs: int) -> None:
    """Plain Keras, on the batches that a stage of ours sees."""
    order = partial(permutation, 3, stage, length=len(DATA))
    batches = Batches(DATA, 16, lambda epoch: order(epoch))
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[EpochOrder(batches)])


def compiled(model: keras.Model, optimizer: str, **arguments: Any) -> keras.Model:
    made = getattr(keras.optimizers, optimizer)(**{"learning_rate": RATE, **arguments})
    model.compile(made, loss=small.LOSS)
    return model


def saved(folder: Path, optimizer: str = "Adam", **arguments: Any) -> None:
    """A model that Keras trained for two epochs, beside its data."""
    model = compiled(network(), optimizer, **arguments)
    fitted(model, "first", 2)
    model.save(folder / "base.keras")


def planned(
    folder: Path, optimizer: str = "Adam", operations: str = "", file: str = "base.keras", **arguments: Any
) -> Plan:
    written = {"learning_rate": RATE, **arguments}
    np.savez(folder / "data.npz", x=DATA.x[0], y=DATA.y[0])
    text = RECIPE.format(
        file=file, operations=operations, optimizer=optimizer, arguments=str(written).replace("'", '"')
    )
    (folder / "recipe.yaml").write_text(text.replace("True", "true").replace('"', ""))
    return surgery.plan(surgery.load_recipe(folder / "recipe.yaml"))


def works(plan: Plan) -> list[StageWork]:
    return [
        StageWork(one.stage, one.trainable, one.number, goes_on=one.optimizer.origin != "fresh") for one in plan.stages
    ]


def trained(folder: Path, plan: Plan) -> keras.Model:
    model = build(plan)
    train(model, works(plan), small.setting(folder, DATA, validation=None), state_in_source(plan, model))
    return model


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_a_first_stage_goes_on_as_keras_does_with_the_loaded_model(tmp_path: Path, optimizer: str) -> None:
    saved(tmp_path, optimizer, **OPTIMIZERS[optimizer])
    theirs = keras.models.load_model(tmp_path / "base.keras")
    fitted(theirs, "further", 2)
    plan = planned(tmp_path, optimizer, **OPTIMIZERS[optimizer])
    assert small.same(small.weights(theirs), small.weights(trained(tmp_path, plan)))
    assert (
        plan.stages[0].optimizer.described
        == f"{optimizer} goes on with the state in the source file for all 8 variables"
    )
    fresh = build(plan)
    train(fresh, [StageWork(plan.stages[0].stage, plan.stages[0].trainable)], small.setting(tmp_path, DATA))
    assert not small.same(small.weights(theirs), small.weights(fresh))


@pytest.mark.parametrize(
    ("optimizer", "file"), [*((name, "base.keras") for name in OPTIMIZERS), ("Adam", "base.h5"), ("AdamW", "base.h5")]
)
def test_every_number_beside_a_variable_is_found_again(tmp_path: Path, optimizer: str, file: str) -> None:
    """Keras puts the variable and the slot into the names of an optimizer's variables; we do not look at names."""
    is_scheduled = optimizer in ("Adam", "Ftrl")
    rate = keras.optimizers.schedules.CosineDecay(RATE, 100) if is_scheduled else RATE
    arguments = {**OPTIMIZERS[optimizer], "use_ema": optimizer == "Lion"}
    model = compiled(network(), optimizer, learning_rate=rate, **arguments)
    model.optimizer.build(model.trainable_variables)
    slots = model.optimizer.variables[1 if is_scheduled else 2 :]
    for number, variable in enumerate(slots):
        variable.assign(np.random.default_rng(number).normal(size=variable.shape))
    model.optimizer.iterations.assign(7)
    model.save(tmp_path / file)
    plan = planned(tmp_path, optimizer, **arguments, file=file)
    ours = build(plan)
    state, known = state_in_source(plan, ours), names(ours)
    assert state.updates == dict.fromkeys([known[id(variable)] for variable in ours.trainable_variables], 7)
    pairs = zip(ours.trainable_variables, model.trainable_variables, strict=True)
    paths = {known[id(variable)]: theirs.path.replace("/", "_") for variable, theirs in pairs}
    found = {f"{paths[path, number]}_{slot}": values for (path, number, slot), values in state.slots.items()}
    assert found.keys() == {variable.name for variable in slots}
    assert all(np.array_equal(found[variable.name], np.array(variable)) for variable in slots)


def test_what_stands_beside_a_sliced_variable_is_sliced_like_it(tmp_path: Path) -> None:
    saved(tmp_path)
    source = keras.models.load_model(tmp_path / "base.keras")
    velocity = {variable.name: np.array(variable) for variable in source.optimizer.variables}["hidden_kernel_velocity"]
    plan = planned(tmp_path, operations=RESIZED)
    model = build(plan)
    state = state_in_source(plan, model)
    columns = plan.spec["hidden"].weights[0].source.axes[0][1]
    assert np.array_equal(state.slots["hidden", 0, "velocity"], velocity[:, list(columns)])
    assert np.array_equal(state.slots["top", 0, "velocity"][:, 3:], np.zeros((10, 1)))
    lines = {(line.path, line.variable): line.source for line in plan.stages[0].optimizer.ledger}
    assert lines["hidden", "kernel"].startswith("sliced from hidden")
    assert lines["top", "kernel"] == "sliced from head: 3 of 3 on axis 1, 1 new: fresh, as the optimizer begins"
    train(model, works(plan), small.setting(tmp_path, DATA, validation=None), state)


def test_a_file_without_an_optimizer_or_with_another_one_has_no_state(tmp_path: Path) -> None:
    network().save(tmp_path / "base.keras")
    with pytest.raises(InvalidValue, match="saved without an optimizer"):
        planned(tmp_path)
    compiled(network(), "Adam").save(tmp_path / "base.keras")
    with pytest.raises(InvalidValue, match="was trained with Adam") as caught:
        planned(tmp_path, "SGD")
    assert str(caught.value).startswith(f"{tmp_path}/recipe.yaml:11:24: error[invalid-value]")
    with pytest.raises(InvalidValue, match="Nadam keeps does not belong"):
        planned(tmp_path, "Nadam")


def test_an_optimizer_of_other_variables_is_an_error(tmp_path: Path) -> None:
    model = compiled(network(), "Adam")
    model.optimizer.build(model.trainable_variables)
    model.get_layer("hidden").trainable = False
    model.save(tmp_path / "base.keras")
    plan = planned(tmp_path)
    with pytest.raises(ModelInvalid, match="18 variables; Adam has 14"):
        state_in_source(plan, build(plan))


def stages(*changes: dict[str, Any], frozen: tuple[str, ...] = ()) -> list[StageWork]:
    """Stages that hand their state on, each to the next; the first one leaves some layers out."""
    every = ("hidden", "norm", "inner", "inner/dense", "head")
    return [
        StageWork(
            small.stage(f"stage {number}", **{"metrics": (), **change}),
            {path: number > 0 or path not in frozen for path in every},
            goes_on=number > 0,
            hands_on=True,
        )
        for number, change in enumerate(changes)
    ]


def test_two_stages_are_one_training_of_keras(tmp_path: Path) -> None:
    adam = {"optimizer": {"Adam": {"learning_rate": RATE}}, "epochs": 2}
    ours, theirs = network(), compiled(network(), "Adam")
    train(ours, stages(adam, adam), small.setting(tmp_path, DATA, validation=None))
    for stage in ("stage 0", "stage 1"):
        fitted(theirs, stage, 2)
    assert small.same(small.weights(ours), small.weights(theirs))


def test_a_variable_that_joins_starts_with_a_count_of_its_own(tmp_path: Path) -> None:
    """By hand: one optimizer goes on for the head, and another one begins for what joins it."""
    adam = {"optimizer": {"Adam": {"learning_rate": RATE}}, "epochs": 2}
    ours, theirs = network(), network()
    works = stages(adam, adam, frozen=("hidden", "norm", "inner", "inner/dense"))
    train(ours, works, small.setting(tmp_path, DATA, validation=None))
    staying, joining = keras.optimizers.Adam(RATE), keras.optimizers.Adam(RATE)
    top = theirs.get_layer("head").trainable_variables
    by_hand(theirs, "stage 0", lambda gradients: apply(staying, gradients, top), training=False)
    others = [v for v in theirs.trainable_variables if not any(v is one for one in top)]

    def both(gradients: dict[int, Any]) -> None:
        apply(staying, gradients, top)
        apply(joining, gradients, others)

    by_hand(theirs, "stage 1", both, training=True)
    for one, other in zip(small.weights(ours), small.weights(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def by_hand(model: keras.Model, stage: str, update: Any, *, training: bool) -> None:
    import tensorflow as tf

    loss = keras.losses.SparseCategoricalCrossentropy()
    for epoch in range(2):
        order = permutation(3, stage, epoch, len(DATA))
        for first in range(0, len(DATA), 16):
            x, y = DATA.take(order[first : first + 16])[:2]
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=training))
            variables = model.trainable_variables
            found = tape.gradient(value, [variable.value for variable in variables])
            update({id(variable): gradient for variable, gradient in zip(variables, found, strict=True)})


def apply(optimizer: Any, gradients: dict[int, Any], variables: list[Any]) -> None:
    optimizer.apply([gradients[id(variable)] for variable in variables], variables)


def test_a_stage_begins_its_schedule_and_its_mean_anew(tmp_path: Path) -> None:
    decay = {"CosineDecay": {"initial_learning_rate": RATE, "decay_steps": 8}}
    adam = {"optimizer": {"Adam": {"learning_rate": decay, "use_ema": True}}, "epochs": 1}
    model = network()
    outcome = train(model, stages(adam, adam), small.setting(tmp_path, DATA, validation=None))
    first, second = (stage.epochs[-1].learning_rate for stage in outcome.history.stages)
    assert first == second == pytest.approx(RATE / 2)
    assert set(state_of(model).updates.values()) == {8}


@halves
def test_the_scaled_optimizer_of_mixed_precision_hands_on_too(tmp_path: Path) -> None:
    adam = {"optimizer": {"Adam": {"learning_rate": RATE}}, "epochs": 1, "layer_decay": None}
    model = small.model()
    flags = dict.fromkeys(["hidden", "norm", "drop", "head"], True)
    works = [StageWork(small.stage(f"stage {n}", **adam), flags, goes_on=n > 0, hands_on=True) for n in range(2)]
    with precision(model, "mixed_float16"):
        train(model, works, small.setting(tmp_path, DATA, precision="mixed_float16"))
    assert set(state_of(model).updates.values()) == {8}
