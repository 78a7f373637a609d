"""From the document in `config.json` to a ModelSpec, checked as a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from surgery.errors import ModelInvalid, ModelUnsupported
from surgery.model.config.custom_class import without_custom_class
from surgery.model.config.nodes import Tensors, has_layers, is_functional, read_calls, read_structure
from surgery.model.config.shared import COMPILED, KEY, refuse_shared_layers, without_compiled
from surgery.model.order import keras_order
from surgery.model.spec import Call, Config, LayerSpec, ModelSpec, TensorRef, TensorSpec, leaves

GRAPH_KEYS = frozenset({"name", "layers", "input_layers", "output_layers", "build_input_shape"})


def from_config(document: Mapping[str, Any]) -> ModelSpec:
    """The model that a `config.json` of Keras 3 describes, without weights.

    Shapes are those that the document states; what it leaves open stays open.

    Raises:
        ModelUnsupported: a model that is no graph of layers, or that shares a layer with a nested model.
        ModelInvalid: a document that contradicts itself.
    """
    refuse_shared_layers(document)
    plain, custom = without_custom_class(without_compiled(document, KEY))
    return replace(_model(plain, "the model"), compile_config=document.get(COMPILED) or None, custom_class=custom)


def _model(document: Mapping[str, Any], where: str) -> ModelSpec:
    config = document.get("config")
    if not isinstance(config, Mapping) or not has_layers(document):
        raise _no_graph(document, where)
    name = str(config.get("name") or document.get("name") or "model")
    read = _functional if is_functional(document) else _sequential
    layers, inputs, outputs = read(config, where)
    return ModelSpec(
        class_name=str(document["class_name"]),
        name=name,
        layers=layers,
        inputs=inputs,
        outputs=outputs,
        config={key: value for key, value in config.items() if key not in GRAPH_KEYS},
        module=document.get("module"),
        registered_name=document.get("registered_name"),
        build_config=document.get("build_config"),
    )


def _no_graph(document: Mapping[str, Any], where: str) -> ModelUnsupported:
    kind = str(document.get("class_name") or "without a class")
    return ModelUnsupported(
        f"{where} is a subclassed model ({kind}): its graph is Python code, and not in the file",
        expected="a Functional or Sequential model, nested to any depth",
        fix="build the layers as keras.Sequential or keras.Model(inputs, outputs), copy the weights, save that; or call it "
        "as one layer of a Functional model, where it can be frozen, renamed, replaced and cut off whole",
    )


def _functional(config: Mapping[str, Any], where: str) -> tuple[tuple[LayerSpec, ...], Any, Any]:
    documents = _documents(config, where)
    tensors: Tensors = {}
    layers = tuple(_layer(document, where, read_calls(document, where, tensors)) for document in documents)
    nested = {document["name"]: len(document["inbound_nodes"]) for document in documents if is_functional(document)}
    inputs = read_structure(config.get("input_layers"), nested, where)
    outputs = read_structure(config.get("output_layers"), nested, where)
    _check_graph(layers, inputs, outputs, where)
    return tuple(_with_outputs(layer, tensors) for layer in layers), inputs, outputs


def _sequential(config: Mapping[str, Any], where: str) -> tuple[tuple[LayerSpec, ...], Any, Any]:
    documents = _documents(config, where)
    layers = [_layer(document, where, (Call(),)) for document in documents]
    if not layers:
        raise ModelInvalid(f"{where} is a Sequential without layers")
    if config.get("build_input_shape") and not layers[0].is_input:
        layers.insert(0, _input_layer(config["build_input_shape"], layers))
    chain = [layers[0]]
    for layer in layers[1:]:
        if layer.is_input:
            raise ModelInvalid(
                f"{where} is a Sequential with an InputLayer, '{layer.name}', that is not its first layer"
            )
        chain.append(replace(layer, calls=(Call((TensorRef(chain[-1].name),)),)))
    tensors = _chained_tensors(chain)
    wired = tuple(_with_outputs(_with_inputs(layer, tensors), tensors) for layer in chain)
    return wired, TensorRef(chain[0].name) if chain[0].is_input else None, TensorRef(chain[-1].name)


def _documents(config: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """The layers' documents, each with its name, its config and its inbound nodes in place."""
    documents = []
    for entry in config["layers"]:
        if not isinstance(entry, Mapping) or "class_name" not in entry or not isinstance(entry.get("config"), Mapping):
            raise ModelInvalid(f"{where} has a layer without class_name and config")
        name = entry.get("name") or entry["config"].get("name")
        if not isinstance(name, str) or not name or "/" in name:
            raise ModelInvalid(f"{where} has a layer ({entry['class_name']}) whose name Keras does not allow: {name!r}")
        nodes = entry.get("inbound_nodes") or []
        documents.append({**entry, "name": name, "inbound_nodes": nodes})
    twice = [name for name, count in Counter(document["name"] for document in documents).items() if count > 1]
    if twice:
        raise ModelInvalid(
            f"{where} has several layers of one name: {', '.join(twice)}",
            expected="a name of its own for each layer of a model",
        )
    return documents


