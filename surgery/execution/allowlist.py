"""Prints `surgery/model/scan/allowlist.json`: the classes of Keras that a model file may name.

`python -m surgery.execution.allowlist` after an update of Keras. The list is made from what Keras exports, minus every class
that runs code of the file, reads other files, or wraps a model of another framework.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = (
    "keras.layers",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.losses",
    "keras.metrics",
    "keras.dtype_policies",
    "keras.quantizers",
)

SINGLE = {
    "keras": ("DTypePolicy", "FloatDTypePolicy", "Model", "Sequential"),
    "keras.models": ("Model", "Sequential"),
    "keras.src.models.functional": ("Functional",),
    "keras.random": ("SeedGenerator",),
    "keras.src.applications.convnext": ("LayerScale", "StochasticDepth"),
    "keras.src.applications.inception_resnet_v2": ("CustomScaleLayer",),
}

OF_TORCH = ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "RMSprop", "SGD")
"""Optimizers of which Keras on Torch has subclasses that update all variables at once, and names those in a compiled model."""

RUNS_OR_READS = {
    "Lambda": "runs a function of the file",
    "TFSMLayer": "loads a SavedModel from a path",
    "TorchModuleWrapper": "unpickles a torch module",
    "JaxLayer": "calls a function of the file",
    "FlaxLayer": "wraps a module of the file",
    "MultiOptimizer": "chooses by functions",
    "OptimizerMap": "chooses by functions",
}

BASES = {
    "Layer", "Wrapper", "Initializer", "Regularizer", "Constraint", "Optimizer", "LearningRateSchedule", "Loss", "Metric",
    "Quantizer", "QuantizationConfig", "InputSpec",
}  # fmt: skip

OPERATIONS = ("numpy", "nn", "math", "image", "linalg")
"""Modules of `keras.src.ops` whose operations compute a tensor from tensors."""

CALLS_FUNCTIONS = {"JVP"}
"""Operations of those modules that are given a function."""

PURE_CORE = ("Cast", "ConvertToTensor", "SaturateCast", "Scatter", "ScatterUpdate", "Slice", "SliceUpdate", "StopGradient",
             "Unstack")  # fmt: skip
"""Of `keras.src.ops.core`, where the others (`Switch`, `Cond`, `Map`, `Scan`, `WhileLoop` ...) are given functions."""

OLD_NAMES = (
    "BatchNormalizationV1", "BatchNormalizationV2", "CuDNNGRU", "CuDNNLSTM", "GRUV2", "LSTMV2", "Highway", "MaxoutDense",
    "Merge", "TimeDistributedDense", "AtrousConvolution1D", "AtrousConvolution2D", "Convolution1D", "Convolution2D",
    "Convolution3D", "Deconvolution2D", "SeparableConvolution2D", "ThresholdedReLU", "RandomHeight", "RandomWidth",
    "LocallyConnected1D", "LocallyConnected2D", "SyncBatchNormalization", "Functional", "Model", "Sequential", "Policy",
    "PolicyV1", "LayerScale", "StochasticDepth", "CustomScaleLayer", "LossFunctionWrapper", "WeightRegularizer",
    "SumOverBatchSizeMetricWrapper", "RadialConstraint", "TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod",
    "InstanceProperty", "TensorFlowOpLayer",
)  # fmt: skip
"""Classes of Keras 1 and 2, of which Keras 3 knows some. None takes code; a loader that does not know one refuses it."""


def allowlist() -> dict[str, Any]:
    """The content of the file."""
    import keras

    classes: dict[str, list[str]] = {module: list(names) for module, names in SINGLE.items()}
    for name in MODULES:
        found = {key for key, value in vars(importlib.import_module(name)).items() if _is_plain(key, value)}
        classes[name] = sorted(found | set(classes.get(name, ())))
    for name in OPERATIONS:
        classes[f"keras.src.ops.{name}"] = sorted(_operations(importlib.import_module(f"keras.src.ops.{name}")))
    classes["keras.src.ops.core"] = list(PURE_CORE)
    classes |= {f"keras.src.backend.torch.optimizers.torch_{name.lower()}": [name] for name in OF_TORCH}
    return {
        "keras": keras.__version__,
        "classes": dict(sorted(classes.items())),
        "legacy": sorted({*OLD_NAMES, *_by_short_name(classes)}),
        "functions": sorted(set(_functions())),
    }


def _is_plain(key: str, value: object) -> bool:
    return (
        inspect.isclass(value)
        and hasattr(value, "from_config")
        and value.__module__.startswith("keras.")
        and not {key, value.__name__} & {*RUNS_OR_READS, *BASES}
    )


def _operations(module: ModuleType) -> Iterator[str]:
    from keras.src.ops.operation import Operation

    for name, value in vars(module).items():
        if not inspect.isclass(value) or not issubclass(value, Operation) or name in CALLS_FUNCTIONS:
            continue
        if value.__module__ == module.__name__:
            yield name


def _by_short_name(classes: Mapping[str, list[str]]) -> Iterator[str]:
    """Names that HDF5 files have without a module: the public classes and operations, and names in snake case."""
    for module in (*MODULES, *(name for name in classes if name.startswith("keras.src.ops."))):
        yield from classes[module]
    for module in ("initializers", "regularizers", "constraints", "optimizers", "losses", "metrics"):
        objects = importlib.import_module(f"keras.src.{module}").ALL_OBJECTS_DICT
        yield from (key for key, value in objects.items() if inspect.isclass(value) and _is_plain(key, value))


def _functions() -> Iterator[str]:
    """Losses and metrics that `compile` takes as functions: of (y_true, y_pred) and nothing else."""
    for module in ("keras.losses", "keras.metrics"):
        for key, value in vars(importlib.import_module(module)).items():
            if inspect.isfunction(value) and list(inspect.signature(value).parameters)[:2] == ["y_true", "y_pred"]:
                yield key


def text() -> str:
    """The file, as it is committed."""
    return json.dumps(allowlist(), indent=1, sort_keys=True) + "\n"


def main() -> None:
    Path(str(files("surgery.model.scan").joinpath("allowlist.json"))).write_text(text(), encoding="utf-8")
    sys.stdout.write("wrote surgery/model/scan/allowlist.json\n")


if __name__ == "__main__":
    main()
