"""`reconfigure`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from surgery.errors import GraphUnsupported, SurgeryError, raise_all
from surgery.model import catalogue
from surgery.model.calling import changed_arguments, class_of_layer
from surgery.model.checking import Problem, check_arguments, check_call, check_plain, check_values
from surgery.model.configured import configured
from surgery.model.edits import CarryWeights, Edit, Policy, SetArguments, UpdateConfig
from surgery.model.select import Selector
from surgery.model.spec import LayerSpec, ModelSpec
from surgery.operations.operation import Operation, Phase

ELSEWHERE = {"name": "op: rename", "trainable": "op: freeze or op: unfreeze"}


class Reconfigure(Operation):
    """Change constructor arguments of layers, or the arguments with which they are called; the class stays.

    `call: {training: true}` has a Dropout drop whenever the model is called without a word on training, as `model(x)` (`fit`,
    `evaluate` and `predict` have their own); `use_causal_mask: true` hides the future from attention; null takes such an
    argument away. Weights are kept; an argument that changes the shape of one asks for `weights: overlap`, `weights: resample` or
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

    config: Annotated[dict[str, Any], Field(min_length=1)] = {}
    """Constructor arguments and their new values."""

    call: Annotated[dict[str, Any], Field(min_length=1)] = {}
    """Arguments of the layers' calls beside their inputs: true, false, or null, which takes one away."""

    weights: Policy = "keep"
    """What happens to the layers' weights: `keep` refuses a changed shape, `overlap` copies the common corner,
    `resample` interpolates over spatial axes or positions (`resample_grid` over a square grid of them), `fresh`
    initializes anew."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.config and not self.call:
            raise PydanticCustomError(
                "missing-key",
                "reconfigure needs 'config' or 'call'",
                {"expected": "constructor arguments and their new values", "fix": "add: config: {...}"},
            )
        return self

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        for path in self.targets(model):
            layer = model[path]
            changes = self._changes(layer)
            if changes or self.weights == "fresh":
                yield UpdateConfig(path, changes)
                if layer.weights:
                    yield CarryWeights(path, layer.weights, self.weights, same_class=True)
            if called := changed_arguments(layer, self.call):
                yield SetArguments(path, called)

    def _changes(self, layer: LayerSpec) -> Mapping[str, Any]:
        self._refuse_elsewhere(layer)
        raise_all([_refusal(problem) for problem in self._problems(layer)])
        config = configured("layers", layer.class_name, self.config, base=layer.config)
        return {key: value for key, value in config.items() if layer.config.get(key) != value}

    def _problems(self, layer: LayerSpec) -> Iterator[Problem]:
        known = catalogue.find("layers", layer.class_name) if layer.is_layer else None
        if self.call:
            found = check_call(class_of_layer(layer), layer.class_name, self.call)
            yield from (problem.below("call") for problem in found)
        if known and layer.is_of_keras:
            yield from (
                problem.below("config")
                for problem in check_arguments(known, layer.class_name, self.config, partial=True)
            )
        elif layer.is_of_keras:
            yield from (problem.below("config") for problem in check_values(layer.class_name, self.config))
        else:
            yield from (problem.below("config") for problem in check_plain(self.config))

    def _refuse_elsewhere(self, layer: LayerSpec) -> None:
        for key, operation in ELSEWHERE.items():
            if key in self.config:
                raise GraphUnsupported(
                    f"'{key}' is not changed by reconfigure",
                    expected="a constructor argument of the layers",
                    fix=f"use {operation}",
                    field=("config", key),
                )
        if layer.inner and self.config:
            raise GraphUnsupported(
                f"'{layer.name}' is a model with layers of its own",
                expected="layers",
                fix=f"name the layers inside it: layers: {layer.name}/*",
                field=("layers",),
            )


def _refusal(problem: Problem) -> SurgeryError:
    kinds = {kind.code(): kind for kind in SurgeryError.__subclasses__()}
    return kinds[problem.code](problem.what, expected=problem.expected, fix=problem.fix, field=problem.at)