def _layer(document: Mapping[str, Any], where: str, calls: tuple[Call, ...]) -> LayerSpec:
    name = document["name"]
    config: Config = document["config"]
    inner = None
    if has_layers(document):
        inner = _model(document, f"'{name}'" if where == "the model" else f"{where[:-1]}/{name}'")
        config = {"name": name, **inner.config}
    class_name, registered = str(document["class_name"]), document.get("registered_name")
    if ">" in class_name and not registered:
        registered, class_name = class_name, class_name.rpartition(">")[2]
    layer = LayerSpec(
        name=name,
        class_name=class_name,
        config=config,
        module=document.get("module"),
        registered_name=registered,
        build_config=document.get("build_config"),
        calls=calls,
        inner=inner,
    )
    return replace(layer, calls=(Call(outputs=(_input_spec(layer),)),)) if layer.is_input else layer


def _input_spec(layer: LayerSpec) -> TensorSpec:
    shape = layer.config.get("batch_shape")
    if not isinstance(shape, list | tuple):
        raise ModelInvalid(f"the input '{layer.name}' has no shape")
    return TensorSpec(tuple(shape), dtype_name(layer.config.get("dtype")))


def _input_layer(shape: list[int | None], layers: list[LayerSpec]) -> LayerSpec:
    """The InputLayer that Keras makes itself when a Sequential states only the shape."""
    taken = {layer.name for layer in layers}
    name = next(name for name in ("input_layer", *(f"input_layer_{n}" for n in range(len(taken)))) if name not in taken)
    dtype = dtype_name(layers[0].config.get("dtype"))
    config = {"batch_shape": list(shape), "dtype": dtype, "sparse": False, "name": name}
    return LayerSpec(name, "InputLayer", config, calls=(Call(outputs=(TensorSpec(tuple(shape), dtype),)),))


def dtype_name(dtype: Any) -> str:
    """The dtype that a layer computes in, from a dtype or a dtype policy as configs hold them."""
    if isinstance(dtype, Mapping):
        inner = dtype.get("config")
        return dtype_name(inner.get("name", inner.get("source_name")) if isinstance(inner, Mapping) else None)
    if not isinstance(dtype, str):
        return "float32"
    return dtype.removeprefix("mixed_").split("_from_")[-1]


def _chained_tensors(chain: list[LayerSpec]) -> Tensors:
    """What a Sequential knows of its tensors: the shape that each layer was built for."""
    tensors: Tensors = {}
    for before, layer in pairwise(chain):
        built = (layer.build_config or {}).get("input_shape")
        if before.is_input:
            tensors[TensorRef(before.name)] = before.outputs[0]
        elif isinstance(built, list) and all(n is None or isinstance(n, int) for n in built):
            tensors[TensorRef(before.name)] = TensorSpec(tuple(built), dtype_name(before.config.get("dtype")))
    return tensors


def _with_inputs(layer: LayerSpec, tensors: Tensors) -> LayerSpec:
    refs = layer.calls[0].refs()
    if not all(ref in tensors for ref in refs):
        return layer
    return replace(layer, calls=(replace(layer.calls[0], inputs=tuple(tensors[ref] for ref in refs)),))


def _with_outputs(layer: LayerSpec, tensors: Tensors) -> LayerSpec:
    """The layer with the output tensors that its readers speak of, as far as they are known without a gap."""
    if layer.is_input:
        return layer
    calls = []
    for index, call in enumerate(layer.calls):
        outputs: list[TensorSpec] = []
        while (spec := tensors.get(TensorRef(layer.name, index, len(outputs)))) is not None:
            outputs.append(spec)
        calls.append(replace(call, outputs=tuple(outputs)))
    return replace(layer, calls=tuple(calls))


def _check_graph(layers: tuple[LayerSpec, ...], inputs: Any, outputs: Any, where: str) -> None:
    by_name = {layer.name: layer for layer in layers}
    for ref in leaves(inputs):
        if ref.layer not in by_name or not by_name[ref.layer].is_input:
            raise ModelInvalid(f"{where} has the input '{ref.layer}', which is no InputLayer of it")
    try:
        reached = set(keras_order(layers, inputs, outputs))
    except ModelInvalid as error:
        raise error.prefixed(where) from None
    loose = [layer.name for layer in layers if layer.name not in reached]
    if loose:
        raise ModelInvalid(
            f"{where} has layers that lead to no output: {', '.join(loose)}",
            expected="layers between the inputs and the outputs, as Keras saves them",
        )
