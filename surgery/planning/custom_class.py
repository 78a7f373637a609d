"""A source with a custom model class: what the class does beyond its graph, and that none of it goes into the result."""

from __future__ import annotations

from collections.abc import Iterator

from surgery.errors import ModelUnsupported
from surgery.model.archive.reading import stored_beside
from surgery.model.spec import CustomClass
from surgery.planning.plan import Source

CALLS = frozenset({"call", "__call__"})
"""Methods without which a graph would say what the model computes."""


def custom_class_notes(source: Source, methods: tuple[str, ...] | None) -> Iterator[str]:
    """What the user should know of a model class that is not Keras' own.

    Args:
        source: The model.
        methods: What the class has in place of Keras' own methods; None where nobody could look.

    Raises:
        ModelUnsupported: it computes something else than its graph.
    """
    custom = source.spec.custom_class
    if custom is None:
        return
    if methods and CALLS & set(methods):
        raise _computes_otherwise(custom, source)
    kind = source.spec.class_name
    yield f"The model has a custom class, {custom}. It is read as the {kind} in its file, and the result is a plain {kind}."
    if methods is None:
        yield f"What {custom} does besides could not be looked at: Keras is not here."
    elif methods:
        yield f"{custom} has its own {', '.join(methods)}: not used here, where the recipe says how to train, and not in the result."
    beside = () if source.is_made else stored_beside(source.path)
    if beside:
        yield f"The file stores weights that belong to no layer of the graph, and they are not carried over: {', '.join(beside)}."


def _computes_otherwise(custom: CustomClass, source: Source) -> ModelUnsupported:
    return ModelUnsupported(
        f"{source.described} is a {custom}, which has a 'call' of its own: what it computes is Python code, and not in the file",
        expected="a model class that computes what its graph says",
        fix="build the model as keras.Model(inputs, outputs), copy the weights, and save that",
    )
