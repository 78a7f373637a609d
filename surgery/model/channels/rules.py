"""What each layer class does to channels. A class that is not here fixes its channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from surgery.model.channels.atoms import Atoms, Layout
from surgery.model.channels.flow import Site
from surgery.model.spec import LayerSpec

Outputs = list[Layout | None]
Rule = Callable[[Site], Outputs]

STATISTICS = (
    *("gamma", "beta", "moving_mean", "moving_variance", "scale", "mean", "variance"),
    *("moving_stddev", "renorm_mean", "renorm_stddev"),
)
"""The variables of normalizations that have a number for each channel."""

_RULES: dict[str, Rule] = {}
_OPERATIONS: dict[str, Rule] = {}


def rule_for(layer: LayerSpec) -> Rule | None:
    """The rule of a layer of Keras, or of a bare operation."""
    if not layer.is_layer:
        return _OPERATIONS.get(layer.class_name)
    return _RULES.get(layer.class_name) if layer.is_of_keras else None


def _rule(*class_names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(class_names, rule))
        return rule

    return register


def _operation(*class_names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        _OPERATIONS.update(dict.fromkeys(class_names, rule))
        return rule

    return register


@_operation("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Gelu", "Silu", "Sigmoid", "HardSigmoid", "HardSilu", "Tanh")
@_operation("Softplus", "Softsign", "Square", "Sqrt", "Absolute", "Negative", "Exp", "Identity", "Clip", "Cast")
@_rule("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Identity", "ActivityRegularization", "Masking")
@_rule("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
@_rule("GaussianDropout", "GaussianNoise", "AlphaDropout", "UnitNormalization", "StochasticDepth")
def _same(site: Site) -> Outputs:
    return [site.inputs[0]]


@_rule("Rescaling")
def _rescaling(site: Site) -> Outputs:
    if any(isinstance(site.layer.config.get(name), list | tuple) for name in ("scale", "offset")):
        return site.unknown(f"'{site.path}' scales each of them by a number of its own")
    return [site.inputs[0]]


@_rule("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D")
@_rule("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D", "Cropping3D")
@_rule("UpSampling1D", "UpSampling2D", "UpSampling3D", "Resizing")
def _spatial(site: Site) -> Outputs:
    channels = site.channels()
    return [Layout(site.channel_axis, channels)] if channels is not None else site.unknown("they are moved about")


@_rule("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D")
@_rule("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D")
def _global_pooling(site: Site) -> Outputs:
    channels = site.channels()
    if channels is None:
        return site.unknown(f"'{site.path}' pools over them")
    return [Layout(site.channel_axis if site.layer.config.get("keepdims") else 1, channels)]


@_rule("Dense")
def _dense(site: Site) -> Outputs:
    site.use("kernel", 0, site.channels(site.rank - 1))
    return [_made(site, "units", site.rank - 1)]


@_rule("Conv1D", "Conv2D", "Conv3D")
def _convolution(site: Site) -> Outputs:
    groups, filters = site.layer.config.get("groups", 1), site.layer.config["filters"]
    if groups != 1 and groups == site.call.inputs[0].shape[site.channel_axis]:
        return _one_by_one(site, filters // groups)
    if groups != 1:
        return site.unknown(f"'{site.path}' is a convolution in {groups} groups")
    site.use("kernel", -2, site.channels())
    return [_made(site, "filters", site.channel_axis)]


def _one_by_one(site: Site, multiplier: int) -> Outputs:
    """A convolution with a group for each channel does what a depthwise one does."""
    channels = site.channels()
    if channels is None:
        return site.unknown(f"'{site.path}' reads them along another axis")
    made = np.repeat(channels, multiplier)
    site.use("kernel", -1, made, is_own=True)
    site.use("bias", 0, made, is_own=True)
    site.set("filters", made)
    site.set("groups", channels)
    return [Layout(site.channel_axis, made)]


@_rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def _transposed(site: Site) -> Outputs:
    site.use("kernel", -1, site.channels())
    return [_made(site, "filters", site.channel_axis, kernel_axis=-2)]


@_rule("SeparableConv1D", "SeparableConv2D")
def _separable(site: Site) -> Outputs:
    channels = site.channels()
    if channels is not None:
        site.use("depthwise_kernel", -2, channels)
        site.use("pointwise_kernel", -2, np.repeat(channels, site.layer.config.get("depth_multiplier", 1)))
    return [_made(site, "filters", site.channel_axis, kernel="pointwise_kernel")]


@_rule("DepthwiseConv1D", "DepthwiseConv2D")
def _depthwise(site: Site) -> Outputs:
    channels = site.channels()
    if channels is None:
        return site.unknown(f"'{site.path}' reads them along another axis")
    made = np.repeat(channels, site.layer.config.get("depth_multiplier", 1))
    site.use("kernel", -2, channels)
    site.use("bias", 0, made, is_own=True)
    return [Layout(site.channel_axis, made)]


def _made(site: Site, entry: str, axis: int, kernel: str = "kernel", kernel_axis: int = -1) -> Layout:
    """The channels that a kernel makes."""
    made = site.own(site.layer.config[entry])
    site.use(kernel, kernel_axis, made, is_own=True)
    site.use("bias", 0, made, is_own=True)
    site.set(entry, made)
    return Layout(axis, made)


@_rule("Embedding")
def _embedding(site: Site) -> Outputs:
    made = site.own(site.layer.config["output_dim"])
    site.use("embeddings", 1, made, is_own=True)
    site.set("output_dim", made)
    return [Layout(len(site.call.outputs[0].shape) - 1, made)]


@_rule("LSTM", "GRU", "SimpleRNN")
def _recurrent(site: Site) -> Outputs:
    reason = f"they are the units of the recurrent layer '{site.path}'"
    site.use("kernel", 0, site.channels(2))
    return [site.opaque(index, reason) for index in range(len(site.call.outputs))]


@_rule("BatchNormalization", "LayerNormalization", "RMSNormalization", "Normalization")
def _normalization(site: Site) -> Outputs:
    layout, axis = site.inputs[0], site.layer.config.get("axis", -1)
    given = axis if isinstance(axis, list | tuple) else [axis]
    axes = sorted(each % site.rank for each in given if each is not None)
    if layout is None or layout.axis not in axes:
        return [layout]
    if site.layer.config.get("mean") is not None:
        return site.unknown(f"'{site.path}' has a mean of its own for each of them in its config")
    for name in STATISTICS:
        site.use(name, axes.index(layout.axis), layout.atoms, is_own=name in ("gamma", "beta"))
    return [layout]


@_rule("LayerScale")
def _layer_scale(site: Site) -> Outputs:
    channels = site.channels(site.rank - 1)
    if channels is None:
        return site.unknown(f"'{site.path}' scales along another axis")
    site.use("variable", 0, channels, is_own=True)
    site.set("projection_dim", channels)
    return [Layout(site.rank - 1, channels)]


@_rule("GroupNormalization")
def _group_normalization(site: Site) -> Outputs:
    if site.layer.config.get("groups") not in (1, -1):
        return site.unknown(f"'{site.path}' normalizes them in groups")
    return _normalization(site)


@_rule("PReLU")
def _prelu(site: Site) -> Outputs:
    layout = site.inputs[0]
    if layout is not None and layout.axis not in (site.layer.config.get("shared_axes") or ()):
        site.use("alpha", layout.axis - 1, layout.atoms)
    return [layout]


@_operation("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum")
@_rule("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
def _joined(site: Site) -> Outputs:
    if len(site.inputs) == 1 and site.layer.is_layer:
        return [site.inputs[0]]
    if len(site.inputs) == 1:
        scalar = any(isinstance(value, int | float) for value in (*site.call.args, *site.call.kwargs.values()))
        return [site.inputs[0]] if scalar else site.unknown(f"'{site.path}' has a number of its own for each of them")
    layouts = [layout for layout in site.inputs if layout is not None]
    ranks = {len(tensor.shape) for tensor in site.call.inputs}
    if len(layouts) < len(site.inputs) or len({layout.axis for layout in layouts}) > 1 or len(ranks) > 1:
        return site.unknown(f"'{site.path}' joins tensors whose channels do not lie alike")
    widest = max(layouts, key=lambda layout: len(layout.atoms))
    for layout in layouts:
        if len(layout.atoms) == 1 < len(widest.atoms):
            site.flow.joins.fix(layout.atoms, f"'{site.path}' gives it to each channel of another tensor")
        else:
            site.join(widest.atoms, layout.atoms)
    return [widest]


@_operation("Concatenate")
@_rule("Concatenate")
def _concatenate(site: Site) -> Outputs:
    axis = site.layer.config.get("axis", -1) % max(site.rank, 1)
    layouts = [layout for layout in site.inputs if layout is not None]
    if len(layouts) < len(site.inputs) or len({layout.axis for layout in layouts}) > 1:
        return site.unknown(f"'{site.path}' joins tensors whose channels do not lie alike")
    if layouts[0].axis == axis:
        return [Layout(axis, np.concatenate([layout.atoms for layout in layouts]))]
    for layout in layouts[1:]:
        site.join(layouts[0].atoms, layout.atoms)
    return [layouts[0]]


@_rule("Permute")
def _permute(site: Site) -> Outputs:
    layout, dims = site.inputs[0], list(site.layer.config["dims"])
    return [None if layout is None else Layout(dims.index(layout.axis) + 1, layout.atoms)]


@_rule("RepeatVector")
def _repeat_vector(site: Site) -> Outputs:
    layout = site.inputs[0]
    return [None if layout is None else Layout(2, layout.atoms)]


@_rule("Flatten", "Reshape")
def _reshape(site: Site) -> Outputs:
    layout, reason = site.inputs[0], f"'{site.path}' spreads them over several axes"
    before = [size for size in site.call.inputs[0].shape[1:] if size is not None]
    after = [size for size in site.call.outputs[0].shape[1:] if size is not None]
    is_known = len(before) == site.rank - 1 and len(after) == len(site.call.outputs[0].shape) - 1
    if layout is None:
        return [None]
    if not is_known or site.layer.config.get("data_format") == "channels_first":
        return site.unknown(reason)
    count = before[layout.axis - 1]
    spread = np.moveaxis(
        np.broadcast_to(np.arange(count), (*before[: layout.axis - 1], *before[layout.axis :], count)),
        -1,
        layout.axis - 1,
    )
    for axis in reversed(range(len(after))):
        atoms = _pattern(np.moveaxis(spread.reshape(after), axis, 0).reshape(after[axis], -1), count, layout.atoms)
        if atoms is not None:
            if site.layer.config.get("target_shape") and site.layer.config["target_shape"][axis] != -1:
                site.set("target_shape", atoms, axis)
            return [Layout(axis + 1, atoms)]
    return site.unknown(reason)


def _pattern(spread: Atoms, count: int, atoms: Atoms) -> Atoms | None:
    """The channels along an axis, where each place of it has one: all of them again and again, or each several times."""
    row, times = spread[:, 0], max(1, len(spread) // count)
    if not (spread == spread[:, :1]).all():
        return None
    if np.array_equal(row, np.tile(np.arange(count), times)):
        return np.tile(atoms, times)
    return np.repeat(atoms, times) if np.array_equal(row, np.repeat(np.arange(count), times)) else None
