"""Where a stage can be cut, and what is said where it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from surgery.model.spec import ModelSpec, TensorRef
from surgery.planning.prefix import Prefix, frozen_prefix
from surgery.recipe.training import Training
from tests.networks import changed, network

STAGE: dict[str, Any] = {"name": "head", "epochs": 1, "optimizer": "Adam", "loss": "mse"}


def cut(model: ModelSpec, augmentation: tuple[Any, ...] = (), **stage: Any) -> Prefix:
    data = {"train": {"npz": "data.npz", "x": "x", "y": "y"}, "augmentation": augmentation}
    training = Training.model_validate({"data": data, "stages": (STAGE | stage,)})
    return frozen_prefix(model, training, training.stages[0])


def chain(*middle: dict[str, Any]) -> ModelSpec:
    layers = (
        {"Conv2D": {"filters": 2, "kernel_size": 3, "name": "conv"}},
        {"BatchNormalization": {"name": "norm"}},
        *middle,
        {"Flatten": {"name": "flatten"}},
        {"Dense": {"units": 3, "name": "head"}},
    )
    return network(*layers)


def frozen(model: ModelSpec, layers: Any = "[cn]on*") -> ModelSpec:
    return changed(model, op="freeze", layers=layers)


def test_the_cut_goes_past_layers_without_weights() -> None:
    found = cut(frozen(chain(), {"to": "norm"}))
    assert found.cut == (TensorRef("flatten"),)
    assert found.layers == ("conv", "norm", "flatten")
    assert found.described == "computed once: 3 layers up to flatten; then 'head' trains"


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ({"Dropout": {"rate": 0.5, "name": "x"}}, "'x' is random (Dropout)"),
        ({"RandomFlip": {"name": "x"}}, "'x' is random (RandomFlip)"),
        ({"BatchNormalization": {"name": "x"}}, "'x' trains"),
        ({"BatchNormalization": {"name": "x", "center": False, "scale": False}}, "'x' learns statistics"),
        ({"Activation": {"activation": "relu", "activity_regularizer": "l2", "name": "x"}}, "activity_regularizer"),
    ],
)
def test_the_cut_stops_before_what_is_not_the_same_each_time(layer: dict[str, Any], reason: str) -> None:
    found = cut(frozen(chain(layer), {"to": "norm"}))
    assert found.cut == (TensorRef("norm"),)
    assert reason in found.described


def test_a_network_that_trains_from_its_beginning_is_not_cut() -> None:
    assert cut(chain()).described == "nothing is computed once: 'conv' trains"


def test_layers_without_weights_alone_are_not_worth_it() -> None:
    model = network({"Flatten": {"name": "flatten"}}, {"Dense": {"units": 3, "name": "head"}})
    assert cut(model).cut == ()


def test_a_graph_may_need_several_tensors() -> None:
    found = cut(frozen(skipping(), {"to": "b"}))
    assert found.cut == (TensorRef("b"), TensorRef("a"))


def test_an_output_is_not_cut_off() -> None:
    model = changed(chain(), op="branch", **{"from": "conv", "layers": [{"Flatten": {"name": "second"}}]})
    found = cut(frozen(model, {"to": "norm"}))
    assert set(found.cut) == {TensorRef("flatten"), TensorRef("conv")}
    assert any("'second' is an output" in reason for reason in found.ended_by)


def skipping() -> ModelSpec:
    model = network(
        *({"Dense": {"units": 3, "name": name}} for name in ("a", "b", "c")),
        shape=(3,),
    )
    return changed(model, op="append", layers=[{"Add": {"name": "sum", "inputs": ["c", "a"]}}])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"augmentation": ({"RandomFlip": {}},)}, "augmentation varies the inputs"),
        ({"callbacks": ({"ModelCheckpoint": {"filepath": "a.keras"}},)}, "ModelCheckpoint is given the model"),
    ],
)
def test_what_prevents_a_cut_is_said(changes: dict[str, Any], reason: str) -> None:
    found = cut(frozen(chain(), {"to": "norm"}), **changes)
    assert found.cut == ()
    assert reason in found.described


def test_a_digest_tells_other_layers() -> None:
    once = cut(frozen(chain(), {"to": "norm"}))
    other = cut(frozen(chain({"MaxPooling2D": {"name": "pool"}}), {"to": "norm"}))
    assert once.digest == cut(frozen(chain(), {"to": "norm"}), epochs=3).digest
    assert once.digest != other.digest


def test_where_one_of_the_inputs_is_text_nothing_is_computed_once() -> None:
    model = frozen(chain(), {"to": "norm"})
    image = model["image"]
    text = replace(image, name="words", config={**image.config, "name": "words", "dtype": "string"})
    found = cut(replace(model, layers=(*model.layers, text), inputs=[model.inputs, TensorRef("words")]))
    assert found.cut == ()
    assert found.ended_by == ("'words' takes text",)
