"""Classes from outside Keras: found where a file names them by halves; model classes read as the graph that they are."""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import surgery
from surgery.api import apply_to_file
from surgery.errors import ModelUnsafe, ModelUnsupported, SurgeryError, UntrustedImport
from surgery.model.scan import scan
from surgery.planning import Plan

pytestmark = pytest.mark.keras

TRUST = ("others_of_mine",)

MODULE = """
import keras


class Plain(keras.layers.Layer):
    def __init__(self, units=4, start="glorot_uniform", **kw):
        super().__init__(**kw)
        self.units, self.start = units, keras.initializers.get(start)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer=self.start, name="kernel")

    def call(self, x):
        return x @ self.kernel

    def get_config(self):
        start = keras.initializers.serialize(self.start)
        return {**super().get_config(), "units": self.units, "start": start}


@keras.saving.register_keras_serializable("package")
class Registered(Plain):
    pass


class Ones(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.ones(shape, dtype)


class Training(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(y_pred) * 0.0 + 7.0


@keras.saving.register_keras_serializable("package")
class Chain(keras.Sequential):
    def train_step(self, data):
        raise RuntimeError


class Calling(keras.Model):
    def call(self, x):
        return super().call(x) * 2
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "others_of_mine.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    import others_of_mine

    yield others_of_mine
    from keras.src.saving import object_registration

    for name in ("Registered", "Chain"):
        object_registration.GLOBAL_CUSTOM_OBJECTS.pop(f"package>{name}", None)
    sys.modules.pop("others_of_mine")


def network(keras: Any, layer: Any, kind: Any = None) -> Any:
    x = keras.Input((3,), name="x")
    y = keras.layers.Dense(2, name="head", activation="softmax")(layer(x))
    return (kind or keras.Model)(x, y)


def saved(model: Any, path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):  # of HDF5
        model.save(path)


def halved(path: Path, module: str | None) -> None:
    """Without the name that the classes are registered by, and perhaps without their module."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    for layer in config["config"]["layers"]:
        if layer["module"] == "others_of_mine":
            layer |= {"module": module, "registered_name": None}
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def planned(path: Path, layers: str = "own", trust: tuple[str, ...] = TRUST, more: str = "") -> Plan:
    recipe = path.with_name("recipe.yaml")
    imports = f"imports: [{', '.join(trust)}]\n" if trust else ""
    recipe.write_text(
        f"surgery: 1\nmodel: {{path: {path.name}}}\n{imports}operations:\n  - {{op: freeze, layers: {layers}}}\n{more}",
        encoding="utf-8",
    )
    return surgery.plan(surgery.load_recipe(recipe), trust=trust)


AS_SAVED: Callable[[Path], None] = lambda path: None  # noqa: E731
FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "keras": ("source.keras", AS_SAVED),
    "h5": ("source.h5", AS_SAVED),
    "no registered name": ("source.keras", lambda path: halved(path, "others_of_mine")),
    "no module": ("source.keras", lambda path: halved(path, None)),
}


@pytest.mark.parametrize("name", ["Plain", "Registered"])
@pytest.mark.parametrize("form", FILES)
def test_a_class_is_found_however_the_file_names_it(form: str, name: str, others: Any, tmp_path: Path) -> None:
    import keras

    file, spoil = FILES[form]
    model = network(keras, getattr(others, name)(5, name="own"))
    saved(model, tmp_path / file)
    spoil(tmp_path / file)
    apply_to_file(planned(tmp_path / file), tmp_path / "result.keras", prove=True, trust=TRUST)
    custom = {"Plain": others.Plain}
    result = keras.models.load_model(tmp_path / "result.keras", custom_objects=custom)
    assert type(result.get_layer("own")) is getattr(others, name)
    assert not result.get_layer("own").trainable
    x = np.ones((2, 3), "float32")
    assert (model.predict(x, verbose=0) == result.predict(x, verbose=0)).all()
    changed = surgery.diff(tmp_path / file, tmp_path / "result.keras", trust=TRUST)
    assert [change.path for change in changed.changed] == []


@pytest.mark.parametrize("form", FILES)
def test_without_a_grant_the_class_is_refused_with_what_to_type(form: str, others: Any, tmp_path: Path) -> None:
    import keras

    file, spoil = FILES[form]
    saved(network(keras, others.Plain(5, name="own")), tmp_path / file)
    spoil(tmp_path / file)
    with pytest.raises(ModelUnsafe) as caught:
        planned(tmp_path / file, trust=())
    assert "class-custom" in caught.value.what
    assert "--trust" in (caught.value.fix or "")


def test_a_class_that_no_trusted_module_has(others: Any, tmp_path: Path) -> None:
    import keras

    saved(network(keras, others.Plain(5, name="own")), tmp_path / "source.h5")
    (tmp_path / "unrelated_to_it.py").write_text("from keras.layers import Lambda, Dense as Plain\n", encoding="utf-8")
    with pytest.raises(UntrustedImport, match="no trusted module has it"):
        planned(tmp_path / "source.h5", trust=("unrelated_to_it",))
    sys.modules.pop("unrelated_to_it")


@pytest.mark.parametrize("name", ["Lambda", "TFSMLayer", "__lambda__", "TorchModuleWrapper", "JaxLayer"])
def test_trust_does_not_grant_what_keras_itself_calls_so(name: str) -> None:
    from surgery.model.scan.classes import Config

    assert Config({"class_name": name, "config": {}}, ("others_of_mine",)).doubtful


