"""Rules of the convolutions: plain, depthwise, separable, transposed."""

from __future__ import annotations

from surgery.model.shapes.core import with_lora
from surgery.model.shapes.rules import Built, Site, Variable, rule
from surgery.model.shapes.windows import arranged, channels_of, need_spatial, sizes, slide
from surgery.model.spec import Shape


@rule("Conv1D", "Conv2D", "Conv3D")
def convolution(site: Site) -> Built:
    rank, spatial, _ = need_spatial(site)
    channels, groups, filters = channels_of(site), site.get("groups", 1), site.get("filters")
    if channels % groups:
        raise site.refused(f"{site.class_name}: {channels} channels cannot be divided into {groups} groups")
    if filters % groups:
        raise site.refused(f"{site.class_name}: {filters} filters cannot be divided into {groups} groups")
    _refuse_both(site, rank)
    window = sizes(site.get("kernel_size"), rank)
    kernel = site.variable(0, "kernel", (*window, channels // groups, filters))
    made = with_lora(site, kernel)
    return site.built(arranged(site, _slid(site, rank, spatial), filters), *made, _bias(site, 1, filters))


@rule("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(site: Site) -> Built:
    rank, spatial, _ = need_spatial(site)
    channels, multiplier = channels_of(site), site.get("depth_multiplier", 1)
    window = sizes(site.get("kernel_size"), rank)
    kernel = site.variable(0, "kernel", (*window, channels, multiplier), "depthwise_initializer")
    filters = channels * multiplier
    return site.built(arranged(site, _slid(site, rank, spatial), filters), kernel, _bias(site, 1, filters))


@rule("SeparableConv1D", "SeparableConv2D")
def separable(site: Site) -> Built:
    rank, spatial, _ = need_spatial(site)
    channels, multiplier, filters = channels_of(site), site.get("depth_multiplier", 1), site.get("filters")
    window = sizes(site.get("kernel_size"), rank)
    return site.built(
        arranged(site, _slid(site, rank, spatial), filters),
        site.variable(0, "depthwise_kernel", (*window, channels, multiplier), "depthwise_initializer"),
        site.variable(1, "pointwise_kernel", (*[1] * rank, channels * multiplier, filters), "pointwise_initializer"),
        _bias(site, 2, filters),
    )


@rule("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed(site: Site) -> Built:
    rank, spatial, _ = need_spatial(site)
    channels, filters = channels_of(site), site.get("filters")
    _refuse_both(site, rank)
    window = sizes(site.get("kernel_size"), rank)
    kernel = site.variable(0, "kernel", (*window, filters, channels))
    return site.built(arranged(site, _unslid(site, rank, spatial), filters), kernel, _bias(site, 1, filters))


def _refuse_both(site: Site, rank: int) -> None:
    """Keras makes no layer with both, though depthwise and separable ones may have them. Keras 3.15."""
    strides, dilation = (sizes(site.get(name, 1), rank) for name in ("strides", "dilation_rate"))
    if max(strides) > 1 and max(dilation) > 1:
        raise site.refused(f"{site.class_name} cannot have strides {strides} and a dilation_rate of {dilation} at once")


def _slid(site: Site, rank: int, spatial: Shape) -> Shape:
    window = sizes(site.get("kernel_size"), rank)
    strides, dilation = sizes(site.get("strides", 1), rank), sizes(site.get("dilation_rate", 1), rank)
    return slide(site, spatial, window, strides, dilation)


def _unslid(site: Site, rank: int, spatial: Shape) -> Shape:
    """The spatial shape from which a convolution would make this one."""
    dilation = sizes(site.get("dilation_rate", 1), rank)
    strides = sizes(site.get("strides", 1), rank)
    window = [d * (k - 1) + 1 for k, d in zip(sizes(site.get("kernel_size"), rank), dilation, strict=True)]
    extra = site.get("output_padding")
    extras = [None] * rank if extra is None else sizes(extra, rank)
    is_valid = site.get("padding", "valid") == "valid"
    axes = zip(spatial, window, strides, extras, strict=True)
    return tuple(None if n is None else _before(n, k, s, e, is_valid) for n, k, s, e in axes)


def _before(size: int, window: int, stride: int, extra: int | None, is_valid: bool) -> int:
    if is_valid:
        return (size - 1) * stride + window + (max(window, stride) - window if extra is None else extra)
    return size * stride if extra is None else (size - 1) * stride + window % 2 + extra


def _bias(site: Site, index: int, filters: int) -> Variable | None:
    return site.variable(index, "bias", (filters,)) if site.layer.config.get("use_bias", True) else None
