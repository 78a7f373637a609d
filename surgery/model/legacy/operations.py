"""Operations of TensorFlow that Keras 2 kept as layers (`TFOpLambda`, `SlicingOpLambda`), as operations of `keras.ops`.

What is not in the tables is refused by its name: there is no other way to know what it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from surgery.errors import SurgeryError
from surgery.model.legacy.objects import Problems
from surgery.model.order import keras_order
from surgery.model.prove import prove
from surgery.model.spec import LayerSpec, ModelSpec

CLASSES = frozenset(
    {"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer"}
)

Arguments = dict[str, Any]


class NoTwin(Exception):
    """An operation that Keras 3 does not have in this form."""


@dataclass
class Building:
    """One operation, and what has to be computed before it, under its name with a number."""

    name: str
    taken: set[str]
    before: list[dict[str, Any]] = field(default_factory=list)

    def step(self, place: str, *args: Any, **config: Any) -> Any:
        """An operation that goes before, and the tensor that comes out of it."""
        number = next(n for n in range(1, 1000) if f"{self.name}_{n}" not in self.taken)
        name = f"{self.name}_{number}"
        self.taken.add(name)
        self.before.append(entry(name, place, args, config))
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": None, "dtype": None, "keras_history": [name, 0, 0]},
        }


Made = tuple[str, list[Any], Arguments, Arguments]
"""Where the operation is, what it is called with, its config, keywords of the call."""
Builder = Callable[[Building, Any, Arguments], Made]


def entry(name: str, place: str, args: Any, config: Arguments, kwargs: Arguments | None = None) -> dict[str, Any]:
    """A layer's entry in a graph, for `numpy.Add` and the like."""
    module, _, class_name = place.rpartition(".")
    return {
        "module": f"keras.src.ops.{module}",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": class_name,
        "name": name,
        "inbound_nodes": [{"args": list(args), "kwargs": kwargs or {}}],
    }


def convert_operation(
    layer: Mapping[str, Any], name: str, nodes: list[dict[str, Any]], taken: set[str], problems: Problems
) -> Iterator[dict[str, Any]]:
    """The operations of Keras 3 that compute what one of TensorFlow did.

    Args:
        layer: The layer of Keras 2.
        name: Its name in Keras 3.
        nodes: Its calls, as Keras 3 writes them.
        taken: The names of the graph, to which those of new operations are added.
        problems: Gets it when Keras 3 has none like it.
    """
    function = str(layer["config"].get("function", layer["class_name"]))
    try:
        if len(nodes) != 1 or function not in TABLE:
            raise NoTwin
        building = Building(name, taken)
        kwargs = {key: value for key, value in nodes[0]["kwargs"].items() if key != "name"}
        place, args, config, call = TABLE[function](building, _value(nodes[0]["args"][0]), kwargs)
        if kwargs:
            raise NoTwin(f" with {', '.join(sorted(kwargs))}")
        yield from building.before
        yield entry(name, place, args, config, call)
    except NoTwin as error:
        problems.add(
            f"the operation tf.{function}{error} of '{name}' ({layer['class_name']}), which has no twin in keras.ops here"
        )


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__"


def _value(value: Any) -> Any:
    """An operand: lists of numbers are arrays."""
    if isinstance(value, list) and value and not any(map(_is_tensor, value)):
        return {"class_name": "__numpy__", "config": {"value": value, "dtype": _dtype(value)}}
    return value


def _dtype(value: Any) -> str:
    if isinstance(value, list):
        kinds = {_dtype(item) for item in value}
        return next((kind for kind in ("float32", "int32", "bool") if kind in kinds), "float32")
    if not isinstance(value, bool | int | float):
        raise NoTwin(" of these values")
    return {bool: "bool", int: "int32"}.get(type(value), "float32")


def _constant(value: Any) -> Any:
    """An argument that is written into the operation: no tensor in it."""
    if _is_tensor(value) or (isinstance(value, list) and any(map(_is_tensor, value))):
        raise NoTwin(" with an argument that is computed")
    return value


