"""Random graphs under random operations: what is planned is what is built and what a file holds, and no weight is lost."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from surgery.errors import SurgeryError
from surgery.execution.variables import keras_layers, stored_variables
from surgery.model.archive import read_model, write_archive
from surgery.model.config import to_config
from surgery.model.graph import needed_for
from surgery.model.prove import prove
from surgery.model.spec import ModelSpec
from surgery.model.weights import Stored
from tests.execution.live import (
    Entry,
    ModelLibrary,
    assert_same_bits,
    operated,
    outputs_of,
    rebuilt,
    spec_of,
    values_of,
)
from tests.model.keras_graphs import inputs_for, random_model, randomize

pytestmark = pytest.mark.keras

NO_SHRINKING = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
IDENTITY = [{"Activation": {"activation": "linear", "name": "nothing"}}]


def operation(random: Random, model: ModelSpec) -> Entry:
    """Any operation on any layer; many are impossible."""
    path, layer = random.choice(list(model.walk()))
    same = [{layer.class_name: {"inherit": True, "name": f"new_{layer.name}"}}]
    return random.choice([
        {"op": "rename", "layers": {path: f"renamed_{layer.name}"}},
        {"op": "insert", "after": path, "layers": [{"Dropout": {"rate": 0.5, "name": f"drop_{random.randint(0, 99)}"}}]},
        {"op": "insert", "before": path, "layers": [{"Dense": {"units": 3, "name": f"dense_{random.randint(0, 99)}"}}]},
        {"op": "replace", "layers": path, "with": same, "weights": "keep"},
        {"op": "replace", "layers": path, "with": [{"Dense": {"units": 3}}]},
        {"op": "freeze", "layers": path},
        {"op": "remove", "layers": path},
        {"op": "reinitialize", "layers": path},
        {"op": "truncate", "after": path},
        {"op": "branch", "from": path, "layers": [{"Dense": {"units": 2, "name": f"head_{random.randint(0, 99)}"}}]},
    ])  # fmt: skip


def after_some(random: Random, model: ModelSpec) -> ModelSpec:
    """The model after up to three operations that are possible."""
    for _ in range(random.randint(1, 3)):
        with suppress(SurgeryError):
            model = operated(model, [operation(random, model)])
    return model


def check_graph(model: ModelSpec) -> None:
    """Names are unique at each level, nothing reads what is not there, nothing leads nowhere."""
    names = Counter(layer.name for layer in model.layers)
    assert max(names.values()) == 1
    needed = needed_for(model, model.refs_out()) | {ref.layer for ref in model.refs_in()}
    assert needed == set(names)
    for layer in model.layers:
        for call in layer.calls:
            assert all(model.tensor(ref) is not None for ref in call.refs()), layer.name
        if layer.inner:
            check_graph(layer.inner)


def made(seed: int) -> tuple[Any, ModelSpec]:
    keras.backend.clear_session()
    model = random_model(Random(seed))
    randomize(model)
    return model, spec_of(model)


@given(st.integers(0, 10_000))
@NO_SHRINKING
def test_what_is_planned_is_what_is_built_and_written(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    model, source = made(seed)
    result = after_some(Random(seed + 1), source)
    check_graph(result)
    # Building compares layers, order, shapes, flags and variables with the plan.
    built = rebuilt(model, source, result)
    library = ModelLibrary(model, source)
    for path, layer in keras_layers(built, result):
        now = {key: np.asarray(keras.ops.convert_to_numpy(value)) for key, value in stored_variables(layer).items()}
        for weight in result[path].weights:
            if isinstance(weight.source, Stored):
                assert np.array_equal(now[weight.key], library.read(weight.source)), (path, weight.key)
    file: Path = tmp_path_factory.mktemp("random") / "model.keras"
    write_archive(file, result, values_of(model, source, result))
    assert to_config(prove(read_model(file), again=True))["config"] == to_config(result)["config"]
    loaded, inputs = keras.models.load_model(file), inputs_for(built)
    assert_same_bits(outputs_of(built, inputs), outputs_of(loaded, inputs))


@given(st.integers(0, 10_000))
@NO_SHRINKING
def test_a_rename_and_an_insert_can_be_undone(seed: int) -> None:
    model, source = made(seed)
    random = Random(seed)
    path, layer = random.choice([(path, layer) for path, layer in source.walk() if not layer.is_input])
    renamed = operated(source, [{"op": "rename", "layers": {path: "other"}}])
    inside = path.rpartition("/")[0]
    back = operated(renamed, [{"op": "rename", "layers": {f"{inside}/other" if inside else "other": layer.name}}])
    assert as_written(back) == as_written(source)
    try:
        inserted = operated(source, [{"op": "insert", "after": path, "layers": IDENTITY}])
    except SurgeryError:
        return
    inputs = inputs_for(model)
    assert_same_bits(outputs_of(model, inputs), outputs_of(rebuilt(model, source, inserted), inputs))
    undone = operated(inserted, [{"op": "remove", "layers": f"{inside}/nothing" if inside else "nothing"}])
    assert as_written(undone) == as_written(source)


def as_written(model: ModelSpec) -> Any:
    """The document of a model, and where every weight comes from."""
    sources = [(path, weight.key, weight.source) for path, layer in model.walk() for weight in layer.weights]
    return to_config(model)["config"], sources
