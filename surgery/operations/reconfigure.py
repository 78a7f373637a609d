"""`reconfigure`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from surgery.errors import GraphUnsupported, SurgeryError, raise_all
from surgery.model import catalogue
from surgery.model.checking import Problem, check_arguments, check_plain, check_values
from surgery.model.configured import configured
from surgery.model.edits import CarryWeights, Edit, Policy, UpdateConfig
from surgery.model.select import Selector
from surgery.model.spec import LayerSpec, ModelSpec
from surgery.operations.operation import Operation, Phase

ELSEWHERE = {"name": "op: rename", "trainable": "op: freeze or op: unfreeze"}


class Reconfigure(Operation):
    """Change constructor arguments of layers; the class stays.

    Weights are kept; an argument that changes the shape of one asks for `weights: overlap`, `weights: resample` or
    `weights: fresh`.

    Example:

    ```yaml
    - op: reconfigure
      layers: {class: Dropout}
      config: {rate: 0.5}
    ```
    """

    phase = Phase.STRUCTURE

    op: Literal["reconfigure"]

    layers: Selector
    """The layers to change."""

    config: Annotated[dict[str, Any], Field(min_length=1)]
    """Constructor arguments and their new values."""

    weights: Policy = "keep"
    """What happens to the layers' weights: `keep` refuses a changed shape, `overlap` copies the common corner,
    `resample` interpolates over spatial axes or positions (`resample_grid` over a square grid of them), `fresh`
    initializes anew."""

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        for path in self.targets(model):
            layer = model[path]
            changes = self._changes(layer)
            if changes or self.weights == "fresh":
                yield UpdateConfig(path, changes)
                if layer.weights:
                    yield CarryWeights(path, layer.weights, self.weights, same_class=True)

    def _changes(self, layer: LayerSpec) -> Mapping[str, Any]:
        self._refuse_elsewhere(layer)
        raise_all([_refusal(problem) for problem in self._problems(layer)])
        config = configured("layers", layer.class_name, self.config, base=layer.config)
        return {key: value for key, value in config.items() if layer.config.get(key) != value}

    def _problems(self, layer: LayerSpec) -> Iterator[Problem]:
        is_own = (layer.module or "keras").split(".")[0] == "keras" and ">" not in (layer.registered_name or "")
        known = catalogue.find("layers", layer.class_name) if layer.is_layer else None
        if known and is_own:
            yield from check_arguments(known, layer.class_name, self.config, partial=True)
        elif is_own:
            yield from check_values(layer.class_name, self.config)
        else:
            yield from check_plain(self.config)

    def _refuse_elsewhere(self, layer: LayerSpec) -> None:
        for key, operation in ELSEWHERE.items():
            if key in self.config:
                raise GraphUnsupported(
                    f"'{key}' is not changed by reconfigure",
                    expected="a constructor argument of the layers",
                    fix=f"use {operation}",
                    field=("config", key),
                )
        if layer.inner:
            raise GraphUnsupported(
                f"'{layer.name}' is a model with layers of its own",
                expected="layers",
                fix=f"name the layers inside it: layers: {layer.name}/*",
                field=("layers",),
            )


def _refusal(problem: Problem) -> SurgeryError:
    kinds = {kind.code(): kind for kind in SurgeryError.__subclasses__()}
    return kinds[problem.code](problem.what, expected=problem.expected, fix=problem.fix, field=("config", *problem.at))
