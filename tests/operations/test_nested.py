"""Operations inside nested models."""

from __future__ import annotations

from dataclasses import replace

from surgery.model.prove import prove
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef
from tests.networks import as_saved, changed, classifier, empty, network


def nested() -> ModelSpec:
    """image -> backbone (a classifier without its head) -> head."""
    backbone = replace(changed(classifier(), op="truncate", after="flatten"), name="backbone")
    outer = empty()
    layer = LayerSpec(
        "backbone",
        "Functional",
        {"trainable": True},
        module="keras.src.models.functional",
        registered_name="Functional",
        calls=(Call((TensorRef("image"),)),),
        inner=backbone,
    )
    model = prove(replace(outer, layers=(*outer.layers, layer), outputs=TensorRef("backbone")), again=True)
    return as_saved(changed(model, op="append", layers=[{"Dense": {"units": 3, "name": "head"}}]))


def test_shapes_go_through() -> None:
    assert nested()["backbone"].outputs[0].shape == (None, 36)
    assert nested()["head"].weights[0].shape == (36, 3)


def test_freezing_a_model_freezes_its_layers() -> None:
    model = changed(nested(), op="freeze", layers="backbone")
    assert not model["backbone/conv1"].trainable
    assert model.trainable_parameters == model["head"].parameters


def test_unfreezing_a_layer_inside_unfreezes_the_model_around_it() -> None:
    frozen = changed(nested(), op="freeze", layers="backbone")
    model = changed(frozen, op="unfreeze", layers="backbone/conv2")
    assert model["backbone"].trainable
    assert not model["backbone/conv1"].trainable
    assert model.trainable_parameters == model["head"].parameters + model["backbone/conv2"].parameters


def test_editing_inside() -> None:
    model = changed(nested(), op="insert", after="backbone/conv1", layers=[{"BatchNormalization": {"name": "norm"}}])
    assert model["backbone/pool1"].inbound == ("norm",)
    assert model["backbone/norm"].weights[0].shape == (4,)
    model = changed(model, op="rename", layers={"backbone": "encoder"})
    assert model["encoder/norm"].name == "norm"
    assert model["head"].inbound == ("encoder",)
    model = changed(
        model, op="replace", layers="encoder/conv2", **{"with": [{"SeparableConv2D": {"filters": 4, "kernel_size": 1}}]}
    )
    assert "separable_conv2d" in model["encoder"].inner.by_name  # type: ignore[union-attr]


def test_a_chain_of_one_layer() -> None:
    model = network({"Dense": {"units": 2, "name": "only"}}, shape=(3,))
    assert changed(model, op="replace", layers="only", **{"with": [{"Dense": {"units": 2}}]})["only"].weights
