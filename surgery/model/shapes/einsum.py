"""Which shapes an einsum equation of a layer with one kernel gives: `abc,cd->abd`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from surgery.model.spec import Shape

_FORM = re.compile(
    r"(?P<left>\.\.\.)?(?P<x>[a-zA-Z]+)(?P<right>\.\.\.)?,(?P<w>[a-zA-Z]+)->(\.\.\.)?(?P<y>[a-zA-Z]+)(\.\.\.)?"
)


@dataclass(frozen=True, slots=True)
class EinsumShapes:
    """Shapes of the kernel, the bias (None without one) and the whole output."""

    kernel: Shape
    bias: Shape | None
    output: Shape


def analyze(equation: str, bias_axes: str | None, inputs: Shape, given: Sequence[int | None]) -> EinsumShapes:
    """The shapes of an equation with one kernel.

    Args:
        given: The output shape as the layer's config has it: without the batch, and without elided axes.

    Raises:
        ValueError: With a sentence, when the equation does not fit the input.
    """
    form = _FORM.fullmatch(equation)
    if form is None:
        raise ValueError("the equation has not the form x,kernel->y")
    x, w, y = form["x"], form["w"], form["y"]
    elided = len(inputs) - len(x)
    if elided < 0 or (elided and not (form["left"] or form["right"])):
        raise ValueError(f"the equation has {len(x)} input dimensions, and the input {len(inputs)}")
    output = _full_output(inputs, given, elided, at_left=bool(form["left"]))
    offset = elided if form["left"] else 0
    if len(output) - elided != len(y):
        raise ValueError(f"the equation has {len(y)} output dimensions, and output_shape gives {len(output) - elided}")
    sizes = {letter: inputs[offset + i] for i, letter in enumerate(x)}
    outcome = {letter: output[offset + i] for i, letter in enumerate(y)}
    for letter in set(sizes) & set(outcome):
        if outcome[letter] is not None and outcome[letter] != sizes[letter]:
            raise ValueError(
                f"dimension {letter!r} is {sizes[letter]} in the input and {outcome[letter]} in the output"
            )
    if unknown := set(w) - set(sizes) - set(outcome):
        raise ValueError(f"dimension {min(unknown)!r} of the kernel is in neither the input nor the output")
    kernel = tuple(outcome[letter] if letter in outcome else sizes[letter] for letter in w)
    return EinsumShapes(kernel, _bias(bias_axes, y, outcome, elided if form["right"] else 0), output)


def _full_output(inputs: Shape, given: Sequence[int | None], elided: int, at_left: bool) -> Shape:
    if at_left:
        # Keras 3.15 puts the elided axes after the batch in reverse.
        return (inputs[0], *inputs[1 : max(elided, 1)][::-1], *given)
    return (inputs[0], *given, *inputs[len(inputs) - elided :])


def _bias(axes: str | None, y: str, outcome: dict[str, int | None], elided_right: int) -> Shape | None:
    if axes is None:
        return None
    if missing := set(axes) - set(y):
        raise ValueError(f"bias dimension {min(missing)!r} is not in the output")
    tail = y[min(y.find(letter) for letter in axes) :]
    return (*(outcome[letter] if letter in axes else 1 for letter in tail), *([1] * elided_right))
