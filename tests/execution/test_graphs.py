"""Whatever a graph has, surgery around it keeps every bit, and edits reach into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

from surgery import api
from surgery.errors import ModelUnsafe, ModelUnsupported, SurgeryError
from surgery.execution.commit import apply_to_file
from surgery.recipe import load_recipe
from tests.execution.graph_features import FEATURES, numbers
from tests.execution.live import assert_same_bits, outputs_of
from tests.model.keras_graphs import randomize

pytestmark = pytest.mark.keras


def applied(folder: Path, model: Any, operations: str = "[]", trust: tuple[str, ...] = (), imports: str = "[]") -> Any:
    """What Keras loads from the file that a recipe makes of a model."""
    model.save(folder / "model.keras")
    (folder / "recipe.yaml").write_text(
        f"surgery: 1\nname: test\nimports: {imports}\nmodel: {{path: model.keras}}\noperations: {operations}\n"
    )
    plan = api.plan(load_recipe(folder / "recipe.yaml"), trust=trust)
    apply_to_file(plan, folder / "out.keras", trust)
    return keras.models.load_model(folder / "out.keras")


@pytest.mark.parametrize("feature", FEATURES)
def test_files_keep_every_bit(feature: str, tmp_path: Path) -> None:
    model, inputs = FEATURES[feature]()
    randomize(model)
    result = applied(tmp_path, model)
    source = keras.models.load_model(tmp_path / "model.keras")
    assert type(result) is type(source)
    assert [layer.name for layer in result.layers] == [layer.name for layer in source.layers]
    assert_same_bits(outputs_of(source, inputs), outputs_of(result, inputs))
    assert keras.tree.map_structure(lambda _: 0, result(inputs)) == keras.tree.map_structure(
        lambda _: 0, source(inputs)
    )


def test_a_shared_layer_stays_shared(tmp_path: Path) -> None:
    model, inputs = FEATURES["shared_layer"]()
    recipe = """
      - {op: replace, layers: twin, with: [{Dense: {inherit: true, name: pair}}], weights: keep}
      - {op: insert, after: pair, layers: [{Activation: {activation: linear, name: nothing}}]}
    """
    result = applied(tmp_path, model, recipe)
    assert len(result.get_layer("pair")._inbound_nodes) == 4
    assert len(result.get_layer("nothing")._inbound_nodes) == 4
    assert result.count_params() == model.count_params()
    assert_same_bits(outputs_of(model, inputs), outputs_of(result, inputs))


def test_edits_by_path_at_every_depth(tmp_path: Path) -> None:
    model, inputs = FEATURES["nested_deeply"]()
    recipe = """
      - {op: insert, after: encoder/block/core/deep, layers: [{Activation: {activation: linear, name: nothing}}]}
      - {op: rename, layers: {encoder/block/core/deep: deepest, encoder/block: trunk}}
      - {op: replace, layers: encoder/trunk/after, with: [{Dense: {inherit: true, name: last}}], weights: keep}
      - {op: freeze, layers: "encoder/trunk/core/**"}
    """
    result = applied(tmp_path, model, recipe)
    trunk = result.get_layer("encoder").get_layer("trunk")
    core = trunk.get_layer("core")
    assert [layer.name for layer in core.layers] == ["core_in", "deepest", "nothing", "sum"]
    assert not core.get_layer("deepest").trainable
    assert trunk.get_layer("last").trainable
    assert_same_bits(outputs_of(model, inputs), outputs_of(result, inputs))


@pytest.mark.parametrize(
    ("layer", "is_kept_in_files"),
    [
        (keras.layers.Bidirectional(keras.layers.LSTM(2)), True),
        (keras.layers.TimeDistributed(keras.layers.Dense(2)), True),
        (keras.layers.RNN([keras.layers.LSTMCell(2), keras.layers.GRUCell(2)]), True),
        # Keras 3.15 loads its own files of these so, too.
        (keras.layers.MultiHeadAttention(2, 2), False),
    ],
)
def test_a_frozen_layer_freezes_what_it_holds(layer: Any, is_kept_in_files: bool, tmp_path: Path) -> None:
    x = keras.Input((4, 3), name="series")
    model = keras.Model(x, layer(x, x) if "attention" in layer.name else layer(x))
    loaded = applied(tmp_path, model, f"[{{op: freeze, layers: {layer.name}}}]")
    assert (not loaded.trainable_weights) is is_kept_in_files
    assert not api.apply(api.plan(load_recipe(tmp_path / "recipe.yaml"))).trainable_weights


def test_a_model_that_is_called_twice_is_edited_once(tmp_path: Path) -> None:
    model, inputs = FEATURES["nested_twice"]()
    recipe = (
        "[{op: insert, after: tower/hidden, layers: [{Dense: {units: 4, kernel_initializer: Identity, name: same}}]}]"
    )
    result = applied(tmp_path, model, recipe)
    assert len(result.get_layer("tower")._inbound_nodes) == 2
    assert result.count_params() == model.count_params() + 20
    assert_same_bits(outputs_of(model, inputs), outputs_of(result, inputs))


def test_an_input_of_a_layer_with_several(tmp_path: Path) -> None:
    model, inputs = FEATURES["keyword_arguments"]()
    recipe = """
      - {op: insert, after: value, consumers: attention, layers: [{Activation: {activation: linear, name: nothing}}]}
    """
    result = applied(tmp_path, model, recipe)
    node = result.get_layer("attention")._inbound_nodes[0]
    assert [tensor._keras_history.operation.name for tensor in node.input_tensors] == [
        "query",
        "nothing",
        "mask",
        "nothing",
    ]
    assert_same_bits(outputs_of(model, inputs), outputs_of(result, inputs))


def test_words_come_along(tmp_path: Path) -> None:
    """Vocabularies lie beside the weights, below a counted path that changes when a layer comes before."""
    lookup = keras.layers.StringLookup(vocabulary=["cat", "dog"], name="lookup")
    text = keras.layers.TextVectorization(output_mode="multi_hot", name="text")
    text.adapt(["a b c", "a b"])
    word, line = keras.Input((1,), dtype="string", name="word"), keras.Input((1,), dtype="string", name="line")
    model = keras.Model([word, line], [lookup(word), text(line)])
    recipe = """
      - {op: rename, layers: {lookup: animals}}
      - {op: insert, after: animals, layers: [{CategoryEncoding: {num_tokens: 3, name: early}}]}
    """
    result = applied(tmp_path, model, recipe)
    assert result.get_layer("animals").get_vocabulary() == ["[UNK]", "cat", "dog"]
    assert result.get_layer("text").get_vocabulary() == ["[UNK]", "b", "a", "c"]


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Lambda(lambda tensor: tensor * 2, name="double")(x))
    with pytest.raises(ModelUnsafe, match="Lambda"):
        applied(tmp_path, model)


LAYER = """
import keras

