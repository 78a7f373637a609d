"""Identities of objects in a config: `shared_object_id`, an address that differs at each save.

Keras marks every object that it met twice while saving: dtype policies and initializers, which have no state, and
layers, which have. The first kind is written out at each place, so that the id can go; the second cannot be told in a
ModelSpec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from surgery.errors import ModelInvalid, ModelUnsupported

if TYPE_CHECKING:
    from surgery.model.scan.rule import Place

KEY = "shared_object_id"
COMPILED = "compile_config"
"""Where a serialized model says how it was compiled."""


def refuse_shared_layers(document: Any) -> None:
    """Raises when one layer belongs to two models, or to a model and a wrapper.

    Raises:
        ModelInvalid: an identity is no integer.
        ModelUnsupported: names all such layers.
    """
    found = Counter(_layers(document, "$"))
    names = [name for (_, name), count in found.items() if count > 1]
    if names:
        raise ModelUnsupported(
            f"one layer is part of two models here: {', '.join(sorted(set(names)))}",
            expected="models that share no layer; calling one layer several times inside one model is fine",
            fix="rebuild the model so that the layer is only in one of the nested models, and save it again",
        )


def without_compiled(value: Any, *also: str) -> Any:
    """The same document without what says how its models were compiled, and without other keys, at any depth. One copy is made, for
    documents are large."""
    match value:
        case Mapping():
            dropped = (COMPILED, *also) if "class_name" in value else also
            return {key: without_compiled(item, *also) for key, item in value.items() if key not in dropped}
        case list():
            return [without_compiled(item, *also) for item in value]
        case _:
            return value


def _layers(value: Any, place: Place) -> Iterator[tuple[int, str]]:
    """Identity and name of every layer that has one."""
    match value:
        case Mapping():
            if KEY in value:
                _require_identity(value[KEY], (place, KEY))
            is_input = value.get("class_name") == "InputLayer"  # it has no state, and each model can have its own
            if (
                value.get(KEY) is not None
                and not is_input
                and ("inbound_nodes" in value or value.get("module") == "keras.layers")
            ):
                config = value.get("config")
                yield value[KEY], str(config.get("name") if isinstance(config, Mapping) else value.get("class_name"))
            for key, item in value.items():
                yield from _layers(item, (place, key))
        case list():
            for index, item in enumerate(value):
                yield from _layers(item, (place, index))


def _require_identity(identity: Any, place: Place) -> None:
    if identity is not None and (isinstance(identity, bool) or not isinstance(identity, int)):
        from surgery.model.scan.rule import written

        raise ModelInvalid(
            f"the config has a '{KEY}' that is no integer, at {written(place)}: {str(identity)[:80]}",
            expected="an integer, as Keras saves it",
            fix="build the model again, and save it in Keras",
        )
