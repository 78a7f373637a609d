"""From a ModelSpec to the document in `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from surgery.model.config.nodes import write_call, write_structure
from surgery.model.spec import Call, LayerSpec, ModelSpec, Shape, TensorRef, TensorSpec


def to_config(spec: ModelSpec) -> dict[str, Any]:
    """The document that Keras 3 loads as this model. Layers are written in the order of the spec."""
    document = {
        "module": spec.module,
        "class_name": spec.class_name,
        "config": _model_config(spec, spec.name, spec.config),
        "registered_name": spec.registered_name,
        "build_config": _model_build_config(spec, spec.build_config),
    }
    if spec.compile_config:
        document["compile_config"] = dict(spec.compile_config)
    return document


def layer_document(layer: LayerSpec) -> dict[str, Any]:
    """The document that Keras makes one layer of, not built yet."""
    document = _layer(layer)
    document.pop("build_config", None)
    return document


def _model_config(spec: ModelSpec, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    document = {**plain_json(config), "name": name}
    if spec.class_name == "Sequential":
        document["layers"] = [_layer(layer) for layer in spec.layers]
        if spec.inputs is not None and len(spec.layers) > 1:
            document["build_input_shape"] = list(spec.layers[0].outputs[0].shape)
        return document
    tensors = _tensors(spec)
    nested = frozenset(layer.name for layer in spec.layers if layer.inner and layer.inner.class_name != "Sequential")
    document["layers"] = [
        {
            **_layer(layer),
            "name": layer.name,
            "inbound_nodes": [] if layer.is_input else [write_call(call, tensors) for call in layer.calls],
        }
        for layer in spec.layers
    ]
    document["input_layers"] = write_structure(spec.inputs, nested)
    document["output_layers"] = write_structure(spec.outputs, nested)
    return document


def _tensors(spec: ModelSpec) -> dict[TensorRef, TensorSpec]:
    return {
        TensorRef(layer.name, index, output): tensor
        for layer in spec.layers
        for index, call in enumerate(layer.calls)
        for output, tensor in enumerate(call.outputs)
    }


def _layer(layer: LayerSpec) -> dict[str, Any]:
    document: dict[str, Any] = {
        "module": layer.module,
        "class_name": layer.class_name,
        "config": _layer_config(layer),
        "registered_name": layer.registered_name,
    }
    build_config = _model_build_config(layer.inner, layer.build_config) if layer.inner else _build_config(layer)
    if build_config is not None:
        document["build_config"] = build_config
    return document


def _layer_config(layer: LayerSpec) -> dict[str, Any]:
    """The constructor arguments. Some operations of `keras.ops` take no name: theirs is written only where it was."""
    if layer.inner:
        return _model_config(layer.inner, layer.name, {**layer.inner.config, **layer.config})
    config: dict[str, Any] = plain_json(layer.config)
    if layer.is_layer or "name" in config:
        config["name"] = layer.name
    return config


def _model_build_config(spec: ModelSpec, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if spec.class_name != "Sequential":
        return {"input_shape": None}
    if spec.inputs is None:
        return None if given is None else plain_json(given)
    return {"input_shape": list(spec.layers[0].outputs[0].shape)}


def _build_config(layer: LayerSpec) -> dict[str, Any] | None:
    """What Keras builds the layer with before any call: the shapes of its first call, so that they cannot be stale.

    A layer with one input states its shape, or the structure of shapes; one with several arguments names each. Where
    the names are not known the entry is left out, and Keras builds the layer when it is called.
    """
    given = layer.build_config
    if given is not None and not set(given) & {"input_shape", "shapes_dict"}:
        return plain_json(given)  # type: ignore[no-any-return]
    if layer.is_input or not layer.calls or not layer.calls[0].inputs:
        return None if given is None else plain_json(given)
    if given is None and not layer.weights:
        return None
    if given is not None and "shapes_dict" in given:
        return plain_json(given) if _agrees(given["shapes_dict"], layer.calls[0]) else None
    if given is None and Call(layer.calls[0].args[:1]).refs() != layer.calls[0].refs():
        return None
    shape = _shape_of_first_argument(layer.calls[0])
    return None if shape is None else {"input_shape": shape}


def _shape_of_first_argument(call: Call) -> Any:
    """The structure of shapes that `build` gets, for a layer that is built for one argument."""
    stated = dict(zip(call.refs(), call.inputs, strict=False))
    return _shapes(call.args[0], stated) if call.args else None


def _shapes(structure: Any, stated: Mapping[TensorRef, TensorSpec]) -> Any:
    match structure:
        case TensorRef():
            return list(stated[structure].shape)
        case list() | tuple():
            return [_shapes(item, stated) for item in structure]
        case Mapping():
            return {key: _shapes(item, stated) for key, item in structure.items()}
        case _:
            return None


def _agrees(shapes: Mapping[str, Any], call: Call) -> bool:
    known: set[Shape] = {tensor.shape for tensor in call.inputs}
    return all(_is_known(shape, known) for shape in shapes.values())


def _is_known(shape: Any, known: set[Shape]) -> bool:
    """Whether a shape, or each in a structure of shapes, is that of an input: `initial_state` is a list of tensors."""
    match shape:
        case Mapping():
            return all(_is_known(item, known) for item in shape.values())
        case list() | tuple() if all(axis is None or isinstance(axis, int) for axis in shape):
            return tuple(shape) in known
        case list() | tuple():
            return all(_is_known(item, known) for item in shape)
        case _:
            return False


def plain_json(value: Any) -> Any:
    """Mappings as dicts and tuples as lists, as JSON has them."""
    match value:
        case Mapping():
            return {key: plain_json(item) for key, item in value.items()}
        case list() | tuple():
            return [plain_json(item) for item in value]
        case _:
            return value