@keras.saving.register_keras_serializable("{package}")
class Doubled(keras.layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale * self.factor

    def get_config(self):
        return {{**super().get_config(), "factor": self.factor}}
"""


def test_a_custom_class_needs_both_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "house_layers.py").write_text(LAYER.format(package="house"))
    monkeypatch.syspath_prepend(tmp_path)
    import house_layers

    x = keras.Input((3,), name="row")
    model = keras.Model(x, keras.layers.Dense(2, name="head")(house_layers.Doubled(name="doubled")(x)))
    for trust, imports in (((), "[]"), (("house_layers",), "[]"), ((), "[house_layers]")):
        with pytest.raises(SurgeryError, match="house"):
            applied(tmp_path, model, trust=trust, imports=imports)
    operations = """
      - {op: insert, before: head, layers: [{"house_layers>Doubled": {factor: 0.5, name: halved}}]}
    """
    result = applied(tmp_path, model, operations, ("house_layers",), "[house_layers]")
    assert [layer.name for layer in result.layers] == ["row", "doubled", "halved", "head"]
    assert_same_bits(outputs_of(model, numbers(2, 3)), outputs_of(result, numbers(2, 3) * 2))


SUBCLASS = """
import keras

@keras.saving.register_keras_serializable("tower")
class Tower(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.second = keras.layers.Dense(units, name="first"), keras.layers.Dense(units, name="second")

    def build(self, shape):
        self.first.build(shape)
        self.second.build((None, self.units))

    def call(self, inputs):
        return self.second(keras.ops.relu(self.first(inputs)))

    def get_config(self):
        return {**super().get_config(), "units": self.units}
"""


def test_a_subclassed_model_is_refused_as_a_graph_and_works_as_a_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tower_layers.py").write_text(SUBCLASS)
    monkeypatch.syspath_prepend(tmp_path)
    import tower_layers

    tower = tower_layers.Tower(name="tower")
    x = keras.Input((3,), name="row")
    model = keras.Model(x, keras.layers.Dense(2, name="head")(tower(x)))
    trust = ("tower_layers",)
    with pytest.raises(ModelUnsupported, match="subclassed") as refused:
        applied(tmp_path, tower, trust=trust, imports="[tower_layers]")
    assert "as one layer" in str(refused.value)
    operations = "[{op: rename, layers: {tower: trunk}}, {op: freeze, layers: trunk}]"
    result = applied(tmp_path, model, operations, trust, "[tower_layers]")
    trunk = result.get_layer("trunk")
    assert not trunk.trainable
    assert not trunk.trainable_weights
    assert_same_bits(outputs_of(model, numbers(2, 3)), outputs_of(result, numbers(2, 3)))
