"""Models whose Lambda layers carry code: they are read, and Keras never sees these layers. A result may hold none of them."""

from __future__ import annotations

from dataclasses import replace

from surgery.errors import ModelUnsafe
from surgery.model.config import to_config
from surgery.model.config.writing import layer_document
from surgery.model.prove import Ask
from surgery.model.scan import code_in
from surgery.model.shapes import Built
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorSpec


def without_code(ask: Ask | None, trust: tuple[str, ...]) -> Ask | None:
    """The same questions to Keras, but about layers that carry code: what these make of their input stays open."""
    if ask is None:
        return None

    def asked(layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
        return Built((), ()) if code_in(layer_document(layer), trust) else ask(layer, inputs, call)

    return asked


def refuse_code(result: ModelSpec, described: str, trust: tuple[str, ...]) -> None:
    """Refuses a result that still has layers with code.

    Raises:
        ModelUnsafe: it has.
    """
    left = code_in(to_config(replace(result, compile_config=None)), trust)
    if left:
        more = f", and {len(left) - 1} more" if len(left) > 1 else ""
        raise ModelUnsafe(
            f"{described} was refused: {left[0]}{more} [class-lambda]",
            expected="a model that runs no code; what a Lambda carries is never run",
            fix="put a layer in its place: {op: replace, layers: NAME, with: [{Rescaling: {scale: 2}}]}; or save the model with a "
            "function of a module in the Lambda, and grant that with --trust MODULE",
        )
