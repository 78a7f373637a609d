"""`prune` and `resize` on networks of keras.applications, and Keras' opinion of the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery import api
from surgery.execution.commit import apply_to_file
from surgery.model.archive import open_weights, write_archive
from surgery.model.channels import trace
from surgery.model.proved import read_proved
from surgery.recipe import load_recipe
from tests.recipes_text import HEAD

pytestmark = pytest.mark.keras

# Fraction of the channels of these layers that are zero everywhere, and that prune must find.
FRACTION = 0.25
NETWORKS = {
    "ResNet50": ["conv1_conv", "conv2_block1_0_conv", "conv3_block2_1_conv", "conv4_block*_2_conv"],
    "MobileNetV2": ["block_2_expand", "block_3_project", "block_5_expand", "Conv_1"],
    "DenseNet121": ["conv1_conv", "conv2_block2_2_conv", "conv3_block1_1_conv", "pool3_conv"],
    "EfficientNetB0": ["stem_conv", "block2b_expand_conv", "block3b_se_reduce", "block6b_project_conv"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_that_are_zero_everywhere_are_not_missed(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=5)
    network.save(tmp_path / "random.keras")
    zeroed(tmp_path / "random.keras", tmp_path / "model.keras", NETWORKS[name])
    recipe = tmp_path / "recipe.yaml"
    layers = ", ".join(f"'{layer}'" for layer in NETWORKS[name])
    recipe.write_text(f"{HEAD}operations:\n  - {{op: prune, layers: [{layers}], fraction: {FRACTION}}}\n")
    plan = api.plan(load_recipe(recipe))
    apply_to_file(plan, tmp_path / "out.keras")

    network.load_weights(tmp_path / "model.keras")
    pruned = keras.models.load_model(tmp_path / "out.keras")
    assert pruned.count_params() == plan.spec.parameters < network.count_params()
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    old, new = network(x, training=False), pruned(x, training=False)
    assert float(np.ptp(np.asarray(old))) > 0
    assert np.allclose(np.asarray(old), np.asarray(new), atol=1e-5)


def zeroed(path: Path, out: Path, selectors: list[str]) -> None:
    """Writes the model with some channels of layers, and all that are joined with them, zero everywhere."""
    model = read_proved(path)
    flow = trace(model)
    random = np.random.default_rng(1)
    gone: set[int] = set()
    for layer in [name for name in flow.spaces if any(Path(name).match(selector) for selector in selectors)]:
        roots = np.unique(flow.joins.roots(flow.spaces[layer]))
        if not gone & set(roots.tolist()):
            gone |= set(random.permutation(roots)[: int(FRACTION * len(roots))].tolist())
    with open_weights(path) as stored:
        values: dict[tuple[str, str], Any] = {}
        for key in stored:
            values[key] = np.array(stored[key])
            # So that nothing of a fresh network cancels out.
            if values[key].ndim == 1:
                values[key] = random.uniform(0.5, 1.5, values[key].shape).astype("float32")
        for key, axis in flow.made.items():
            places = np.isin(flow.joins.roots(flow.uses[key][axis]), sorted(gone))
            values[key][(slice(None),) * axis + (places,)] = 0
        write_archive(out, model, values)
