from __future__ import annotations

import keras
import pytest

from surgery.training.layers import changing, set_trainable, walk

pytestmark = pytest.mark.keras


def nested() -> keras.Model:
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(3, name="second")], name="encoder"
    )
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(inner(inputs)))


def flags(model: keras.Model) -> dict[str, bool]:
    return {path: layer.trainable for path, layer in walk(model) if layer.weights}


def test_a_nested_model_hands_its_flag_down() -> None:
    model = nested()
    set_trainable(model, [("encoder", False)])
    assert flags(model) == {"encoder": False, "encoder/first": False, "encoder/second": False, "head": True}


def test_a_layer_that_trains_makes_its_parents_trainable_and_not_its_neighbours() -> None:
    model = nested()
    model.trainable = False
    set_trainable(model, [("encoder/second", True)])
    assert flags(model) == {"encoder": True, "encoder/first": False, "encoder/second": True, "head": False}
    assert [v.path for v in model.trainable_variables] == ["encoder/second/kernel", "encoder/second/bias"]


def test_flags_of_all_layers_parents_first_are_taken_as_they_are() -> None:
    model = nested()
    planned = {"encoder": True, "encoder/first": False, "encoder/second": True, "head": False}
    set_trainable(model, planned.items())
    assert flags(model) == planned


def test_an_unknown_path_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        set_trainable(nested(), [("decoder", True)])


def test_moving_averages_change_only_while_their_layer_trains() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(name="norm")])
    assert len(changing(model)) == 4
    set_trainable(model, [("norm", False)])
    assert changing(model) == []
