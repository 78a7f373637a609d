"""What Keras is asked of bare operations, which have no variables, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from surgery.errors import ShapeMismatch
from surgery.execution.answers import KerasAnswers
from surgery.model.spec import Call, LayerSpec, TensorRef, TensorSpec

pytestmark = pytest.mark.keras

INPUT = TensorSpec((None, 4), "float32")


def asked(class_name: str, config: dict[str, Any], *more: Any) -> Any:
    module = "keras.src.ops.numpy"
    layer = LayerSpec("op", class_name, {"name": "op", **config}, module=module, registered_name=class_name)
    return KerasAnswers().ask(layer, (INPUT,), Call(args=(TensorRef("x"), *more)))


@pytest.mark.parametrize(
    ("class_name", "config", "shape"),
    [
        ("Repeat", {"repeats": 2, "axis": 1}, (None, 8)),
        ("Tile", {"repeats": [1, 3]}, (None, 12)),
        ("Tril", {}, (None, 4)),
    ],
)
def test_an_operation_has_a_shape_and_no_variables(
    class_name: str, config: dict[str, Any], shape: tuple[int | None, ...]
) -> None:
    built = asked(class_name, config)
    assert (built.output.shape, built.variables) == (shape, ())


def test_a_call_that_lacks_an_argument_is_refused() -> None:
    with pytest.raises(ShapeMismatch, match="Keras refuses it for 'op'"):
        asked("Linspace", {"num": 3})
