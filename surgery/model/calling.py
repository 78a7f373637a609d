"""How a layer is called: which tensors it takes, in which form, and the arguments of a call that are no tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from surgery.errors import GraphUnsupported
from surgery.model import catalogue
from surgery.model.catalogue import Argument, KerasClass
from surgery.model.flow import flow
from surgery.model.spec import Call, LayerSpec, TensorRef, leaves

if TYPE_CHECKING:
    from surgery.model.keras_object import LayerObject

# These take one list of tensors, so many of them. Keras 3.15.
LISTS: Mapping[str, tuple[int, int | None]] = {
    **dict.fromkeys(("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply"), (1, None)),
    **dict.fromkeys(("Dot", "Subtract"), (2, 2)),
    **dict.fromkeys(("AdditiveAttention", "Attention"), (2, 3)),
    "HashedCrossing": (2, None),
}
# These take query, value and perhaps key as arguments of their own; one tensor attends to itself. Keras 3.15.
SEPARATE = ("GroupQueryAttention", "GroupedQueryAttention", "MultiHeadAttention")


@dataclass(frozen=True)
class Takes:
    """How many tensors a class of Keras takes, and whether in one list."""

    least: int
    most: int | None
    in_list: bool = False

    @property
    def words(self) -> str:
        if self.most is None:
            return "several inputs"
        if self.least == self.most:
            return "one input" if self.most == 1 else f"{self.most} inputs"
        return f"{self.least} to {self.most} inputs"


def takes(layer: LayerObject) -> Takes | None:
    """What the class of a layer takes; None where only its code knows."""
    known = None if layer.is_custom else catalogue.find("layers", layer.class_name)
    if known is None or not known.call:
        return None
    if known.name in LISTS:
        return Takes(*LISTS[known.name], in_list=True)
    if known.name in SEPARATE:
        return Takes(2, 3)
    count = sum(known.call[name].required for name in known.tensors)
    return Takes(count, count)


def called_on(layer: LayerObject, tensors: Sequence[TensorRef], field: tuple[str | int, ...], is_said: bool) -> Call:
    """The call of a new layer on some tensors.

    Args:
        layer: The layer.
        tensors: What it reads.
        field: The recipe's keys down to the layer, for errors.
        is_said: Whether it is to have these as a list even where it is a list of one: the recipe, or the layer in whose place
            it comes, says so.

    Raises:
        GraphUnsupported: when it takes more or fewer.
    """
    wanted, given = takes(layer), list(tensors)
    if wanted is None:
        return Call((given[0],) if len(given) == 1 else (given,))
    if wanted.most == 1 and len(set(given)) == 1:
        given = given[:1]
    if layer.class_name in SEPARATE and len(given) == 1:
        given *= 2
    is_short = len(given) < wanted.least or (wanted.in_list and len(given) == 1 and not is_said)
    if is_short or (wanted.most is not None and len(given) > wanted.most):
        raise _refusal(layer, wanted, given, field, is_short)
    return Call((given,) if wanted.in_list else tuple(given))


def _refusal(
    layer: LayerObject, wanted: Takes, given: Sequence[TensorRef], field: tuple[str | int, ...], is_short: bool
) -> GraphUnsupported:
    names = ", ".join(f"'{ref}'" for ref in given)
    return GraphUnsupported(
        f"{layer.key} takes {wanted.words}, and gets {len(given)}: {names}",
        expected="inputs: with the names of all layers that it reads"
        if is_short
        else f"a layer that takes {len(given)} inputs, or one before it that merges them",
        fix=f"write in it: inputs: [{', '.join(map(str, given))}, and the others]"
        if is_short
        else "put before it: - Concatenate: {}",
        field=field,
    )


def in_the_place_of(old: LayerSpec, call: Call, new: LayerObject, field: tuple[str | int, ...]) -> Call:
    """How a new layer is called where an old one was: on the same tensors, with the same arguments as far as it takes them.

    Raises:
        GraphUnsupported: when it cannot take what the old one took.
    """
    if new.class_name == old.class_name:
        return Call(call.args, call.kwargs)
    known = None if new.is_custom else catalogue.find("layers", new.class_name)
    named = _positional(call, class_of_layer(old))
    by_keyword = [name for name in named.kwargs if any(leaves(named.kwargs[name]))]
    if by_keyword:
        raise GraphUnsupported(
            f"'{old.name}' takes tensors by keyword ({', '.join(sorted(by_keyword))}), which {new.key} would not get",
            expected=f"another {old.class_name}, or a layer that says what it reads",
            fix=f"say what it is to read: inputs: {flow([str(ref) for ref in Call(named.args).refs() or named.refs()])}",
            field=field,
        )
    is_list = bool(call.args) and isinstance(call.args[0], list | tuple)
    made = Call(named.args) if known is None else called_on(new, named.refs(), field, is_said=is_list)
    kept = {name: value for name, value in arguments(old, call).items() if known and name in known.switches}
    return replace(made, kwargs=kept)


def _positional(call: Call, known: KerasClass | None) -> Call:
    """The same call with the tensors that it names by keyword in their places, as far as no place between stays empty."""
    args, kwargs = list(call.args), dict(call.kwargs)
    names = [name for name in known.tensors if known.call[name].required] if known else []
    if known and known.name in SEPARATE:
        names.append("key")
    for name in names[len(args) :]:
        if not isinstance(kwargs.get(name), TensorRef):
            break
        args.append(kwargs.pop(name))
    return Call(tuple(args), kwargs)


MODEL = KerasClass(
    "layers",
    "model",
    "keras",
    {},
    call={"inputs": Argument("inputs", required=True), "training": Argument("training"), "mask": Argument("mask")},
)
"""A nested model, as far as its calls go."""


def class_of_layer(layer: LayerSpec) -> KerasClass | None:
    """The class in the catalogue, where it is Keras' own; that of any model for a nested one."""
    if layer.inner:
        return MODEL
    return catalogue.find("layers", layer.class_name) if layer.is_layer and layer.is_of_keras else None


