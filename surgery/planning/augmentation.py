"""What augmentation does to targets: which layers move or mix what is in an image, and whether the targets can follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from surgery.errors import DataInvalid, InvalidValue, SurgeryError
from surgery.model import catalogue
from surgery.model.configured import snake_case
from surgery.model.keras_object import KerasObject, LayerObject
from surgery.model.nearest import did_you_mean
from surgery.model.spec import ModelSpec
from surgery.recipe import Recipe
from surgery.recipe.data import NpzData, targeted
from surgery.recipe.training import Stage, TargetKind, TrainingData

MIXES = frozenset({"CutMix", "MixUp"})
"""Layers that make one example of two, of images and of labels. Keras 3.15 gives their masks another shape."""
MOVES = frozenset(
    {
        *("RandomFlip", "RandomPerspective", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"),
        *("CenterCrop", "RandomCrop", "Resizing"),
    }
)
"""Layers that move what is in an image, and a mask exactly with it: bit for bit where the image is not interpolated (Keras 3.15)."""
MOVES_ALONE = frozenset({"AugMix", "RandAugment", "RandomElasticTransform"})
"""Layers that move what is in an image, and give a mask another movement or values that it never had (Keras 3.15)."""

FIELD = ("training", "data")
ONE_CLASS = frozenset({"sparse_categorical_crossentropy", "crossentropy", "ce", "ctc"})
"""Losses that take one class for an example."""


def kinds(data: TrainingData, outputs: Sequence[str]) -> dict[str, TargetKind | None]:
    """What the targets of each output are; None where the recipe does not say it."""
    if isinstance(data.targets, dict):
        return {name: data.targets.get(name) for name in outputs}
    return dict.fromkeys(outputs, data.targets)


def is_mixed(layers: Sequence[LayerObject]) -> bool:
    """Whether examples, and so their labels, are mixed."""
    return any(layer.class_name in MIXES and not layer.is_custom for layer in layers)


def augmentation_errors(recipe: Recipe, model: ModelSpec) -> list[SurgeryError]:
    """Layers after which the targets would be wrong, and targets that cannot be mixed; each with its place."""
    if recipe.training is None:
        return []
    data = recipe.training.data
    named = targeted(data.train)
    outputs = [ref.layer for ref in model.refs_out() if named is None or ref.layer in named]
    found = [*_unknown(data, outputs), *_left_behind(data, model, outputs)]
    if is_mixed(data.augmentation):
        found += _unmixed(recipe, outputs)
    return [error.at(recipe.location(*error.field)) for error in found]


def augmentation_notes(recipe: Recipe, model: ModelSpec) -> Iterator[str]:
    """What of it a reader should know."""
    if recipe.training is None or not recipe.training.data.augmentation:
        return
    data, losses = recipe.training.data, recipe.training.stages[0]
    named = targeted(data.train)
    outputs = [ref.layer for ref in model.refs_out() if named is None or ref.layer in named]
    of = kinds(data, outputs)
    if is_mixed(data.augmentation):
        yield "Augmentation mixes examples and their labels alike: class indices become one-hot vectors."
    moving = [one.class_name for one in data.augmentation if one.class_name in MOVES | MOVES_ALONE]
    for name in outputs:
        loss = losses.loss_of(name)
        if moving and of[name] is None and loss is not None and "crossentropy" not in class_of(loss):
            yield (
                f"{moving[0]} moves what is in an image, and the targets of '{name}' stay as they are: "
                "right for labels and plain values. Else say under data: targets: mask, boxes or points."
            )


def class_of(value: KerasObject) -> str:
    """A loss or a metric in Keras' snake case."""
    if value.is_custom:
        return value.class_name
    return snake_case(catalogue.bare_names(value.kind).get(value.class_name, value.class_name))


