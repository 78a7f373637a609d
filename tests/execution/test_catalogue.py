"""The catalogue against the installed Keras: it is fresh, and a planned config is the one that Keras would save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surgery.execution import argument_types
from surgery.execution import catalogue as printing
from surgery.model import catalogue
from surgery.model.catalogue import KerasClass
from surgery.model.configured import serialized_object
from surgery.model.keras_object import LayerObject
from tests.model.keras_objects import made

pytestmark = pytest.mark.keras

NESTED: dict[str, Any] = {
    "Bidirectional": {"layer": {"LSTM": {"units": 2}}},
    "CategoryEncoding": {"num_tokens": 4},
    "Discretization": {"num_bins": 4},
    "InputLayer": {"shape": [3]},
    "Pipeline": {"layers": [{"RandomFlip": {}}]},
    "RNN": {"cell": {"LSTMCell": {"units": 2}}},
    "RandomCrop": {"height": 2, "width": 2, "seed": 3},
    "RandomPosterization": {"factor": 2},
    "SpectralNormalization": {"layer": {"Dense": {"units": 2}}},
    "StackedRNNCells": {"cells": [{"LSTMCell": {"units": 2}}]},
    "TimeDistributed": {"layer": {"Dense": {"units": 2}}},
}
"""Arguments of classes for which a number each is not enough."""

LAYERS: list[dict[str, Any]] = [
    {
        "Dense": {
            "units": 3,
            "activation": "swish",
            "kernel_initializer": "he_normal",
            "kernel_regularizer": {"L2": {"l2": 0.01}},
            "bias_regularizer": "l1",
            "dtype": "mixed_float16",
            "name": "x",
            "trainable": False,
        }
    },
    {
        "Dense": {
            "units": 3,
            "kernel_initializer": {"RandomNormal": {"stddev": 0.1, "seed": 3}},
            "activity_regularizer": {"L1L2": {"l1": 0.1}},
            "kernel_constraint": {"MaxNorm": {"max_value": 2}},
            "lora_rank": 4,
        }
    },
    {"Dense": {"units": 3, "activation": {"LeakyReLU": {"negative_slope": 0.1}}}},
    {
        "Conv2D": {
            "filters": 3,
            "kernel_size": [3, 1],
            "strides": 2,
            "padding": "same",
            "dilation_rate": 1,
            "groups": 3,
            "data_format": "channels_first",
        }
    },
    {"Conv2DTranspose": {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1}},
    {"Conv1D": {"filters": 3, "kernel_size": 3, "padding": "causal"}},
    {"MaxPooling2D": {"pool_size": 3}},
    {"MaxPooling2D": {"pool_size": [3, 2], "strides": 1, "padding": "same"}},
    {"AveragePooling1D": {"pool_size": 4}},
    {"ZeroPadding2D": {"padding": 2}},
    {"ZeroPadding2D": {"padding": [1, 2]}},
    {"ZeroPadding2D": {"padding": [[1, 2], [3, 4]]}},
    {"ZeroPadding1D": {"padding": 3}},
    {"ZeroPadding3D": {"padding": 3}},
    {"Cropping2D": {"cropping": 1}},
    {"Cropping1D": {"cropping": [1, 2]}},
    {"Cropping3D": {"cropping": [1, 2, 1]}},
    {"UpSampling2D": {"size": 3, "interpolation": "bilinear"}},
    {"UpSampling1D": {"size": 3}},
    {"BatchNormalization": {"momentum": 0.9, "epsilon": 1e-05, "axis": 1, "center": False}},
    {"LayerNormalization": {"axis": [1, 2]}},
    {"LayerNormalization": {"epsilon": 1e-06}},
    {"GroupNormalization": {"groups": 2}},
    {"Dropout": {"rate": 0.25, "seed": 3, "noise_shape": [None, 1, 4]}},
    {"SpatialDropout2D": {"rate": 0.25, "dtype": "mixed_bfloat16"}},
    {"MultiHeadAttention": {"num_heads": 2, "key_dim": 8, "output_shape": 4, "attention_axes": [1]}},
    {"MultiHeadAttention": {"num_heads": 2, "key_dim": 8, "value_dim": 4, "attention_axes": 1}},
    {"EinsumDense": {"equation": "abc,cd->abd", "output_shape": [None, 4], "bias_axes": "d"}},
    {
        "LSTM": {
            "units": 3,
            "return_sequences": True,
            "dropout": 0.1,
            "recurrent_initializer": "glorot_uniform",
            "unroll": True,
        }
    },
    {"GRU": {"units": 3, "reset_after": False, "dtype": "float16"}},
    {"Bidirectional": {"layer": {"GRU": {"units": 3, "return_sequences": True, "name": "g"}}, "merge_mode": "sum"}},
    {
        "Bidirectional": {
            "layer": {"LSTM": {"units": 3}},
            "backward_layer": {"LSTM": {"units": 3, "go_backwards": True}},
            "merge_mode": None,
        }
    },
    {"TimeDistributed": {"layer": {"Conv2D": {"filters": 3, "kernel_size": 3}}}},
    {"RNN": {"cell": [{"LSTMCell": {"units": 2}}, {"GRUCell": {"units": 2}}], "return_sequences": True}},
    {"ConvLSTM2D": {"filters": 3, "kernel_size": 3, "padding": "same"}},
    {"PReLU": {"shared_axes": [1, 2]}},
    {"ReLU": {"max_value": 6}},
    {"ReLU": {"max_value": 6.0, "negative_slope": 0.1}},
    {"Softmax": {"axis": [1, 2]}},
    {"Normalization": {"axis": None, "mean": 3.0, "variance": 2.0}},
    {"Normalization": {"axis": [-1], "mean": [1.0, 2.0], "variance": [1.0, 1.0]}},
    {"Rescaling": {"scale": 0.5, "offset": [1.0, 2.0]}},
    {"RandomRotation": {"factor": [-0.1, 0.3]}},
    {"RandomZoom": {"height_factor": [-0.1, 0.2], "width_factor": 0.3}},
    {"RandomContrast": {"factor": 0.3}},
    {"RandomBrightness": {"factor": 0.3, "value_range": [0, 1]}},
    {"RandomFlip": {"mode": "horizontal", "seed": 1}},
    {"RandomTranslation": {"height_factor": 0.1, "width_factor": [0.1, 0.2], "fill_mode": "nearest"}},
    {"RandomErasing": {"factor": 0.5, "scale": [0.1, 0.2]}},
    {"RandomShear": {"x_factor": 0.2}},
    {"RandomCrop": {"height": 3, "width": 4, "seed": 3}},
    {"RandomSharpness": {"factor": 0.5}},
    {"RandomHue": {"factor": [0.2, 0.4]}},
    {"Reshape": {"target_shape": [2, -1]}},
    {"Permute": {"dims": [2, 1]}},
    {"Dot": {"axes": [1, 2], "normalize": True}},
    {"Concatenate": {"axis": 1}},
    {"Embedding": {"input_dim": 10, "output_dim": 3, "mask_zero": True, "lora_rank": 2}},
    {"Embedding": {"input_dim": 10, "output_dim": 3, "embeddings_initializer": "normal"}},
    {"InputLayer": {"batch_shape": [2, None], "dtype": "int32", "name": "in"}},
    {"InputLayer": {"shape": [None, 3], "batch_size": 4}},
    {"Activation": {"activation": "hard_swish"}},
    {"Activation": {"activation": "softmax"}},
    {"GlobalAveragePooling2D": {"keepdims": True}},
    {"AdaptiveAveragePooling2D": {"output_size": [2, 3]}},
    {"DepthwiseConv2D": {"kernel_size": 3, "depth_multiplier": 2}},
    {"SeparableConv2D": {"filters": 2, "kernel_size": 3, "pointwise_initializer": "zeros"}},
    {"Attention": {"use_scale": True, "dropout": 0.1}},
    {"Masking": {"mask_value": 1.0}},
    {"Masking": {"mask_value": 1}},
    {"SpectralNormalization": {"layer": {"Conv2D": {"filters": 2, "kernel_size": 3}}, "power_iterations": 2}},
    {"Hashing": {"num_bins": 3, "salt": 3}},
    {"CategoryEncoding": {"num_tokens": 3, "output_mode": "one_hot"}},
    {"Discretization": {"bin_boundaries": [0.0, 1.0]}},
    {"Dense": {"units": 2, "autocast": False}},
    {"StringLookup": {"vocabulary": ["a", "b"]}},
    {"IntegerLookup": {"vocabulary": [1, 2]}},
    {"TextVectorization": {"vocabulary": ["a", "b"], "output_sequence_length": 3}},
    {"GroupQueryAttention": {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}},
    {"Dense": {"units": 3, "kernel_initializer": {"Constant": {"value": 0.3}}, "bias_initializer": "one"}},
    {
        "Dense": {
            "units": 3,
            "kernel_initializer": "identity",
            "bias_initializer": {"VarianceScaling": {"mode": "fan_out"}},
        }
    },
    {"Dense": {"units": 3, "kernel_initializer": "orthogonal"}},
]


def test_the_committed_file_is_what_the_installed_keras_gives() -> None:
    assert printing.text(printing.document()) == printing.PATH.read_text(encoding="utf-8")


def test_check_refuses_a_stale_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "catalogue.json"
    stale.write_text("{}")
    monkeypatch.setattr(printing, "PATH", stale)
    said: list[str] = []
    assert printing.main(["--check"], said.append) == 4
    assert "python -m surgery.execution.catalogue" in said[0]


@pytest.mark.parametrize("kind", ["layers", "initializers", "regularizers", "constraints"])
def test_default_configs_are_what_keras_saves(kind: str) -> None:
    every = [known for name in catalogue.names(kind) if (known := catalogue.find(kind, name)) and not known.unsafe]
    assert differences(kind, [{known.name: arguments_of(known)} for known in every]) == {}


def arguments_of(known: KerasClass) -> dict[str, Any]:
    return NESTED.get(known.name, {key: plain(argument_types.EXAMPLES.get(key, 2)) for key in known.required})


def test_configs_of_given_arguments_are_what_keras_saves() -> None:
    assert {json.dumps(layer): found for layer in LAYERS if (found := list(LayerObject.problems(layer)))} == {}
    assert differences("layers", LAYERS) == {}


def test_a_bidirectional_layer_names_its_halves_as_keras_does() -> None:
    config = serialized_object("layers", "Bidirectional", {"layer": {"GRU": {"units": 3, "name": "memory"}}})["config"]
    theirs = made("layers", {"Bidirectional": {"layer": {"GRU": {"units": 3, "name": "memory"}}}}).get_config()
    for half in ("layer", "backward_layer"):
        assert config[half]["config"]["name"] == theirs[half]["config"]["name"]


def differences(kind: str, values: list[dict[str, Any]]) -> dict[str, Any]:
    """For each one-key map the config entries where the plan and Keras differ, as (plan, Keras)."""
    found = {}
    for value in values:
        ((name, given),) = value.items()
        ours = without_names(plain(serialized_object(kind, name, given)))
        theirs = without_names(plain(saved(kind, name, value)))
        config, other = ours.pop("config"), theirs.pop("config")
        if ours != theirs or config != other:
            entries = {key: (config.get(key), other.get(key)) for key in {*config, *other}}
            found[json.dumps(value)] = {key: pair for key, pair in entries.items() if pair[0] != pair[1]} or (
                ours,
                theirs,
            )
    return found


def saved(kind: str, name: str, value: dict[str, Any]) -> Any:
    import keras

    layer = made(kind, value)
    if name in ("LayerNormalization", "RMSNormalization"):  # their config changes when they are built
        layer.build((None, 3, 4))
    theirs = keras.saving.serialize_keras_object(layer)
    theirs.pop("build_config", None)
    return theirs


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def without_names(value: Any) -> Any:
    """The form without what is decided later: names of layers. A dtype policy's name stays."""
    if isinstance(value, dict):
        is_policy = value.get("class_name") == "DTypePolicy"
        return value if is_policy else {key: without_names(item) for key, item in value.items() if key != "name"}
    if isinstance(value, list):
        return [without_names(item) for item in value]
    return value
