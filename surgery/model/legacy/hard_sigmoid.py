"""`hard_sigmoid` was clip(0.2 x + 0.5, 0, 1) before Keras 3 and is clip(x / 6 + 0.5, 0, 1) since.

The old one of x is the new one of 1.2 x. So what makes x is taken times 1.2: the weights of the gates or the layer that end in
it, or a Rescaling before an Activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from surgery.model.archive.groups import snake_case
from surgery.model.archive.values import Place
from surgery.model.legacy.before import put_before
from surgery.model.legacy.layers import SEPARABLE, WITH_KERNEL
from surgery.model.legacy.layout import Scaled
from surgery.model.legacy.objects import Problems
from surgery.model.legacy.passes import with_layers
from surgery.model.legacy.weights import Places, units_of
from surgery.model.spec import LayerSpec, ModelSpec, WeightSpec
from surgery.model.weights import Stored

FACTOR = 1.2
WHY = "hard_sigmoid was clip(0.2 x + 0.5) before Keras 3"

LSTMS = frozenset({"LSTM", "LSTMCell", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
GRUS = frozenset({"GRU", "GRUCell"})
WHOLE = WITH_KERNEL | {"SimpleRNN", "SimpleRNNCell"}


@dataclass(frozen=True, slots=True)
class Share:
    """Which values of a layer's weights go into `hard_sigmoid`."""

    gates: int
    """How many gates lie side by side along the last axis."""
    which: tuple[int, ...]
    names: str = ""
    first: int = 0
    """The first of its weights that is scaled."""

    @property
    def text(self) -> str:
        return f"times {FACTOR} at {self.names}: {WHY}" if self.names else f"times {FACTOR}: {WHY}"


def keep_hard_sigmoid(spec: ModelSpec, places: Places, problems: Problems) -> tuple[ModelSpec, Places]:
    """The model in which `hard_sigmoid` of Keras 3 gives what that of Keras 1 and 2 gave.

    Args:
        spec: A model of Keras 1 or 2, with its weights.
        places: Where its variables are.
        problems: Gets the layers for which this cannot be done.
    """
    scaled_places = dict(places)

    def change(model: ModelSpec, layer: LayerSpec, path: str) -> tuple[list[LayerSpec], list[str]]:
        if _is_activation(layer):
            before, layer = put_before(model, layer, "Rescaling", scale=FACTOR, offset=0.0)
            inside = path.removesuffix(layer.name)
            return [before, layer], [f"'{inside}{before.name}' is put before '{path}': {WHY}, and is x / 6 + 0.5 now."]
        scaled = _scaled(layer, path, problems)
        scaled_places.update({(path, key): _times(places[path, key], share) for key, share in scaled.items()})
        weights = tuple(_told(weight, scaled.get(weight.key)) for weight in layer.weights)
        return [replace(layer, weights=weights)], []

    return with_layers(spec, change), scaled_places


def _times(place: Place, share: Share) -> Place:
    return Place(place.blocks, Scaled(place.convert, share.gates, share.which, FACTOR))


def _told(weight: WeightSpec, share: Share | None) -> WeightSpec:
    source = weight.source
    return (
        replace(weight, source=replace(source, meaning=share.text)) if share and isinstance(source, Stored) else weight
    )


def _scaled(layer: LayerSpec, path: str, problems: Problems) -> dict[str, Share]:
    """The variables of a layer that are scaled, by key."""
    found: dict[str, Share] = {}
    for unit in units_of(layer, path):
        for prefix, class_name, config in _parts(unit.class_name, unit.config, unit.prefix):
            for share in _shares(class_name, config, f"'{path}' ({class_name})", problems):
                for weight in layer.weights:
                    number = weight.key.removeprefix(f"{prefix}vars/")
                    if number.isdecimal() and int(number) >= share.first:
                        had = found.get(weight.key)
                        found[weight.key] = _both(had, share) if had else share
    return found


def _both(one: Share, other: Share) -> Share:
    return replace(one, which=(*one.which, *other.which), names=f"{one.names}, {other.names}")


def _parts(class_name: str, config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """A layer as what holds its variables: the prefix of their keys, class and arguments."""
    if class_name == "Bidirectional":
        forward = config["layer"]
        for side, half in (("forward_layer/", forward), ("backward_layer/", config.get("backward_layer") or forward)):
            yield from _parts(half["class_name"], half["config"], prefix + side)
    elif class_name == "RNN" and isinstance(config.get("cell"), Mapping):
        yield from _cells(config["cell"], f"{prefix}cell/")
    elif class_name in LSTMS | GRUS | {"SimpleRNN"}:
        yield f"{prefix}cell/", class_name, config
    else:
        yield prefix, class_name, config


def _cells(cell: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    counts: dict[str, int] = {}
    for inner in cell["config"].get("cells") or ():
        snake = snake_case(inner["class_name"])
        number = counts[snake] = counts.get(snake, -1) + 1
        yield from _cells(inner, f"{prefix}cells/{snake}_{number}/" if number else f"{prefix}cells/{snake}/")
    if not cell["config"].get("cells"):
        yield prefix, cell["class_name"], cell["config"]


def _shares(class_name: str, config: Mapping[str, Any], where: str, problems: Problems) -> Iterator[Share]:
    # SpectralNormalization divides the kernel by its norm, and so takes the factor away again.
    if class_name == "SpectralNormalization":
        config = config.get("layer", {}).get("config", {})
    is_own, is_recurrent = is_hard(config.get("activation")), is_hard(config.get("recurrent_activation"))
    if is_recurrent and class_name in LSTMS:
        yield Share(4, (0, 1, 3), "the gates i, f and o")
    elif is_recurrent and class_name in GRUS:
        yield Share(3, (0, 1), "the gates z and r")
    elif is_recurrent:
        problems.add(f"hard_sigmoid of Keras 1 and 2 as the recurrent activation of {where}")
    if is_own and class_name in GRUS:
        yield Share(3, (2,), "the candidate")
    elif is_own and class_name in WHOLE:
        yield Share(1, (0,))
    elif is_own and class_name in SEPARABLE:
        yield Share(1, (0,), first=1)
    elif _is_inside(config):
        problems.add(f"hard_sigmoid of Keras 1 and 2, which is not that of Keras 3, inside {where}")
    # That of an LSTM is taken of the cell's state too, which no weight can scale.
    if is_own and class_name not in GRUS | WHOLE | SEPARABLE:
        problems.add(f"hard_sigmoid of Keras 1 and 2, which is not that of Keras 3, as the activation of {where}")


def _is_inside(config: Mapping[str, Any]) -> bool:
    """Whether a layer that another one holds ends in it."""
    held = [
        value for value in config.values() if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping)
    ]
    return any(
        is_hard(inner["config"].get("activation"))
        or is_hard(inner["config"].get("recurrent_activation"))
        or _is_inside(inner["config"])
        for inner in held
        if not is_hard(inner)
    )


def is_hard(activation: Any) -> bool:
    """Whether an activation, a name or an Activation layer, is `hard_sigmoid`."""
    match activation:
        case "hard_sigmoid":
            return True
        case {"config": {"activation": inner}} | {"class_name": "function", "config": inner}:
            return is_hard(inner)
        case _:
            return False


def _is_activation(layer: LayerSpec) -> bool:
    """Whether a layer does nothing but `hard_sigmoid`."""
    match layer.class_name, layer.config:
        case ("Activation", {"activation": activation}):
            return is_hard(activation)
        case ("TimeDistributed", {"layer": {"class_name": "Activation", "config": {"activation": activation}}}):
            return is_hard(activation)
        case _:
            return False
