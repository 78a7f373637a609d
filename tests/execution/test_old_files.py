"""A plan for a file of Keras 2 is one that `apply` keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surgery
from surgery.api import apply_to_file
from surgery.errors import ModelUnsupported
from tests.model.test_legacy import layer, numbers, old_file, sequential

pytestmark = pytest.mark.keras

KERAS_2 = Path(__file__).parents[1] / "model" / "keras2"
FILES = sorted(path.name for path in KERAS_2.glob("*.*") if path.suffix in (".h5", ".keras") and path.stem != "refused")


def edited(source: Path, folder: Path) -> Any:
    """The source as Keras has it after an edit that leaves its predictions as they are."""
    import keras

    (folder / "recipe.yaml").write_text(
        f'surgery: 1\nmodel: {{path: {source}}}\noperations:\n  - {{op: freeze, layers: "*"}}\n',
        encoding="utf-8",
    )
    plan = surgery.plan(surgery.load_recipe(folder / "recipe.yaml"))
    apply_to_file(plan, folder / "result.keras")
    return keras.models.load_model(folder / "result.keras")


@pytest.mark.parametrize("name", FILES)
def test_an_edit_keeps_what_keras_2_predicted(name: str, tmp_path: Path) -> None:
    model = edited(KERAS_2 / name, tmp_path)
    data = np.load((KERAS_2 / name).with_suffix(".npz"))
    inputs = [data[key] for key in data if key.startswith("x")]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    for number, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        np.testing.assert_allclose(output, data[f"y{number}"], rtol=1e-5, atol=1e-6)


LOOSE = """
import keras


@keras.saving.register_keras_serializable("package")
class Loose(keras.layers.Layer):
    def compute_output_shape(self, shape):
        return shape

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)

    def call(self, x):
        raise TypeError("there is no such thing as of Keras 3")
"""


@pytest.mark.parametrize("prove", [None, True])
def test_refuses_to_write_what_keras_cannot_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prove: bool | None
) -> None:
    (tmp_path / "loose_layers.py").write_text(LOOSE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    entry = layer("package>Loose", "loose")
    model = sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 4]), entry)
    old_file(tmp_path / "m.h5", model, {"d": [numbers(4, 2), numbers(2)]}, "2.9.0")
    (tmp_path / "recipe.yaml").write_text(
        "surgery: 1\nimports: [loose_layers]\nmodel: {path: m.h5}\noperations:\n  - {op: freeze, layers: d}\n",
        encoding="utf-8",
    )
    plan = surgery.plan(surgery.load_recipe(tmp_path / "recipe.yaml"), trust=["loose_layers"])
    with pytest.raises(
        ModelUnsupported, match=r"m\.h5 was written by an older Keras, and Keras 3 cannot call .*no such thing"
    ):
        apply_to_file(plan, tmp_path / "result.keras", trust=["loose_layers"], prove=prove)
    assert not (tmp_path / "result.keras").exists()
    evidence = apply_to_file(plan, tmp_path / "result.keras", trust=["loose_layers"], prove=False)
    assert evidence.not_measured == "as --no-prove asks"


def test_what_apply_writes_of_an_old_file_was_loaded_by_keras(tmp_path: Path) -> None:
    text = f"surgery: 1\nmodel: {{path: {KERAS_2 / 'functional.h5'}}}\noperations:\n  - {{op: freeze, layers: '*'}}\n"
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    plan = surgery.plan(surgery.load_recipe(tmp_path / "recipe.yaml"))
    evidence = apply_to_file(plan, tmp_path / "result.keras")
    assert str(evidence.not_measured).startswith("Keras loads and calls the result")


def test_a_vocabulary_that_counts_by_tf_idf(tmp_path: Path) -> None:
    import keras

    words = keras.layers.TextVectorization(output_mode="tf_idf")
    words.adapt(["the cat", "a dog and a cat"])
    source = keras.Sequential([keras.Input((1,), dtype="string"), words, keras.layers.Dense(2)])
    source.save(tmp_path / "m.keras")
    text = keras.ops.convert_to_tensor([["a cat"], ["the dog"]])
    np.testing.assert_array_equal(edited(tmp_path / "m.keras", tmp_path)(text), source(text))
