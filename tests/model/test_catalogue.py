"""What the catalogue knows, and that every default in it is one that its own types allow."""

from __future__ import annotations

import pytest

from surgery.model import catalogue
from surgery.model.arguments import OBJECTS, TYPES, fits, plain_schema
from surgery.model.catalogue import KINDS, KerasClass, find
from surgery.model.nearest import nearest

EVERY = [cls for kind in KINDS for name in catalogue.names(kind) if (cls := find(kind, name)) is not None]


def dense() -> KerasClass:
    found = find("layers", "Dense")
    assert found is not None
    return found


def test_a_class_has_its_arguments_with_types_defaults_and_words() -> None:
    units, use_bias = dense().arguments["units"], dense().arguments["use_bias"]
    assert (units.type, units.required) == ("count", True)
    assert units.doc == "Positive integer, dimensionality of the output space."
    assert (use_bias.type, use_bias.required, use_bias.default) == ("boolean", False, True)
    assert dense().required == ("units",)
    assert {"name", "dtype", "trainable"} <= set(dense().arguments)


def test_aliases_find_the_class_that_a_model_saves() -> None:
    found = find("layers", "MaxPool2D")
    assert found is not None
    assert found.name == "MaxPooling2D"
    assert find("layers", "Dens") is None
    grouped = find("layers", "GroupQueryAttention")
    assert grouped is not None
    assert grouped.name == "GroupQueryAttention"


def test_bare_names_stand_for_what_keras_makes_of_them() -> None:
    assert catalogue.bare_names("activations")["swish"] == "silu"
    assert catalogue.bare_names("losses")["mse"] == "mean_squared_error"
    assert catalogue.bare_names("optimizers")["rmsprop"] == "RMSprop"
    assert catalogue.bare_names("initializers")["he_normal"] == "HeNormal"
    assert "accuracy" in catalogue.bare_names("metrics")


def test_applications_know_where_their_preprocessing_is() -> None:
    assert catalogue.applications()["MobileNetV2"] == "keras.applications.mobilenet_v2"


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"])
def test_what_runs_code_is_marked(name: str) -> None:
    found = find("layers", name)
    assert found is not None
    assert found.unsafe


@pytest.mark.parametrize("known", EVERY, ids=lambda known: f"{known.kind}.{known.name}")
def test_every_default_is_one_that_the_type_allows(known: KerasClass) -> None:
    for argument in known.arguments.values():
        assert argument.type in TYPES
        if argument.required or argument.default is None or argument.type in OBJECTS:
            continue
        assert fits(argument.default, plain_schema(argument)), argument


@pytest.mark.parametrize(
    ("word", "meant"),
    [("Dens", "Dense"), ("dense", "Dense"), ("conv2d", "Conv2D"), ("Batchnorm", "BatchNormalization"), ("qqq", None)],
)
def test_the_nearest_word(word: str, meant: str | None) -> None:
    assert nearest(word, catalogue.names("layers")) == meant


def test_the_nearest_word_keeps_the_case_that_was_written() -> None:
    assert nearest("acuracy", ["Accuracy", "accuracy"]) == "accuracy"
    assert nearest("Acuracy", ["Accuracy", "accuracy"]) == "Accuracy"