def _drop(kwargs: Arguments, **plain: Any) -> None:
    """Takes away arguments that say what is so anyway."""
    for key, value in plain.items():
        if kwargs.get(key, value) in (value, None):
            kwargs.pop(key, None)


def _of_one(place: str, *keys: str, **fixed: Any) -> Builder:
    """An operation of one tensor, whose arguments of these names are its config."""

    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        return place, [x], {**fixed, **{key: _constant(kwargs.pop(key)) for key in keys if key in kwargs}}, {}

    return build


def _of_two(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        return place, [x, _value(kwargs.pop("y"))], {}, {}

    return build


def _reduction(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        config = {"axis": _constant(kwargs.pop("axis", None)), "keepdims": bool(kwargs.pop("keepdims", None))}
        return place, [x], config, {}

    return build


def _position(place: str) -> Builder:
    """TensorFlow counts in int64, unless told otherwise, and from the first axis on."""

    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        axis, dtype = kwargs.pop("axis", None) or 0, kwargs.pop("output_type", None) or "int64"
        return "core.Cast", [building.step(place, x, axis=axis)], {"dtype": dtype}, {}

    return build


def _joined(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        if not isinstance(x, list) or not all(map(_is_tensor, x)):
            raise NoTwin(" of these values")
        return place, [x], {"axis": _constant(kwargs.pop("axis", 0))}, {}

    return build


def _pooling(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        _drop(kwargs, data_format="NHWC")
        sizes = {"pool_size": kwargs.pop("ksize"), "strides": kwargs.pop("strides")}
        config = {
            key: value[1:3] if isinstance(value, list) and len(value) == 4 else value for key, value in sizes.items()
        }
        padding = str(kwargs.pop("padding")).lower()
        return place, [x], {**config, "padding": padding, "data_format": "channels_last"}, {}

    return build


def _blocks(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        _drop(kwargs, data_format="NHWC")
        return place, [x], {"block_size": kwargs.pop("block_size"), "data_format": "channels_last"}, {}

    return build


def _slice(building: Building, x: Any, kwargs: Arguments) -> Made:
    spec = _constant(kwargs.pop("slice_spec"))
    return "numpy.GetItem", [x, [_part(item) for item in spec] if isinstance(spec, list) else _part(spec)], {}, {}


def _part(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    if item.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    if set(item) != {"start", "stop", "step"} or any(map(_is_tensor, item.values())):
        raise NoTwin(" with an argument that is computed")
    return {"class_name": "__slice__", "config": dict(item)}


def _reshape(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "numpy.Reshape", [x], {"newshape": _constant(kwargs.pop("shape"))}, {}


def _transpose(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, conjugate=False)
    return "numpy.Transpose", [x], {"axes": _constant(kwargs.pop("perm", None))}, {}


def _squeeze(building: Building, x: Any, kwargs: Arguments) -> Made:
    axis = kwargs.pop("axis", None)
    return "numpy.Squeeze", [x], {"axis": axis[0] if isinstance(axis, list) and len(axis) == 1 else axis}, {}


def _cast(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "core.Cast", [x], {"dtype": kwargs.pop("dtype")}, {}


def _clip(building: Building, x: Any, kwargs: Arguments) -> Made:
    low, high = (_constant(kwargs.pop(f"clip_value_{end}")) for end in ("min", "max"))
    return "numpy.Clip", [x], {"x_min": low, "x_max": high}, {}


def _where(building: Building, condition: Any, kwargs: Arguments) -> Made:
    if "x" not in kwargs or kwargs["x"] is None:
        raise NoTwin(" of a condition alone")
    return "numpy.Where", [condition, _value(kwargs.pop("x")), _value(kwargs.pop("y"))], {}, {}


def _pad(building: Building, x: Any, kwargs: Arguments) -> Made:
    mode, value = str(kwargs.pop("mode", "CONSTANT")).lower(), kwargs.pop("constant_values", 0)
    call = {"constant_values": value} if mode == "constant" else {}
    return "numpy.Pad", [x], {"pad_width": _constant(kwargs.pop("paddings")), "mode": mode}, call


def _tile(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "numpy.Tile", [x], {"repeats": _constant(kwargs.pop("multiples"))}, {}


def _gather(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, batch_dims=0, validate_indices=None)
    return "numpy.Take", [x, _value(kwargs.pop("indices"))], {"axis": kwargs.pop("axis", None) or 0}, {}


def _split(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, num=None)
    sizes = _constant(kwargs.pop("num_or_size_splits"))
    if isinstance(sizes, list):
        if any(size < 0 for size in sizes):
            raise NoTwin(" of an open size")
        sizes = [sum(sizes[:end]) for end in range(1, len(sizes))]
    return "numpy.Split", [x], {"indices_or_sections": sizes, "axis": kwargs.pop("axis", 0)}, {}


def _unstack(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "core.Unstack", [x], {"num": kwargs.pop("num", None), "axis": kwargs.pop("axis", 0)}, {}


def _sum_of_all(building: Building, x: Any, kwargs: Arguments) -> Made:
    if not isinstance(x, list) or len(x) < 2:
        raise NoTwin(" of these values")
    total = x[0]
    for one in x[1:-1]:
        total = building.step("numpy.Add", total, one)
    return "numpy.Add", [total, x[-1]], {}, {}


def _squared_difference(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "numpy.Square", [building.step("numpy.Subtract", x, _value(kwargs.pop("y")))], {}, {}


def _matmul(building: Building, a: Any, kwargs: Arguments) -> Made:
    b = _value(kwargs.pop("b"))
    sides = []
    for side, value in (("a", a), ("b", b)):
        turned = kwargs.pop(f"transpose_{side}", False)
        sides.append(building.step("numpy.Swapaxes", value, axis1=-2, axis2=-1) if turned else value)
        _drop(kwargs, **{f"adjoint_{side}": False, f"{side}_is_sparse": False})
    return "numpy.Matmul", sides, {}, {}


def _normalize(building: Building, x: Any, kwargs: Arguments) -> Made:
    """TensorFlow adds its epsilon to the sum of squares, Keras to the root."""
    axis, epsilon = _constant(kwargs.pop("axis", None)), kwargs.pop("epsilon", 1e-12)
    if axis is None:
        raise NoTwin(" over all axes")
    return "nn.Normalize", [x], {"axis": axis, "order": 2, "epsilon": epsilon**0.5}, {}


def _norm(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, ord="euclidean")
    return "linalg.Norm", [x], {"axis": kwargs.pop("axis", None), "keepdims": bool(kwargs.pop("keepdims", None))}, {}


def _one_hot(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, on_value=None, off_value=None)
    axis, dtype = kwargs.pop("axis", None), kwargs.pop("dtype", None) or "float32"
    depth = _constant(kwargs.pop("depth"))
    return "nn.OneHot", [x], {"num_classes": depth, "axis": -1 if axis is None else axis, "dtype": dtype}, {}


def _resize(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, antialias=False, preserve_aspect_ratio=False)
    method = str(kwargs.pop("method", "bilinear")).lower()
    if method not in ("bilinear", "nearest", "bicubic"):
        raise NoTwin(f" by {method}")
    config = {"size": _constant(kwargs.pop("size")), "interpolation": method, "data_format": "channels_last"}
    return "image.Resize", [x], config, {}


def _leaky_relu(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "nn.LeakyRelu", [x], {"negative_slope": kwargs.pop("alpha", 0.2)}, {}


def _gelu(building: Building, x: Any, kwargs: Arguments) -> Made:
    return "nn.Gelu", [x], {"approximate": kwargs.pop("approximate", False)}, {}


def _silu(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, beta=1.0)
    return "nn.Silu", [x], {}, {}


def _softmax(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        axis = kwargs.pop("axis", None)
        return place, [x], {"axis": -1 if axis is None else axis}, {}

    return build


def _cumulative(place: str) -> Builder:
    def build(building: Building, x: Any, kwargs: Arguments) -> Made:
        _drop(kwargs, exclusive=False, reverse=False)
        return place, [x], {"axis": kwargs.pop("axis", 0)}, {}

    return build


def _bias(building: Building, x: Any, kwargs: Arguments) -> Made:
    _drop(kwargs, data_format="NHWC")
    return "numpy.Add", [x, _value(kwargs.pop("bias"))], {}, {}


_TWO = {
    "add": "Add", "subtract": "Subtract", "multiply": "Multiply", "truediv": "TrueDivide", "divide": "TrueDivide",
    "floordiv": "FloorDivide", "floormod": "Mod", "mod": "Mod", "pow": "Power", "maximum": "Maximum", "minimum": "Minimum",
    "equal": "Equal", "not_equal": "NotEqual", "greater": "Greater", "greater_equal": "GreaterEqual", "less": "Less",
    "less_equal": "LessEqual", "logical_and": "LogicalAnd", "logical_or": "LogicalOr", "logical_xor": "LogicalXor",
    "divide_no_nan": "DivideNoNan", "atan2": "Arctan2",
}  # fmt: skip
_ONE = {
    "abs": "Abs", "negative": "Negative", "exp": "Exp", "expm1": "Expm1", "log": "Log", "log1p": "Log1p", "sqrt": "Sqrt",
    "square": "Square", "sin": "Sin", "cos": "Cos", "tan": "Tan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "asin": "Arcsin",
    "acos": "Arccos", "atan": "Arctan", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "round": "Round",
    "reciprocal": "Reciprocal", "logical_not": "LogicalNot", "is_nan": "Isnan", "is_inf": "Isinf", "is_finite": "Isfinite",
}  # fmt: skip
_REDUCTIONS = {
    "mean": "numpy.Mean", "sum": "numpy.Sum", "max": "numpy.Max", "min": "numpy.Min", "prod": "numpy.Prod", "variance": "numpy.Var",
    "std": "numpy.Std", "any": "numpy.Any", "all": "numpy.All", "logsumexp": "math.Logsumexp",
}  # fmt: skip

TABLE: Mapping[str, Builder] = {
    **{f"math.{name}": _of_two(f"numpy.{twin}") for name, twin in _TWO.items()},
    **{f"math.{name}": _of_one(f"numpy.{twin}") for name, twin in _ONE.items()},
    **{f"math.reduce_{name}": _reduction(place) for name, place in _REDUCTIONS.items()},
    **{
        f"__operators__.{name}": _of_two(f"numpy.{twin}")
        for name, twin in (("add", "Add"), ("eq", "Equal"), ("ne", "NotEqual"))
    },
    **dict.fromkeys(("math.l2_normalize", "nn.l2_normalize", "linalg.l2_normalize"), _normalize),
    **dict.fromkeys(("linalg.matmul", "matmul"), _matmul),
    **dict.fromkeys(("gather", "compat.v1.gather"), _gather),
    **dict.fromkeys(("squeeze", "compat.v1.squeeze"), _squeeze),
    **dict.fromkeys(("transpose", "compat.v1.transpose"), _transpose),
    **dict.fromkeys(("pad", "compat.v1.pad"), _pad),
    **dict.fromkeys(("norm", "compat.v1.norm", "linalg.norm"), _norm),
    **dict.fromkeys(("where", "compat.v1.where"), _where),
    **dict.fromkeys(("math.argmax", "argmax"), _position("numpy.Argmax")),
    **dict.fromkeys(("math.argmin", "argmin"), _position("numpy.Argmin")),
    **dict.fromkeys(("nn.silu", "nn.swish"), _silu),
    **dict.fromkeys(("nn.sigmoid", "math.sigmoid"), _of_one("nn.Sigmoid")),
    **dict.fromkeys(("nn.softplus", "math.softplus"), _of_one("nn.Softplus")),
    **dict.fromkeys(("image.resize", "compat.v1.image.resize"), _resize),
    **dict.fromkeys(("nn.max_pool2d", "nn.max_pool"), _pooling("nn.MaxPool")),
    **dict.fromkeys(("nn.avg_pool2d", "nn.avg_pool"), _pooling("nn.AveragePool")),
    "__operators__.getitem": _slice,
    "compat.v1.floor_div": _of_two("numpy.FloorDivide"),
    "math.add_n": _sum_of_all,
    "math.squared_difference": _squared_difference,
    "math.rsqrt": _of_one("math.Rsqrt"),
    "math.erf": _of_one("math.Erf"),
    "math.cumsum": _cumulative("numpy.Cumsum"),
    "math.cumprod": _cumulative("numpy.Cumprod"),
    "math.log_sigmoid": _of_one("nn.LogSigmoid"),
    "nn.relu": _of_one("nn.Relu"),
    "nn.relu6": _of_one("nn.Relu6"),
    "nn.elu": _of_one("nn.Elu"),
    "nn.selu": _of_one("nn.Selu"),
    "nn.softsign": _of_one("nn.Softsign"),
    "nn.tanh": _of_one("numpy.Tanh"),
    "nn.leaky_relu": _leaky_relu,
    "nn.gelu": _gelu,
    "nn.softmax": _softmax("nn.Softmax"),
    "nn.log_softmax": _softmax("nn.LogSoftmax"),
    "nn.bias_add": _bias,
    "nn.depth_to_space": _blocks("nn.DepthToSpace"),
    "nn.space_to_depth": _blocks("nn.SpaceToDepth"),
    "reshape": _reshape,
    "expand_dims": _of_one("numpy.ExpandDims", "axis"),
    "concat": _joined("numpy.Concatenate"),
    "stack": _joined("numpy.Stack"),
    "split": _split,
    "unstack": _unstack,
    "tile": _tile,
    "repeat": _of_one("numpy.Repeat", "repeats", "axis"),
    "reverse": _of_one("numpy.Flip", "axis"),
    "cast": _cast,
    "clip_by_value": _clip,
    "one_hot": _one_hot,
    "zeros_like": _of_one("numpy.ZerosLike", "dtype"),
    "ones_like": _of_one("numpy.OnesLike", "dtype"),
    "identity": _of_one("numpy.Copy"),
    "stop_gradient": _of_one("core.StopGradient"),
}
"""By the name that Keras 2 wrote, below `tf.`."""


def settle_operations(spec: ModelSpec, problems: Problems) -> ModelSpec:
    """The model with its operations in the order of Keras 3.

    Args:
        spec: A model of Keras 2.
        problems: Gets the means of whole numbers, which TensorFlow rounded down and Keras does not.
    """
    layers = {
        layer.name: replace(layer, inner=settle_operations(layer.inner, problems)) if layer.inner else layer
        for layer in spec.layers
    }
    if all(layer.is_layer for layer in spec.layers):
        return replace(spec, layers=tuple(layers.values()))
    proved = _lenient(spec) if any(_is_mean(layer) for layer in spec.layers) else spec
    for layer in filter(_is_mean, proved.layers):
        if any(tensor.dtype.startswith(("int", "uint")) for tensor in layer.calls[0].inputs):
            problems.add(f"the mean of whole numbers '{layer.name}', which TensorFlow rounded down")
    order = keras_order(spec.layers, spec.inputs, spec.outputs)
    return replace(spec, layers=tuple(layers[name] for name in order))


def _is_mean(layer: LayerSpec) -> bool:
    return layer.class_name == "Mean" and not layer.is_layer


def _lenient(spec: ModelSpec) -> ModelSpec:
    try:
        return prove(spec, again=True, lenient=True)
    except SurgeryError:
        return spec  # who asks for the model is told
