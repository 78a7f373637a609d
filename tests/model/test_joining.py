"""Models in several files: the same as in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surgery.api import convert, read_model
from surgery.cli.main import run
from surgery.errors import FileMissing, FileUnreadable, ModelInvalid, ModelUnsafe, ModelUnsupported, UsageError
from surgery.model.archive import open_weights

KERAS_2 = Path(__file__).parent / "keras2"
FILES = ["sequential", "functional", "nested", "recurrent", "convolutions", "attention", "several", "wrapped"]


def architecture(name: str) -> dict[str, Any]:
    with h5py.File(KERAS_2 / f"{name}.h5") as file:
        return {**json.loads(file.attrs["model_config"]), "keras_version": "2.15.0", "backend": "tensorflow"}


def pair(name: str, folder: Path) -> tuple[Path, Path]:
    """What `to_json` and `save_weights` of Keras 2 wrote."""
    (folder / "model.json").write_text(json.dumps(architecture(name)), encoding="utf-8")
    with h5py.File(KERAS_2 / f"{name}.h5") as file, h5py.File(folder / "weights.h5", "w") as alone:
        for layer in file["model_weights"]:
            file.copy(f"model_weights/{layer}", alone)
        for key, value in file["model_weights"].attrs.items():
            alone.attrs[key] = value
    return folder / "model.json", folder / "weights.h5"


def shards(name: str, folder: Path, quantized: str = "", parts: int = 2) -> Path:
    """What `tensorflowjs_converter` wrote."""
    entries, data = [], b""
    with h5py.File(KERAS_2 / f"{name}.h5") as file:
        for layer in file["model_weights"].attrs["layer_names"]:
            group = file["model_weights"][layer]
            for weight in group.attrs["weight_names"]:
                values = group[weight][...]
                entry = {"name": weight.removesuffix(":0"), "shape": list(values.shape), "dtype": "float32"}
                if quantized == "uint8":
                    scale = max(float(np.ptp(values)) / 255, 1e-9)
                    entry["quantization"] = {"dtype": "uint8", "scale": scale, "min": float(values.min())}
                    values = np.round((values - values.min()) / scale).astype("uint8")
                elif quantized:
                    entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
                    values = values.astype("float16")
                entries.append(entry)
                data += values.tobytes()
    cuts = [len(data) * part // parts for part in range(parts + 1)]
    names = [f"group1-shard{part}of{parts}.bin" for part in range(1, parts + 1)]
    for shard, start, end in zip(names, cuts, cuts[1:], strict=False):
        (folder / shard).write_bytes(data[start:end])
    said = architecture(name)
    topology = {"keras_version": said.pop("keras_version"), "backend": said.pop("backend"), "model_config": said}
    model = {
        "format": "layers-model",
        "modelTopology": topology,
        "weightsManifest": [{"paths": names, "weights": entries}],
    }
    (folder / "model.json").write_text(json.dumps(model), encoding="utf-8")
    return folder / "model.json"


def values_of(path: Path) -> dict[tuple[str, str], Any]:
    with open_weights(path) as values:
        return {key: np.array(array) for key, array in values.items()}


def assert_predicts(path: Path, name: str, tolerance: float = 1e-5) -> None:
    import keras

    model, data = keras.models.load_model(path), np.load(KERAS_2 / f"{name}.npz")
    inputs = [data[key] for key in data if key.startswith("x")]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    for number, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        np.testing.assert_allclose(output, data[f"y{number}"], rtol=1e-5, atol=tolerance)


@pytest.mark.keras
@pytest.mark.parametrize("name", FILES)
def test_an_architecture_and_its_weights(name: str, tmp_path: Path) -> None:
    assert convert(pair(name, tmp_path), tmp_path / "m.keras") == ()
    assert_predicts(tmp_path / "m.keras", name)


@pytest.mark.keras
def test_an_architecture_and_its_weights_of_keras_3(tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2)])
    (tmp_path / "model.json").write_text(model.to_json(), encoding="utf-8")
    model.save_weights(tmp_path / "model.weights.h5")
    convert([tmp_path / "model.json", tmp_path / "model.weights.h5"], tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert all((a == b).all() for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True))


@pytest.mark.keras
@pytest.mark.parametrize("name", FILES)
def test_a_layers_model_of_tensorflow_js(name: str, tmp_path: Path) -> None:
    assert convert([shards(name, tmp_path)], tmp_path / "m.keras") == ()
    assert_predicts(tmp_path / "m.keras", name)


@pytest.mark.parametrize(("quantized", "tolerance"), [("uint8", 0.01), ("float16", 0.001)])
def test_quantized_weights_are_what_tensorflow_js_computes_with(
    quantized: str, tolerance: float, tmp_path: Path
) -> None:
    notes = convert([shards("sequential", tmp_path, quantized)], tmp_path / "m.keras")
    assert any("quantized" in note for note in notes)
    convert([KERAS_2 / "sequential.h5"], tmp_path / "whole.keras")
    whole, made = values_of(tmp_path / "whole.keras"), values_of(tmp_path / "m.keras")
    assert whole.keys() == made.keys()
    for key in whole:
        np.testing.assert_allclose(made[key], whole[key], atol=tolerance)


def test_one_file_is_converted_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(KERAS_2 / "sequential.h5"), "-o", str(tmp_path / "m.keras")]) == 0
    assert capsys.readouterr().out == f"Written: {tmp_path / 'm.keras'}\n"
    convert(pair("sequential", tmp_path), tmp_path / "n.keras")
    assert (tmp_path / "m.keras").read_bytes() == (tmp_path / "n.keras").read_bytes()


def manifest(path: Path, change: Any) -> Path:
    said = json.loads(path.read_text(encoding="utf-8"))
    change(said)
    path.write_text(json.dumps(said), encoding="utf-8")
    return path


def test_what_does_not_fit_together_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    model, weights = pair("sequential", tmp_path)
    target = tmp_path / "m.keras"
    cases: list[tuple[list[Path], type[Exception], str]] = [
        ([model], ModelUnsupported, "without its weights"),
        ([weights], ModelUnsupported, "holds weights and no model"),
        ([model, model], UsageError, "not one model"),
        ([model, KERAS_2 / "sequential.h5"], ModelUnsupported, "is a whole model"),
        ([model, KERAS_2 / "nested.keras"], ModelUnsupported, "is no file of weights"),
        ([model, tmp_path / "nothing.h5"], FileMissing, "nothing.h5"),
    ]
    for files, error, message in cases:
        with pytest.raises(error, match=message):
            convert(files, target)
    with pytest.raises(UsageError, match="cannot be the outcome"):
        convert([model, weights], tmp_path / "m.h5")
    (tmp_path / "other.json").write_text(json.dumps(architecture("convolutions")), encoding="utf-8")
    with pytest.raises(ModelInvalid, match="weights of a layer 'conv2d' which its model"):
        convert([tmp_path / "other.json", weights], target)
    (tmp_path / "odd.json").write_text('{"a": 1, "a": 2}', encoding="utf-8")
    with pytest.raises(ModelUnsafe, match="stands twice"):
        convert([tmp_path / "odd.json", weights], target)
    (tmp_path / "odd.json").write_text('{"units": 1}', encoding="utf-8")
    with pytest.raises(ModelUnsupported, match="holds no model"):
        convert([tmp_path / "odd.json", weights], target)
    assert not target.exists()


def test_the_architecture_passes_the_rules_of_a_scan(tmp_path: Path) -> None:
    model, weights = pair("sequential", tmp_path)

    def hostile(said: dict[str, Any]) -> None:
        said["config"]["layers"][1] = {
            "class_name": "Lambda",
            "config": {"name": "l", "function": ["4wEAAAA=", None, None]},
        }

    with pytest.raises(ModelUnsafe, match=r"model\.json and .*weights\.h5 was refused.*carries code"):
        convert([manifest(model, hostile), weights], tmp_path / "m.keras")


def test_shards_are_files_of_the_same_folder(tmp_path: Path) -> None:
    target = tmp_path / "m.keras"
    outside = tmp_path.parent / "outside.bin"
    outside.write_bytes(b"\0" * 4096)
    for name in ("../outside.bin", str(outside), "sub/x.bin", "", ".."):
        model = manifest(
            shards("sequential", tmp_path), lambda said, name=name: said["weightsManifest"][0].update(paths=[name])
        )
        with pytest.raises(ModelInvalid, match="the weightsManifest names the file"):
            convert([model], target)
    model = manifest(shards("sequential", tmp_path), lambda said: said["weightsManifest"][0].update(paths=["link.bin"]))
    (tmp_path / "link.bin").symlink_to(outside)
    with pytest.raises(FileUnreadable, match="is a link"):
        convert([model], target)
    assert not target.exists()


def test_shards_that_are_too_short_or_too_long(tmp_path: Path) -> None:
    model = shards("sequential", tmp_path)
    (tmp_path / "group1-shard2of2.bin").write_bytes(b"\0" * 8)
    with pytest.raises(ModelInvalid, match="end before the weight"):
        convert([model], tmp_path / "m.keras")
    (tmp_path / "group1-shard2of2.bin").write_bytes(b"\0" * 65536)
    with pytest.raises(ModelInvalid, match="its weights take"):
        convert([model], tmp_path / "m.keras")


def test_a_graph_model_has_no_layers(tmp_path: Path) -> None:
    model = manifest(shards("sequential", tmp_path), lambda said: said.update(format="graph-model"))
    with pytest.raises(ModelUnsupported, match=r"graph model of TensorFlow\.js"):
        convert([model], tmp_path / "m.keras")


# What is no model by itself says what makes one of it.


def test_parts_of_models_say_how_to_put_them_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the errors tell to type is typed here."""
    monkeypatch.chdir(tmp_path)
    pair("sequential", tmp_path)
    Path("web").mkdir()
    shards("sequential", Path("web"))
    for path in ("model.json", "web/model.json", "weights.h5"):
        with pytest.raises(ModelUnsupported) as caught:
            read_model(path)
        said = str(caught.value.fix)
        command = said[said.index("surgery convert") :].partition(";")[0]
        typed = command.replace("WEIGHTS.h5", "weights.h5").replace("MODEL.json", "model.json").split()
        assert run(typed[1:]) == 0, typed
        assert read_model("model.keras").parameters > 0
        Path("model.keras").unlink()


@pytest.mark.parametrize("name", ["graph.pb", "graph.pbtxt", "m.tflite", "m.onnx"])
def test_graphs_of_other_programs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b'node { name: "x" }')
    with pytest.raises(ModelUnsupported, match="a graph of operations"):
        read_model(tmp_path / name)


def test_a_saved_model_of_keras_2_says_how_to_convert_it(tmp_path: Path) -> None:
    for name in ("saved_model.pb", "keras_metadata.pb"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelUnsupported) as caught:
        read_model(tmp_path)
    assert "pip install tf_keras" in str(caught.value.fix)
    assert f"load_model('{tmp_path}', compile=False)" in str(caught.value.fix)
