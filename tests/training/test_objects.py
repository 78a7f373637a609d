from __future__ import annotations

import inspect
from pathlib import Path

import keras
import pytest
from pydantic import ValidationError

from surgery.errors import InvalidValue, OutputRefused, UntrustedImport
from surgery.model import catalogue
from surgery.model.keras_object import CallbackObject, LossObject, MetricObject, OptimizerObject
from surgery.training.objects import live, live_callback, snake_case

pytestmark = pytest.mark.keras


def test_every_call_makes_a_new_object() -> None:
    adam = OptimizerObject("Adam", {"learning_rate": 0.5})
    first, second = live(adam, (), ()), live(adam, (), ())
    assert first is not second
    assert float(first.learning_rate) == 0.5


def test_a_bare_name_is_left_to_keras() -> None:
    assert live(LossObject("sparse_categorical_crossentropy", plain=True), (), ()) == "sparse_categorical_crossentropy"


def test_metrics_keep_their_name_however_many_there_were() -> None:
    names = [live(MetricObject("AUC", {"curve": "PR"}), (), ()).name for _ in range(2)]
    assert names == ["auc", "auc"]
    assert live(MetricObject("AUC", {"name": "area"}), (), ()).name == "area"


@pytest.mark.parametrize(
    "name", ["AUC", "F1Score", "KLDivergence", "MeanIoU", "SparseCategoricalCrossentropy", "R2Score"]
)
def test_names_are_those_that_keras_makes(name: str) -> None:
    assert snake_case(name) == keras.src.utils.naming.to_snake_case(name)


def test_what_keras_refuses_has_its_place() -> None:
    with pytest.raises(InvalidValue, match="SGD") as caught:
        live(OptimizerObject("SGD", {"momentum": 7.0}), (), ("training", "stages", 0, "optimizer"))
    assert caught.value.field == ("training", "stages", 0, "optimizer")


def test_code_that_nobody_granted() -> None:
    with pytest.raises(UntrustedImport) as caught:
        live(LossObject("Own", custom_module="my.losses"), ("other",), ("loss",))
    assert caught.value.field == ("loss",)


@pytest.mark.parametrize("written", ["/tmp/x.csv", "../x.csv", "a/../../x.csv", "."])
def test_callbacks_write_in_the_folder_of_the_run_and_nowhere_else(tmp_path: Path, written: str) -> None:
    with pytest.raises(OutputRefused):
        live_callback(CallbackObject("CSVLogger", {"filename": written}), tmp_path, (), ())
    made = live_callback(CallbackObject("CSVLogger", {"filename": "a/x.csv"}), tmp_path, (), ())
    assert made.filename == str(tmp_path / "a/x.csv")


def test_every_callback_of_keras_that_takes_a_path_is_known() -> None:
    found = set()
    for name in catalogue.names("callbacks"):
        known = catalogue.find("callbacks", name)
        assert known is not None
        arguments = inspect.signature(getattr(keras.callbacks, name).__init__).parameters
        paths = {one for one in arguments if one.endswith(("path", "dir", "directory", "filename", "metadata"))}
        assert known.unsafe or paths == {one.name for one in known.arguments.values() if one.type == "path"}, name
        found |= {(name, one) for one in paths}
    assert ("OrbaxCheckpoint", "directory") in found


@pytest.mark.parametrize("name", catalogue.names("callbacks"))
def test_every_path_of_every_callback_is_confined(tmp_path: Path, name: str) -> None:
    known = catalogue.find("callbacks", name)
    assert known is not None
    for argument in [] if known.unsafe else [one for one in known.arguments.values() if one.type == "path"]:
        for written in ("/tmp/x", "../x", "{epoch.__doc__:.>2.0}/x", "{epoch!r}", "a/{x[0]}", "~/x"):
            with pytest.raises(OutputRefused):
                live_callback(CallbackObject(name, {argument.name: written}), tmp_path, (), ())
            with pytest.raises(ValidationError, match=r"folder of the run|no plain name"):
                CallbackObject.parse({name: {argument.name: written}})
        CallbackObject.parse({name: {argument.name: "a/{epoch:02d}-{val_loss:.2f}.keras"}})
