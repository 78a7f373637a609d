"""What Keras saves is accepted: no false refusal."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surgery.model.scan import Verdict, classes, graph, scan, values
from surgery.model.scan.rule import judge

pytestmark = pytest.mark.keras


def accepted(model: Any, path: Path) -> Verdict:
    import keras

    keras.saving.save_model(model, path)
    verdict = scan(path)
    assert verdict.is_accepted, [str(finding) for finding in verdict.findings]
    return verdict


APPLICATIONS = [
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3", "MobileNet",
    "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "Xception",
]  # fmt: skip


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications(name: str, tmp_path: Path) -> None:
    import keras

    size = {
        "VGG16": 32,
        "MobileNet": 32,
        "MobileNetV2": 32,
        "NASNetMobile": 32,
        "InceptionV3": 75,
        "InceptionResNetV2": 75,
    }
    side = size.get(name, 71)
    options = {} if name in ("MobileNetV3Small",) else {"pooling": "avg"}
    model = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(side, side, 3), **options)
    if name in ("MobileNetV2", "EfficientNetB0", "ConvNeXtTiny"):
        accepted(model, tmp_path / "model.keras")
    for family in (classes.FAMILY, values.FAMILY, graph.FAMILY):
        assert not judge(family, classes.Config(json.loads(model.to_json())))


def text_model(keras: Any) -> Any:
    words = keras.Input((12,), dtype="int32")
    x = keras.layers.Embedding(20, 8, mask_zero=True)(words)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(3))(x)
    x = keras.layers.RNN([keras.layers.GRUCell(3), keras.layers.LSTMCell(3)])(x)
    return keras.Model(words, x)


def operations_model(keras: Any) -> Any:
    x = keras.Input((4, 4, 3))
    y = keras.ops.relu(x + 1.0) * keras.ops.sigmoid(x[:, ::4, 1:2, None][..., 0, :])
    y = keras.ops.concatenate([keras.ops.mean(y, axis=-1, keepdims=True), keras.ops.cast(x, "float32")], axis=-1)
    return keras.Model(x, keras.ops.reshape(keras.ops.stop_gradient(y), (-1, 64)))


def nested_model(keras: Any) -> Any:
    shape = (4,)
    inner = keras.Sequential([keras.Input(shape), keras.layers.Dense(4, activation=keras.ops.gelu)], name="inner")
    inner.compile(loss="mse", metrics=["accuracy"])
    x, other = keras.Input(shape), keras.Input(shape, name="other")
    shared = keras.layers.Dense(4, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(2.0))
    return keras.Model({"a": x, "b": other}, {"out": shared(inner(x)) + shared(other), "more": inner(other)})


def compiled_model(keras: Any) -> Any:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2, kernel_initializer=keras.initializers.HeNormal(3))]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(
        keras.optimizers.AdamW(schedule),
        loss=keras.losses.mean_squared_error,
        metrics=[keras.metrics.AUC(), "accuracy", keras.metrics.categorical_accuracy],
    )
    return model


def words_model(keras: Any) -> Any:
    layer = keras.layers.TextVectorization(output_sequence_length=5, vocabulary=["one", "two"])
    return keras.Sequential([keras.Input((1,), dtype="string"), layer, keras.layers.Embedding(4, 2)])


def lookup_model(keras: Any) -> Any:
    layer = keras.layers.StringLookup()
    layer.adapt(["a", "b"])
    return keras.Sequential([keras.Input((1,), dtype="string"), layer])


def augmented_model(keras: Any) -> Any:
    layers = keras.layers
    steps = [layers.Rescaling(1 / 255), layers.RandomFlip(seed=1), layers.RandomRotation(0.1), layers.RandomZoom(0.1)]
    return keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Pipeline(steps), layers.Conv2D(2, 3), layers.Dropout(0.5, seed=2)]
    )


def quantized_model(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(4)])
    model.quantize("int8")
    return model


def half_precision_model(keras: Any) -> Any:
    return keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(8, dtype="mixed_float16"), keras.layers.Dense(4, dtype="bfloat16")]
    )


def low_rank_model(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    model.layers[0].enable_lora(2)
    return model


MODELS = [
    text_model, operations_model, nested_model, compiled_model, words_model, lookup_model, augmented_model, quantized_model,
    half_precision_model, low_rank_model,
]  # fmt: skip


@pytest.mark.parametrize("build", MODELS)
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.filterwarnings("ignore")
def test_models(build: Callable[[Any], Any], name: str, tmp_path: Path) -> None:
    import keras

    if name == "model.h5" and build in (words_model, lookup_model, quantized_model, half_precision_model):
        pytest.skip("Keras does not save this as HDF5")
    keras.utils.set_random_seed(0)
    accepted(build(keras), tmp_path / name)


def test_folder_and_weights_alone(tmp_path: Path) -> None:
    import keras

    model = compiled_model(keras)
    keras.saving.save_model(model, tmp_path / "folder", zipped=False)
    assert scan(tmp_path / "folder").is_accepted
    model.save_weights(tmp_path / "model.weights.h5")
    assert scan(tmp_path / "model.weights.h5").is_accepted


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "Activation": ("relu",), "CategoryEncoding": (4,), "CenterCrop": (2, 2), "Discretization": ([0.0, 1.0],), "Dropout": (0.1,),
    "AlphaDropout": (0.1,), "GaussianDropout": (0.1,), "GaussianNoise": (0.1,), "Dot": (1,), "Embedding": (4, 2), "Hashing": (4,),
    "HashedCrossing": (4,), "MultiHeadAttention": (2, 2), "GroupQueryAttention": (2, 4, 2), "RepeatVector": (2,),
    "Rescaling": (2.0,), "Resizing": (2, 2), "Reshape": ((2, 2),), "Permute": ((2, 1),), "SpatialDropout1D": (0.1,),
    "SpatialDropout2D": (0.1,), "SpatialDropout3D": (0.1,), "RandomCrop": (2, 2), "RandomBrightness": (0.1,),
    "RandomContrast": (0.1,), "RandomRotation": (0.1,), "RandomTranslation": (0.1, 0.1), "RandomZoom": (0.1,),
    "EinsumDense": ("ab,bc->ac", 4),
    "ReversibleEmbedding": (4, 2), "MaxNumBoundingBoxes": (4,),
}  # fmt: skip


def test_every_layer_class(tmp_path: Path) -> None:
    """Each class of `keras.layers` that takes no code, with the fewest arguments it can be made with."""
    import keras

    from surgery.execution.allowlist import BASES, RUNS_OR_READS
    from surgery.model.scan.classes import Config

    made, refused = 0, []
    for name, kind in sorted(vars(keras.layers).items()):
        if inspect.isclass(kind) and issubclass(kind, keras.layers.Layer) and name not in {*RUNS_OR_READS, *BASES}:
            layer = made_by(kind, keras)
            if layer is None:
                continue
            made += 1
            refused += [str(found) for found in Config(keras.saving.serialize_keras_object(layer)).doubtful]
    assert made > 120
    assert not refused


def made_by(kind: Any, keras: Any) -> Any:
    units = (
        (4,) if "RNN" in kind.__name__ or kind.__name__ in ("Dense", "LSTM", "GRU", "LSTMCell", "GRUCell") else (2, 2)
    )
    wrapped = (keras.layers.Dense(2),)
    for arguments in (
        ARGUMENTS.get(kind.__name__, ()),
        units,
        (2,),
        wrapped,
        ([keras.layers.LSTMCell(2)],),
        (keras.layers.LSTM(2),),
    ):
        try:
            return kind(*arguments)
        except (TypeError, ValueError, AttributeError):
            continue
    return None


def test_the_list_is_fresh() -> None:
    """`python -m surgery.execution.allowlist` after an update of Keras."""
    from importlib.resources import files

    from surgery.execution.allowlist import text

    assert files("surgery.model.scan").joinpath("allowlist.json").read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop"])
def test_a_model_that_was_compiled_on_torch(name: str) -> None:
    """There Keras names the optimizers that it puts in place of its own."""
    import keras

    optimizer = keras.saving.serialize_keras_object(getattr(keras.optimizers, name)())
    optimizer["module"] = f"keras.src.backend.torch.optimizers.torch_{name.lower()}"
    assert not classes.Config({"compile_config": {"optimizer": optimizer}}).doubtful
    optimizer["class_name"] = "TorchParallelOptimizer"
    assert classes.Config({"compile_config": {"optimizer": optimizer}}).doubtful
