"""Rules of bare operations: elementwise, products, reductions."""

from __future__ import annotations

from typing import Any

from surgery.model.shapes.operands import argument, axes_of, broadcast, joined_dtype, operands, shape_of
from surgery.model.shapes.rules import FLOATS, Built, Site, operation
from surgery.model.spec import Shape, TensorSpec

SAME = (
    *(
        "Abs",
        "Absolute",
        "Relu",
        "Relu6",
        "Elu",
        "Selu",
        "Gelu",
        "Celu",
        "Silu",
        "LeakyRelu",
        "HardSigmoid",
        "HardSilu",
    ),
    *("HardTanh", "HardShrink", "LogSigmoid", "LogSoftmax", "Sigmoid", "Softmax", "Softplus", "SoftShrink", "Softsign"),
    *("Negative", "Square", "StopGradient", "Flip", "Roll", "Copy", "Sign", "TanhShrink", "Squareplus", "Sparsemax"),
)
"""Operations whose output is like their input."""

FLOATING = ("Exp", "Log", "Sqrt", "Rsqrt", "Tanh", "Sin", "Cos", "Log1p", "Expm1", "Erf")
"""Operations whose output is a float."""


@operation(*SAME)
def same(site: Site) -> Built | None:
    dtype = site.inputs[0].dtype
    return Built((TensorSpec(site.shape, dtype),)) if dtype in FLOATS or site.class_name in _ANY_DTYPE else None


_ANY_DTYPE = ("Copy", "Flip", "Negative", "Relu", "Roll", "StopGradient")


@operation(*FLOATING)
def floating(site: Site) -> Built | None:
    dtype = site.inputs[0].dtype
    return Built((TensorSpec(site.shape, dtype),)) if dtype in FLOATS else None


@operation("Reciprocal")
def reciprocal(site: Site) -> Built:
    """Keras 3.15 states float32 for it, whatever goes in; for Logsumexp too."""
    return Built((TensorSpec(site.shape, "float32"),))


@operation("Logsumexp")
def log_sum_exp(site: Site) -> Built:
    return Built((TensorSpec(_reduced(site, site.shape), "float32"),))


@operation("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Divide", "TrueDivide", "Power")
def elementwise(site: Site) -> Built | None:
    values = operands(site, 2, "x1", "x2")
    return _elementwise(site, values, joined_dtype(values)) if len(values) == 2 else None


@operation(
    *("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "LogicalXor")
)
def comparison(site: Site) -> Built | None:
    values = operands(site, 2, "x1", "x2")
    return _elementwise(site, values, "bool") if len(values) == 2 else None


def _elementwise(site: Site, values: list[Any], dtype: str | None) -> Built | None:
    one, other = map(shape_of, values)
    if one is None or other is None or dtype is None:
        return None
    if site.class_name in ("Divide", "TrueDivide", "Power") and dtype not in FLOATS:
        return None
    return Built((TensorSpec(broadcast(site, one, other), dtype),))


@operation("Clip")
def clip(site: Site) -> Built | None:
    dtype = site.inputs[0].dtype
    return Built((TensorSpec(site.shape, dtype),)) if dtype in FLOATS else None


@operation("Matmul")
def matmul(site: Site) -> Built | None:
    values = operands(site, 2, "x1", "x2")
    shapes = [shape_of(value) for value in values]
    dtype = joined_dtype(values)
    if len(shapes) != 2 or dtype not in FLOATS or any(shape is None or len(shape) < 2 for shape in shapes):
        return None
    left, right = shapes
    if left is None or right is None:
        return None
    if left[-1] is not None and right[-2] is not None and left[-1] != right[-2]:
        raise site.refused(f"Matmul needs inner axes of equal size, and gets {site.shown}")
    return Built((TensorSpec((*broadcast(site, left[:-2], right[:-2]), left[-2], right[-1]), dtype),))


@operation("Mean", "Sum", "Max", "Min", "Amax", "Amin", "Prod", "Std", "Var")
def reduction(site: Site) -> Built | None:
    dtype = site.inputs[0].dtype
    if dtype not in FLOATS or site.get("dtype") not in (None, dtype):
        return None
    return Built((TensorSpec(_reduced(site, site.shape), dtype),))


@operation("Any", "All")
def truth(site: Site) -> Built:
    return Built((TensorSpec(_reduced(site, site.shape), "bool"),))


@operation("Argmax", "Argmin")
def position(site: Site) -> Built | None:
    if argument(site, 1, "axis") is None:
        return None
    return Built((TensorSpec(_reduced(site, site.shape), "int32"),))


def _reduced(site: Site, shape: Shape) -> Shape:
    axes = axes_of(site, argument(site, 1, "axis"), len(shape))
    if argument(site, 2, "keepdims", False):
        return tuple(1 if index in axes else size for index, size in enumerate(shape))
    return tuple(size for index, size in enumerate(shape) if index not in axes)
