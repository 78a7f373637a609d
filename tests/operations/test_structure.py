"""`append`, `insert`, `remove`, `replace`, `truncate`, `rename`, `reconfigure`, `reinitialize` on specs."""

from __future__ import annotations

import pytest

from surgery.errors import GraphUnsupported, NameTaken, ShapeMismatch, UnknownArgument, WeightMismatch
from surgery.model.spec import TensorRef
from surgery.model.weights import Fresh, Overlap, Stored, stored_in
from tests.networks import changed, classifier, edits_of, network, operation, residual


def names(model: object) -> list[str]:
    return [layer.name for layer in model.layers]  # type: ignore[attr-defined]


def test_append_makes_the_last_layer_the_output() -> None:
    model = changed(classifier(), op="append", layers=[{"Dense": {"units": 3, "name": "head"}}])
    assert model.outputs == TensorRef("head")
    assert model["head"].inbound == ("predictions",)
    assert [weight.shape for weight in model["head"].weights] == [(5, 3), (3,)]
    assert all(isinstance(weight.source, Fresh) for weight in model["head"].weights)


def test_append_names_layers_as_keras_does() -> None:
    model = changed(classifier(), op="append", layers=[{"Dense": {"units": 3}}, {"Dense": {"units": 2}}])
    assert names(model)[-2:] == ["dense_1", "dense_2"]


def test_append_keeps_a_sequential_sequential() -> None:
    model = changed(classifier("Sequential"), op="append", layers=[{"Dense": {"units": 3}}])
    assert model.class_name == "Sequential"


def test_append_refuses_a_taken_name() -> None:
    with pytest.raises(NameTaken):
        changed(classifier(), op="append", layers=[{"Dense": {"units": 3, "name": "dense"}}])


def test_insert_before() -> None:
    model = changed(
        classifier(), op="insert", before="predictions", layers=[{"Dropout": {"rate": 0.5, "name": "drop"}}]
    )
    assert model["predictions"].inbound == ("drop",)
    assert model["drop"].inbound == ("dense",)


def test_insert_after_for_one_consumer() -> None:
    model = changed(
        residual(),
        op="insert",
        after="stem",
        consumers="sum",
        layers=[{"Activation": {"activation": "relu", "name": "act"}}],
    )
    assert model["sum"].inbound == ("act", "left")
    assert model["left"].inbound == ("stem",)


def test_insert_after_for_all() -> None:
    model = changed(
        residual(), op="insert", after="stem", layers=[{"Activation": {"activation": "relu", "name": "act"}}]
    )
    assert model["sum"].inbound == ("act", "left")
    assert model["left"].inbound == ("act",)


def test_insert_after_the_output_becomes_the_output() -> None:
    model = changed(residual(), op="insert", after="head", layers=[{"Softmax": {"name": "softmax"}}])
    assert model.outputs == TensorRef("softmax")


def test_insert_before_a_layer_of_several_inputs_is_refused() -> None:
    with pytest.raises(GraphUnsupported) as caught:
        edits_of(residual(), op="insert", before="sum", layers=[{"Dropout": {"rate": 0.5}}])
    assert caught.value.field == ("before",)


def test_remove_feeds_the_consumers_from_the_input() -> None:
    model = changed(residual(), op="remove", layers="left")
    assert model["sum"].inbound == ("stem",)
    assert names(model) == ["image", "stem", "sum", "head"]


def test_remove_neighbours_together() -> None:
    model = changed(classifier(), op="remove", layers=["conv2", "pool1"], optional=True)
    assert model["flatten"].inbound == ("conv1",)


def test_remove_the_output() -> None:
    assert changed(classifier(), op="remove", layers="predictions").outputs == TensorRef("dense")


def test_remove_refuses_inputs_and_merges() -> None:
    for layer in ("image", "sum"):
        with pytest.raises(GraphUnsupported):
            edits_of(residual(), op="remove", layers=layer)


def test_replace_overlap() -> None:
    model = changed(
        classifier(),
        op="replace",
        layers="predictions",
        weights="overlap",
        **{"with": [{"Dense": {"units": 10, "activation": "softmax", "name": "digits"}}]},
    )
    kernel, bias = model["digits"].weights
    assert kernel.shape == (6, 10)
    assert isinstance(kernel.source, Overlap)
    assert [stored.path for stored in stored_in(kernel.source)] == ["predictions"]
    assert isinstance(bias.source, Overlap)
    assert model.outputs == TensorRef("digits")


def test_replace_by_the_same_shape_keeps_the_weights() -> None:
    model = changed(
        classifier(), op="replace", layers="dense", **{"with": [{"Dense": {"units": 6, "activation": "tanh"}}]}
    )
    assert all(isinstance(weight.source, Stored) for weight in model["dense"].weights)
    assert model["dense"].config["activation"] == "tanh"


def test_replace_by_another_shape_is_fresh() -> None:
    model = changed(classifier(), op="replace", layers="predictions", **{"with": [{"Dense": {"units": 9}}]})
    assert all(isinstance(weight.source, Fresh) for weight in model["predictions"].weights)


def test_replace_keep_refuses_another_shape() -> None:
    with pytest.raises(WeightMismatch):
        changed(classifier(), op="replace", layers="predictions", weights="keep", **{"with": [{"Dense": {"units": 9}}]})


def test_replace_inherits() -> None:
    model = changed(
        classifier(),
        op="replace",
        layers="conv2",
        weights="fresh",
        **{"with": [{"Conv2D": {"inherit": True, "name": "new"}}]},
    )
    assert model["new"].config["filters"] == 4
    assert model["new"].config["padding"] == "same"
    assert model["new"].config["name"] == "new"
    assert "conv2" not in model.by_name


