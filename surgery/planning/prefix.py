"""The frozen prefix of a stage: what gives the same result for an example in every epoch, and so needs computing once.

It reaches from the inputs over frozen layers, and over those without weights, to the first layers that train, that are random,
or of which nothing is known. A nested model belongs to it as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from surgery.model.fingerprint import config_digest
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef
from surgery.planning.normalization import BATCH_NORMALIZATION
from surgery.recipe.data import FactoryData
from surgery.recipe.training import Stage, Training

RANDOM = frozenset(
    {
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout"),
        *("GaussianNoise", "AugMix", "CutMix", "MixUp", "RandAugment"),
    }
)
"""Classes that do something else in every step of a training; those whose names begin with `Random` come on top."""

FORGETFUL = frozenset({"Masking", "SpectralNormalization", "ActivityRegularization"})
"""Classes of whose work a tensor does not tell everything: a mask, a penalty, a vector that each step moves on."""


BLIND = frozenset({"CSVLogger", "EarlyStopping", "LearningRateScheduler", "ReduceLROnPlateau", "TerminateOnNaN"})
"""Callbacks that look at numbers alone, or at the weights that train."""


@dataclass(frozen=True)
class Prefix:
    """Where a stage may be cut in two."""

    cut: tuple[TensorRef, ...] = ()
    """The tensors that are computed once; none where nothing worth it is frozen."""
    layers: tuple[str, ...] = ()
    """The layers before the cut, but the inputs."""
    ended_by: tuple[str, ...] = ()
    """The first layers after the cut, each with the reason why it is not before."""
    digest: str = ""
    """sha256 of these layers and their wiring; weights are not in it."""

    @property
    def described(self) -> str:
        """For the plan: where the cut is and what it saves, or what prevents it."""
        if not self.cut:
            why = f": {self.ended_by[0]}" if self.ended_by else ""
            return f"nothing is computed once{why}"
        places = ", ".join(dict.fromkeys(ref.layer for ref in self.cut))
        noun = "layer" if len(self.layers) == 1 else "layers"
        return f"computed once: {len(self.layers)} {noun} up to {places}; then {self.ended_by[0]}"


WHOLE = Prefix()
"""That of a model that is not cut."""


def frozen_prefix(model: ModelSpec, training: Training, stage: Stage) -> Prefix:
    """The largest prefix of a model with its flags of a stage."""
    if prevented := _prevented(training, stage):
        return Prefix(ended_by=(prevented,))
    if model.inputs is None:
        return WHOLE
    inputs = ((layer.name, _reason_of_input(layer)) for layer in model.layers if layer.is_input)
    if texts := tuple(f"'{name}' {reason}" for name, reason in inputs if reason):
        return Prefix(ended_by=texts)  # what is behind a cut needs every input, and text is no feature
    given = {ref.layer for ref in model.refs_out()}
    inside: dict[str, LayerSpec] = {}
    ended: list[str] = []
    for layer in model.layers:
        if not all(name in inside for name in layer.inbound):
            continue
        reason = None if layer.is_input else _reason(layer)
        if layer.name in given:
            reason = reason or "is an output"
        if reason is None:
            inside[layer.name] = layer
        else:
            ended.append(f"'{layer.name}' {reason}")
    layers = tuple(name for name, layer in inside.items() if not layer.is_input)
    if not any(inside[name].parameters for name in layers) or not ended:
        return Prefix(ended_by=tuple(ended))
    cut = tuple(cut_of(model, inside))
    return Prefix(cut, layers, tuple(ended), digest_of(model, layers, cut))


def _prevented(training: Training, stage: Stage) -> str | None:
    """What keeps a stage from being cut, whatever its layers are."""
    if training.data.augmentation:
        return "augmentation varies the inputs in every epoch; without it the frozen layers would run once"
    if isinstance(training.data.train, FactoryData) or isinstance(training.data.validation, FactoryData):
        return "a factory streams its batches; from a file the frozen layers would run once"
    seeing = next((one for one in stage.callbacks if one.is_custom or one.class_name not in BLIND), None)
    return None if seeing is None else f"{seeing.class_name} is given the model, and needs all of it"


def digest_of(model: ModelSpec, inside: tuple[str, ...], cut: tuple[TensorRef, ...]) -> str:
    """sha256 of some layers and their wiring up to a cut."""
    names = {*inside, *(ref.layer for ref in model.refs_in())}
    layers = tuple(layer for layer in model.layers if layer.name in names)
    return config_digest(
        replace(model, class_name="Functional", name="prefix", layers=layers, outputs=list(cut), config={})
    )


def cut_of(model: ModelSpec, inside: Mapping[str, LayerSpec]) -> Iterator[TensorRef]:
    """The tensors of the prefix that the rest reads, each once."""
    read = [ref for layer in model.layers if layer.name not in inside for call in layer.calls for ref in call.refs()]
    yield from dict.fromkeys(ref for ref in read if ref.layer in inside)


def _reason_of_input(layer: LayerSpec) -> str | None:
    is_text = any(tensor.dtype == "string" for tensor in layer.outputs) or layer.config.get("dtype") == "string"
    return "takes text" if is_text else None


def _reason(layer: LayerSpec) -> str | None:
    """Why a layer cannot be computed once, when all that feeds it can."""
    if len(layer.calls) != 1:
        return "is used several times"
    if layer.inner is not None:
        below = ((inner, _reason(inner)) for inner in layer.inner.layers if not inner.is_input)
        return next((f"holds '{inner.name}', which {reason}" for inner, reason in below if reason), None)
    if layer.trainable and any(weight.trainable for weight in layer.weights):
        return "trains"
    if layer.trainable and layer.class_name == BATCH_NORMALIZATION:
        return "learns statistics"
    return _unsteady({"class_name": layer.class_name, "module": layer.module, "config": layer.config})


def _unsteady(value: Any) -> str | None:
    """What in a layer's config, that of a wrapped layer included, makes its result vary or say too little."""
    if isinstance(value, list):
        return next((reason for item in value if (reason := _unsteady(item))), None)
    if not isinstance(value, Mapping):
        return None
    name, config = value.get("class_name"), value.get("config")
    if isinstance(name, str) and isinstance(config, Mapping):
        if (name in RANDOM or name.startswith("Random")) and not _is_initializer(value):
            return f"is random ({name}); behind the layers that train it would not stand in the way"
        if name in FORGETFUL:
            return f"is a {name}, whose effect is not in its output alone"
        if str(value.get("module")).partition(".")[0] != "keras" or name == "Lambda":
            return f"is a {name}, of which nothing is known"
    for key, item in value.items():
        if "dropout" in key and isinstance(item, (int, float)) and item > 0:
            return f"is random ({key}: {item:g})"
        if (key in ("stateful", "mask_zero") and item is True) or (key == "activity_regularizer" and item is not None):
            return f"has {key}"
    return next((reason for item in value.values() if (reason := _unsteady(item))), None)


def _is_initializer(value: Mapping[str, Any]) -> bool:
    return "initializers" in str(value.get("module"))
