"""What only Keras can tell a plan: shapes of classes without a static rule, and the models of applications and factories."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from surgery.errors import ShapeMismatch
from surgery.execution.custom import class_called, custom_objects, located
from surgery.execution.sources import build_source
from surgery.execution.variables import stored_variables
from surgery.model.config.writing import layer_document
from surgery.model.shapes import Built, Variable
from surgery.model.spec import Call, CustomClass, LayerSpec, TensorRef, TensorSpec, is_foreign
from surgery.recipe import Recipe


class KerasAnswers:
    """The Keras side of planning.

    Args:
        trust: Modules outside Keras that may be imported.
    """

    def __init__(self, trust: Sequence[str] = ()) -> None:
        self.notes: list[str] = []
        self._trust = tuple(trust)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def ask(self, layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
        """Builds the layer on symbolic inputs and reads what came of it.

        Raises:
            ShapeMismatch: when Keras refuses the inputs.
        """
        import keras

        self._note(f"Keras was asked for the output shape of class {layer.class_name}.")
        built, outputs = symbolic(layer, inputs, call, self._trust)
        trained = (
            {id(variable) for variable in built.trainable_variables} if layer.is_layer and layer.trainable else None
        )
        variables = tuple(
            Variable(
                key=key,
                name=str(getattr(value, "name", key.rpartition("/")[2])),
                shape=tuple(value.shape),
                dtype=_dtype(value),
                trainable=trained is None or id(value) in trained,
                initializer=type(getattr(value, "_initializer", None)).__name__
                if getattr(value, "_initializer", None) is not None
                else "its own initializer",
            )
            for key, value in (stored_variables(built) if layer.is_layer else {}).items()
        )
        kind = type(built)
        if not is_foreign(kind.__module__):
            return Built(outputs, variables)
        return Built(
            outputs, variables, CustomClass(kind.__module__, kind.__name__, keras.saving.get_registered_name(kind))
        )

    def materialize(self, recipe: Recipe) -> Path:
        """Has Keras make the source model, and saves it where it lies until `close`, or as long as this object."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="surgery-")
        path = Path(self._folder.name) / "source.keras"
        if not path.exists():
            model, note = build_source(recipe, self._trust)
            self._note(note)
            model.save(path)
        return path

    def overridden_methods(self, custom: CustomClass) -> tuple[str, ...]:
        """The methods of Keras' models that a model class from outside Keras has its own of, or a class that it inherits from.

        Raises:
            UntrustedImport: nobody granted the class, or its module does not have it.
        """
        import keras

        kind = class_called(custom, self._trust)
        public = {name for name in dir(keras.Model) if not name.startswith("_")} | {"call", "__call__"}
        written = {
            name for base in kind.__mro__ if is_foreign(base.__module__) and base is not object for name in vars(base)
        }
        return tuple(sorted(public & written - {"get_config", "from_config"}))

    def close(self) -> None:
        """Removes what `materialize` made."""
        if self._folder is not None:
            self._folder.cleanup()

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def symbolic(
    layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call, trust: Sequence[str] = ()
) -> tuple[Any, tuple[TensorSpec, ...]]:
    """A Keras layer built by one symbolic call, and the tensors that came out.

    Raises:
        ShapeMismatch: when Keras refuses the inputs.
    """
    import keras
    from keras import tree

    from surgery.execution.keras_objects import deserialize

    tensors = {
        ref: keras.KerasTensor(tensor.shape, tensor.dtype) for ref, tensor in zip(call.refs(), inputs, strict=True)
    }
    args, kwargs = (_placed(part, tensors) for part in (call.args, call.kwargs))
    layer = located(layer, trust)
    try:
        built = deserialize(layer_document(layer), trust, custom_objects(layer, trust))
    except (ValueError, TypeError) as error:
        raise ShapeMismatch(
            f"Keras cannot make '{layer.name}' ({layer.class_name}): {str(error).splitlines()[0]:.300}",
            expected="a config that the class takes",
            fix="correct its arguments; for a class of your own, see that its get_config and from_config fit together",
        ) from error
    try:
        output = built(*args, **kwargs)
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise ShapeMismatch(f"Keras refuses it for '{layer.name}': {str(error).splitlines()[0]}") from error
    outputs = tuple(TensorSpec(tuple(t.shape), keras.backend.standardize_dtype(t.dtype)) for t in tree.flatten(output))
    return built, outputs


def _placed(structure: Any, tensors: dict[TensorRef, Any]) -> Any:
    match structure:
        case TensorRef():
            return tensors[structure]
        case list() | tuple():
            return type(structure)(_placed(item, tensors) for item in structure)
        case {"class_name": "__numpy__" | "__tensor__", "config": {"value": value, "dtype": dtype}}:
            import keras

            return keras.ops.convert_to_tensor(value, dtype=dtype)
        case dict():
            return {key: _placed(value, tensors) for key, value in structure.items()}
        case _:
            return structure


def _dtype(value: Any) -> str:
    import keras

    return str(keras.backend.standardize_dtype(value.dtype))