def test_replace_a_chain_by_a_chain() -> None:
    model = changed(
        classifier(),
        op="replace",
        layers=["flatten", "dense"],
        **{"with": [{"GlobalAveragePooling2D": {"name": "pool"}}, {"Dense": {"units": 6, "name": "dense"}}]},
    )
    assert names(model) == ["image", "conv1", "pool1", "conv2", "pool", "dense", "predictions"]
    assert all(isinstance(weight.source, Stored) for weight in model["predictions"].weights)


def test_replace_refuses_what_is_no_chain() -> None:
    with pytest.raises(GraphUnsupported):
        edits_of(classifier(), op="replace", layers=["conv1", "conv2"], **{"with": [{"Identity": {}}]})


def test_truncate_drops_what_nothing_needs() -> None:
    model = changed(classifier(), op="truncate", after="conv2")
    assert names(model) == ["image", "conv1", "pool1", "conv2"]
    assert model.outputs == TensorRef("conv2")


def test_truncate_at_the_output_changes_nothing() -> None:
    assert edits_of(classifier(), op="truncate", after="predictions") == []


def test_rename_keeps_place_and_weights() -> None:
    model = changed(classifier(), op="rename", layers={"conv1": "stem", "predictions": "head"})
    assert names(model) == ["image", "stem", "pool1", "conv2", "flatten", "dense", "head"]
    assert model["pool1"].inbound == ("stem",)
    assert model.outputs == TensorRef("head")
    assert model["stem"].weights[0].source.path == "conv1"  # type: ignore[union-attr]
    assert model["stem"].config["name"] == "stem"


def test_rename_with_a_prefix_and_back_is_the_identity() -> None:
    model = classifier()
    there = changed(model, op="rename", prefix="old_", layers="*")
    assert names(there)[0] == "old_image"
    back = changed(there, op="rename", layers={f"old_{layer.name}": layer.name for layer in model.layers})
    assert back == model


def test_rename_to_a_taken_name() -> None:
    with pytest.raises(NameTaken):
        changed(classifier(), op="rename", layers={"conv1": "conv2"})


@pytest.mark.parametrize(
    "names",
    [
        {"conv1": "conv2", "conv2": "conv1"},
        {"conv1": "conv2", "conv2": "dense", "dense": "conv1"},
        {"conv1": "conv2", "conv2": "conv3"},
        {"image": "conv1", "conv1": "image"},
    ],
)
def test_layers_of_one_rename_get_their_names_at_once(names: dict[str, str]) -> None:
    source = classifier()
    model = changed(source, op="rename", layers=names)
    for layer in source.layers:
        now = model[names.get(layer.name, layer.name)]
        assert now.class_name == layer.class_name
        assert now.origin == layer.origin
        assert now.inbound == tuple(names.get(name, name) for name in layer.inbound)
        assert [weight.source for weight in now.weights] == [weight.source for weight in layer.weights]
    assert changed(model, op="rename", layers={new: old for old, new in names.items()}) == source


def test_two_layers_cannot_get_one_name() -> None:
    with pytest.raises(NameTaken):
        changed(classifier(), op="rename", layers={"conv1": "new", "conv2": "new"})


def test_rename_a_range_with_a_prefix() -> None:
    model = changed(classifier(), op="rename", prefix="old_", layers={"from": "conv1", "to": "pool1"})
    assert names(model)[:4] == ["image", "old_conv1", "old_pool1", "conv2"]


def test_reconfigure_changes_arguments_and_keeps_weights() -> None:
    model = changed(classifier(), op="reconfigure", layers="conv*", config={"activation": "tanh"})
    assert {model[name].config["activation"] for name in ("conv1", "conv2")} == {"tanh"}
    assert all(isinstance(weight.source, Stored) for weight in model["conv1"].weights)


def test_reconfigure_refuses_a_shape_that_weights_do_not_have() -> None:
    with pytest.raises(WeightMismatch):
        changed(classifier(), op="reconfigure", layers="predictions", config={"units": 7})


def test_reconfigure_with_overlap() -> None:
    model = changed(classifier(), op="reconfigure", layers="predictions", config={"units": 7}, weights="overlap")
    assert [type(weight.source) for weight in model["predictions"].weights] == [Overlap, Overlap]


def test_reconfigure_knows_the_arguments() -> None:
    with pytest.raises(UnknownArgument) as caught:
        edits_of(classifier(), op="reconfigure", layers="predictions", config={"unitz": 7})
    assert "units" in str(caught.value.fix)


def test_reinitialize_makes_every_weight_fresh() -> None:
    model = changed(classifier(), op="reinitialize", layers=["conv2", "dense"])
    fresh = [layer.name for layer in model.layers if any(isinstance(w.source, Fresh) for w in layer.weights)]
    assert fresh == ["conv2", "dense"]
    assert edits_of(model, op="reinitialize", layers="conv2") == []


def test_impossible_shape_is_refused() -> None:
    model = network({"Dense": {"units": 3}}, shape=(4,))
    with pytest.raises(ShapeMismatch) as caught:
        changed(model, op="append", layers=[{"Conv2D": {"filters": 2, "kernel_size": 3}}])
    assert "conv2d" in str(caught.value)


def test_edits_are_pure_and_deterministic() -> None:
    model = classifier()
    replace = operation(op="replace", layers="dense", **{"with": [{"Dense": {"units": 3}}]})
    assert list(replace.edits(model)) == list(replace.edits(model))
    assert model == classifier()