def arguments(layer: LayerSpec, call: Call) -> Mapping[str, Any]:
    """The arguments of a call that are no tensors and not at their default, by name.

    Keras itself writes `training: false` into the call of a Dropout, whose default that is. It heeds `training` where the model is
    called without it, as `model(x)`; `fit`, `evaluate` and `predict` say what it is for every layer. Keras 3.15.
    """
    if not any(map(_may_tell, (*call.args, *call.kwargs.values()))):
        return {}  # as with most calls: the catalogue need not be read
    known = class_of_layer(layer)
    names = list(known.call) if known else []
    placed = {names[n] if n < len(names) else f"argument {n}": value for n, value in enumerate(call.args)}
    return {name: value for name, value in {**placed, **call.kwargs}.items() if _is_told(known, name, value)}


def _may_tell(value: Any) -> bool:
    is_empty = isinstance(value, list | tuple | Mapping) and not value
    return value is not None and not is_empty and not any(True for _ in leaves(value))


def _is_told(known: KerasClass | None, name: str, value: Any) -> bool:
    if not _may_tell(value):
        return False
    return known is None or name not in known.call or bool(value != known.call[name].default)


def told_calls(layer: LayerSpec) -> tuple[Mapping[str, Any], ...]:
    """The arguments of each call of a layer; empty where none has any. A bare operation has numbers, which are its own matter."""
    found = tuple(arguments(layer, call) for call in layer.calls) if layer.is_layer and not layer.is_input else ()
    return found if any(found) else ()


def changed_arguments(layer: LayerSpec, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of some arguments that a call of the layer does not have already."""
    now = [arguments(layer, call) for call in layer.calls]
    return {
        name: value
        for name, value in given.items()
        if now != [arguments(layer, call) for call in with_arguments(layer, {name: value})]
    }


def with_arguments(layer: LayerSpec, changes: Mapping[str, Any]) -> Iterator[Call]:
    """The calls of a layer with other arguments; null takes one away."""
    known = class_of_layer(layer)
    names = list(known.call) if known else []
    for call in layer.calls:
        args, kwargs = list(call.args), {**call.kwargs}
        for name, value in changes.items():
            if name in names and names.index(name) < len(args):
                args[names.index(name)] = known.call[name].default if known and value is None else value
            elif value is None:
                kwargs.pop(name, None)
            else:
                kwargs[name] = value
        yield Call(tuple(args), kwargs)