def test_an_initializer_that_the_file_has_by_its_name_alone(others: Any, tmp_path: Path) -> None:
    import keras

    model = network(keras, keras.layers.Dense(5, kernel_initializer=others.Ones(), name="own"))
    saved(model, tmp_path / "source.keras")
    with zipfile.ZipFile(tmp_path / "source.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = members["config.json"].replace(b'"module": "others_of_mine", ', b"")
    with zipfile.ZipFile(tmp_path / "source.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, config if name == "config.json" else data)
    assert b"others_of_mine" not in config
    plan = planned(tmp_path / "source.keras")
    apply_to_file(plan, tmp_path / "result.keras", prove=True, trust=TRUST)
    assert keras.models.load_model(tmp_path / "result.keras", custom_objects={"Ones": others.Ones}).count_params() == 32


TRAINING = """\
training:
  data: {train: {npz: data.npz, x: x, y: y}, batch_size: 8, shuffle: false}
  stages: [{name: a, epochs: 1, optimizer: {SGD: {learning_rate: 0.5}}, loss: sparse_categorical_crossentropy}]
"""


@pytest.mark.parametrize("file", ["source.keras", "source.h5"])
def test_a_model_class_is_read_as_its_graph_and_trained_as_the_recipe_says(
    file: str, others: Any, tmp_path: Path
) -> None:
    import keras

    model = network(keras, keras.layers.Dense(4, name="own"), others.Training)
    saved(model, tmp_path / file)
    x, y = np.random.default_rng(0).normal(size=(16, 3)).astype("f4"), np.arange(16) % 2
    np.savez(tmp_path / "data.npz", x=x, y=y)
    plan = planned(tmp_path / file, more=TRAINING)
    notes = "\n".join(plan.notes)
    assert "is read as the Functional" in notes
    assert "has its own compute_loss" in notes
    assert {"Training", "others_of_mine.Training"} & set(notes.replace(",", " ").split())
    surgery.run(plan.recipe, trust=TRUST, output=tmp_path / "result.keras")
    assert scan(tmp_path / "result.keras").findings == ()
    result = keras.models.load_model(tmp_path / "result.keras")
    assert type(result).__module__.startswith("keras.")
    plain = keras.Model(model.inputs, model.outputs)
    plain.get_layer("own").trainable = False
    plain.compile(keras.optimizers.SGD(0.5), loss="sparse_categorical_crossentropy")
    plain.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    near = [np.abs(a - b).max() for a, b in zip(plain.get_weights(), result.get_weights(), strict=True)]
    assert max(near) < 1e-6


def test_a_class_of_sequential(others: Any, tmp_path: Path) -> None:
    import keras

    model = others.Chain([keras.Input((3,)), keras.layers.Dense(4, name="own"), keras.layers.Dense(2, name="head")])
    model.save(tmp_path / "source.keras")
    plan = planned(tmp_path / "source.keras")
    assert any("has its own train_step" in note for note in plan.notes)
    apply_to_file(plan, tmp_path / "result.keras", prove=True, trust=TRUST)
    result = keras.models.load_model(tmp_path / "result.keras")
    assert type(result) is keras.Sequential
    assert [(a == b).all() for a, b in zip(model.get_weights(), result.get_weights(), strict=True)] == [True] * 4


@pytest.mark.parametrize("file", ["source.keras", "source.h5"])
def test_a_class_that_computes_something_else_is_refused(file: str, others: Any, tmp_path: Path) -> None:
    import keras

    saved(network(keras, keras.layers.Dense(4, name="own"), others.Calling), tmp_path / file)
    with pytest.raises(ModelUnsupported, match="'call' of its own"):
        planned(tmp_path / file)


def test_weights_beside_the_graph_are_told(others: Any, tmp_path: Path) -> None:
    import keras

    model = network(keras, keras.layers.Dense(4, name="own"), others.Training)
    model.teacher = keras.layers.Dense(3)
    model.teacher.build((None, 3))
    model.save(tmp_path / "source.keras")
    assert any("not carried over: teacher" in note for note in planned(tmp_path / "source.keras").notes)


def test_a_nested_model_keeps_its_class(others: Any, tmp_path: Path) -> None:
    import keras

    inner = network(keras, keras.layers.Dense(4, name="own"), others.Calling)
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2, name="last")(inner(x)))
    model.save(tmp_path / "source.keras")
    apply_to_file(planned(tmp_path / "source.keras", "last"), tmp_path / "result.keras", prove=True, trust=TRUST)
    result = keras.models.load_model(tmp_path / "result.keras", custom_objects={"Calling": others.Calling})
    one = np.ones((1, 3), "float32")
    assert (model.predict(one, verbose=0) == result.predict(one, verbose=0)).all()


def test_a_module_that_cannot_be_imported(tmp_path: Path, others: Any) -> None:
    import keras

    saved(network(keras, keras.layers.Dense(4, name="own"), others.Training), tmp_path / "source.keras")
    (tmp_path / "others_of_mine.py").unlink()
    sys.modules.pop("others_of_mine")
    sys.path_importer_cache.clear()
    with pytest.raises(SurgeryError) as caught:
        planned(tmp_path / "source.keras")
    sys.modules["others_of_mine"] = others
    assert "others_of_mine" in str(caught.value)
    assert caught.value.fix
