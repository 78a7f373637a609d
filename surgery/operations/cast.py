"""`cast`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from surgery.errors import GraphUnsupported
from surgery.model.configured import policy
from surgery.model.edits import Edit, UpdateConfig
from surgery.model.quantization import plain_layer, quantization
from surgery.model.select import Selector
from surgery.model.spec import LayerSpec, ModelSpec
from surgery.model.weights import FLOATS
from surgery.operations.operation import Operation, Phase

Policy = Literal["float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"]


class Cast(Operation):
    """Give layers another dtype policy.

    With `mixed_float16` and `mixed_bfloat16` only the computation changes, and every weight stays as it is; the other
    policies convert the weights too, each number to the nearest. Layers that work on integers keep their dtype. Keep
    a softmax at the end in float32: name it in a selector of its own.

    Example:

    ```yaml
    - op: cast
      layers: {not: predictions}
      dtype: mixed_float16
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["cast"]

    layers: Selector
    """The layers to change; of a nested model, all of its layers."""

    dtype: Policy
    """The dtype policy."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        done: set[str] = set()
        for path in self.targets(model):
            inner = model[path].inner
            for each, layer in inner.walk(f"{path}/") if inner else [(path, model[path])]:
                if each not in done and not layer.inner and not layer.is_input:
                    done.add(each)
                    yield from self._edits(each, layer)

    def _edits(self, path: str, layer: LayerSpec) -> Iterator[Edit]:
        if (mode := quantization(layer)) is not None:
            raise GraphUnsupported(
                f"'{path}' is quantized ({mode}), and another dtype would take that away",
                expected="layers that compute with floats",
                fix=plain_layer(path, layer, self.dtype),
                field=("layers",),
            )
        # The values follow the dtype of their variable, whatever else is done to them.
        if _name(layer.config.get("dtype")) not in (None, self.dtype):
            yield UpdateConfig(path, _recast(layer.config, self.dtype))


def _name(dtype: Any) -> str | None:
    """The name of a policy that computes in floats; old files have the bare name."""
    name = dtype.get("config", {}).get("name") if isinstance(dtype, Mapping) else dtype
    return name if isinstance(name, str) and name.removeprefix("mixed_") in FLOATS else None


def _recast(config: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """The entries of a config that change: its own policy, and those of the layers that it holds."""
    changes: dict[str, Any] = {}
    for key, value in config.items():
        if key == "dtype" and _name(value) is not None:
            new: Any = dtype if isinstance(value, str) else policy(dtype)
        elif isinstance(value, Mapping):
            new = {**value, **_recast(value, dtype)}
        elif isinstance(value, list | tuple):
            new = type(value)({**item, **_recast(item, dtype)} if isinstance(item, Mapping) else item for item in value)
        else:
            continue
        if new != value:
            changes[key] = new
    return changes