def _unknown(data: TrainingData, outputs: Sequence[str]) -> Iterator[SurgeryError]:
    for name in data.targets if isinstance(data.targets, dict) else ():
        if name not in outputs:
            yield DataInvalid(
                f"the model learns with no output '{name}'",
                expected=f"one of {', '.join(outputs)}",
                fix=did_you_mean(name, outputs),
                field=(*FIELD, "targets", name),
            )


def _left_behind(data: TrainingData, model: ModelSpec, outputs: Sequence[str]) -> Iterator[SurgeryError]:
    of = kinds(data, outputs)
    for number, layer in enumerate(data.augmentation):
        if layer.is_custom or layer.class_name not in MIXES | MOVES | MOVES_ALONE:
            continue
        act = "mixes images" if layer.class_name in MIXES else "moves what is in an image"
        for name in outputs:
            kind = of[name]
            what = None
            fix: str | None = f"leave {layer.class_name} out"
            if kind in ("boxes", "points"):
                what = f"the {kind} of '{name}' cannot be taken along"
            elif kind == "mask" and layer.class_name not in MOVES:
                what = f"the masks of '{name}' cannot be taken along: Keras gives them other values"
            elif kind is None and is_map(model, name):
                what = f"'{name}' gives a map, whose targets would stay as they are"
                fix = "targets: mask" if len(outputs) == 1 else f"targets: {{{name}: mask}}"
            if what is not None:
                yield DataInvalid(
                    f"{layer.class_name} {act}, and {what}",
                    expected="layers after which the targets are still right",
                    fix=fix,
                    field=(*FIELD, "augmentation", number),
                )


def is_map(model: ModelSpec, name: str) -> bool:
    """Whether an output has a height and a width."""
    return any(
        (tensor := model.tensor(ref)) is not None and len(tensor.shape) == 4
        for ref in model.refs_out()
        if ref.layer == name
    )


def _unmixed(recipe: Recipe, outputs: Sequence[str]) -> Iterator[SurgeryError]:
    """What takes one class for an example, where each is a mix of two."""
    assert recipe.training is not None
    data = recipe.training.data
    mixing = next(layer.class_name for layer in data.augmentation if layer.class_name in MIXES)
    if isinstance(data.train, NpzData) and data.train.sample_weight is not None:
        yield InvalidValue(
            f"{mixing} makes one example of two, and each has a weight of its own",
            expected="samples without weights",
            fix=f"leave sample_weight out, or {mixing}",
            field=(*FIELD, "train", "sample_weight"),
        )
    for number, stage in enumerate(recipe.training.stages):
        place = ("training", "stages", number)
        if stage.class_weight is not None:
            yield InvalidValue(
                f"{mixing} makes one example of two, which may be of two classes with different weights",
                expected="classes without weights",
                fix=f"leave class_weight out, or {mixing}",
                field=(*place, "class_weight"),
            )
        yield from (
            InvalidValue(
                f"{mixing} gives each example a mix of two labels, and {written} takes one class",
                expected=f"{other}; class indices then become one-hot vectors",
                fix=f"{key}: {other}",
                field=(*place, *keys),
            )
            for keys, key, written, other in _of_one_class(stage, outputs, data)
        )


def _of_one_class(
    stage: Stage, outputs: Sequence[str], data: TrainingData
) -> Iterator[tuple[tuple[str | int, ...], str, str, str]]:
    """Losses and metrics that take one class: their keys, the last of them, what they are, and what to write instead."""
    of = kinds(data, outputs)
    for keys in dict.fromkeys(stage.loss_keys(name) for name in outputs if of[name] in (None, "label")):
        loss = stage.losses.get(keys)
        if loss is not None and class_of(loss) in ONE_CLASS:
            yield keys, keys[-1], loss.class_name, "categorical_crossentropy"
    for number, metric in enumerate(stage.metrics):
        name = class_of(metric)
        if name.startswith("sparse_"):
            yield ("metrics", number), "metrics", metric.class_name, f"[{name.removeprefix('sparse_')}]"
