"""Source models that only Keras can make: an application, a KerasHub preset, what a factory returns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from surgery.errors import ExtraMissing, InvalidValue, ModelUnsupported, RunFailed
from surgery.execution.custom import load
from surgery.execution.users_code import users_errors
from surgery.model.scan import checked
from surgery.model.scan.document import require_safe_document
from surgery.model.scan.preset import require_safe_preset
from surgery.recipe import Recipe
from surgery.recipe.source import ApplicationModel, FactoryModel, PresetModel


def build_source(recipe: Recipe, trust: Sequence[str]) -> tuple[Any, str]:
    """The model, and one sentence that says what was done.

    Raises:
        InvalidValue: when Keras refuses the arguments.
        RunFailed: when weights cannot be had.
    """
    import keras

    keras.utils.set_random_seed(recipe.seed)
    match recipe.model:
        case ApplicationModel():
            model, note = _application(recipe, recipe.model)
        case PresetModel(preset=preset, arguments=arguments):
            model, note = _preset(recipe, preset, arguments, trust), f"Keras loaded the preset '{preset}'."
        case FactoryModel(factory=factory, arguments=arguments):
            module, _, function = factory.partition(":")
            with users_errors(trust):
                model, note = load(module, function, trust)(**arguments), f"{factory} made the source model."
        case _:
            raise ModelUnsupported("a saved model is read, not built")
    if not isinstance(model, keras.Model):
        raise ModelUnsupported(f"a {type(model).__name__} came back, not a Keras model", expected="a keras.Model")
    return model, note


def _application(recipe: Recipe, source: ApplicationModel) -> tuple[Any, str]:
    from surgery.execution.keras_objects import application

    name, weights = source.application, source.weights
    file = None if weights in (None, "imagenet") else recipe.resolve(str(weights))
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in source.arguments.items()}
    described = {None: f"fresh weights, seed {recipe.seed}", "imagenet": "ImageNet weights"}.get(
        weights, f"weights of {weights}"
    )
    try:
        with checked(file) if file else nullcontext():
            model = application(name, arguments, str(file) if file else weights)
    except (ValueError, TypeError) as error:
        raise InvalidValue(
            f"keras.applications.{name} refuses its arguments: {str(error).splitlines()[0]}",
            expected=f"arguments of keras.applications.{name}",
            fix=f"see https://keras.io/api/applications/ for {name}",
        ) from error
    except Exception as error:
        # A download that fails is a bare Exception. Keras 3.15.
        if not isinstance(error, OSError) and type(error) is not Exception:
            raise
        raise RunFailed(
            f"the weights of {name} cannot be had: {error}",
            expected="a network, or a weights file",
            fix="weights: PATH, or weights: null for fresh ones",
        ) from error
    return model, f"Keras built keras.applications.{name} with {described}."


def _preset(recipe: Recipe, preset: str, arguments: dict[str, Any], trust: Sequence[str]) -> Any:
    folder = recipe.resolve(preset)
    if folder.is_dir():
        require_safe_preset(folder, tuple(trust))
    try:
        import keras_hub
    except ImportError as error:
        raise ExtraMissing(
            f"the preset '{preset}' needs KerasHub, which is not installed",
            expected="the package keras-hub",
            fix="pip install keras-hub",
        ) from error
    source = str(folder) if folder.is_dir() else preset
    require_safe_document(arguments, trust, described=f"the preset '{preset}'")
    return keras_hub.models.Backbone.from_preset(source, **arguments)
