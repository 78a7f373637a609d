"""A plan for a file of Keras 2 is one that `apply` keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surgery
from surgery.api import apply_to_file

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
