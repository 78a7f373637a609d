"""Builds the Keras model that a plan describes, and fills it by the ledger.

The model is built from the planned spec, never by changing a live graph: Keras itself refuses what cannot be, and what
was built is compared with what was planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from surgery.errors import ModelUnsafe, PromiseBroken, ShapeMismatch
from surgery.execution import lora
from surgery.execution.custom import custom_objects
from surgery.execution.fill import LedgerValues
from surgery.execution.variables import fill_layer, keras_layers, load_files, stored_variables
from surgery.model.config import to_config
from surgery.model.library import Library
from surgery.model.spec import LayerSpec, ModelSpec
from surgery.planning import Plan


def build(plan: Plan, trust: Sequence[str] = ()) -> Any:
    """The Keras model after the plan's operations, every variable filled.

    Args:
        plan: A plan.
        trust: Modules outside Keras that may be imported.

    Returns:
        A `keras.Model`, not compiled.

    Raises:
        PromiseBroken: when what Keras built is not what was planned.
    """
    model = build_structure(plan.spec, plan.recipe.seed, trust)
    with plan.library() as library:
        fill(model, plan.spec, LedgerValues(plan.spec, library, plan.recipe.seed, trust))
        _load_files(model, plan.spec, library)
    return model


def build_source_model(plan: Plan, trust: Sequence[str] = ()) -> Any:
    """The source model itself, built the same way, for what is measured before.

    Raises:
        ModelUnsafe: it carries code, which is never run.
    """
    if plan.source.holds_code:
        raise ModelUnsafe(
            f"{plan.source.described} carries code, which is never run: nothing can be measured on it",
            expected="a source model of layers alone",
            fix="leave out what needs the source model: distill, a max_drop, optimizer_state: carry",
        )
    spec = plan.source.spec
    model = build_structure(spec, plan.recipe.seed, trust)
    with plan.library() as library:
        fill(model, spec, LedgerValues(spec, library, plan.recipe.seed, trust))
        _load_files(model, spec, library)
    return model


def build_structure(spec: ModelSpec, seed: int, trust: Sequence[str] = ()) -> Any:
    """The Keras model of a spec, its weights not filled yet."""
    import keras

    from surgery.execution.keras_objects import deserialize

    # Seed generators (Dropout) are not stored in files; they start from the recipe's seed.
    keras.utils.set_random_seed(seed)
    document = to_config(spec)
    document.pop("compile_config", None)
    try:
        model = deserialize(document, trust, custom_objects(spec, trust))
    except (ValueError, TypeError) as error:
        raise ShapeMismatch(
            f"Keras cannot build the model: {str(error).splitlines()[0]}",
            expected="a graph that Keras accepts",
            fix="run: surgery plan, and look at the layer that Keras names",
        ) from error
    _set_model_flags(model, spec)
    for _, layer in keras_layers(model, spec):
        lora.hold_kernel(layer)
    _check_structure(model, spec)
    return model


def _set_model_flags(model: Any, spec: ModelSpec) -> None:
    """Sets the flags of nested models. Keras 3.15 loses that of a Sequential when it loads its config."""
    for layer in spec.listed:
        if layer.inner:
            nested = model.get_layer(layer.name)
            # Keras passes the flag on to everything inside, so the layers' own come after.
            nested.trainable = layer.trainable
            for inner in layer.inner.listed:
                nested.get_layer(inner.name).trainable = inner.trainable
            _set_model_flags(nested, layer.inner)
        elif not layer.trainable:
            # What an attention layer holds trains after loading, and still when a flag is set to what it is. Keras 3.15.
            frozen = model.get_layer(layer.name)
            frozen.trainable = True
            frozen.trainable = False


def fill(model: Any, spec: ModelSpec, values: LedgerValues) -> None:
    """Gives every variable its value.

    Raises:
        PromiseBroken: when a variable of the model is not in the plan.
    """
    for path, layer in keras_layers(model, spec):
        planned = {weight.key: weight.shape for weight in spec[path].weights if weight.is_stored}
        built = {key: tuple(value.shape) for key, value in stored_variables(layer).items()}
        if planned != built:
            raise PromiseBroken(f"Keras built '{path}' with variables {built}; the plan has {planned}")
        if planned:
            fill_layer(layer, values.of_layer(path))
        lora.start(layer, spec[path].config, values.seed_of(path))


def _load_files(model: Any, spec: ModelSpec, library: Library) -> None:
    """Gives layers the vocabularies and the like that the source has beside its weights."""
    found: dict[str, dict[str, bytes]] = {}
    for (path, name), content in library.assets().items():
        found.setdefault(path, {})[name] = content
    for path, layer in keras_layers(model, spec) if found else ():
        files = found.get(spec[path].origin or "")
        if files:
            load_files(layer, files)


def _check_structure(model: Any, spec: ModelSpec) -> None:
    """Compares what Keras built with what was planned, layer by layer, in Keras' own order."""
    built = [layer.name for layer in model.layers]
    planned = [layer.name for layer in spec.listed]
    if built != planned:
        raise PromiseBroken(f"Keras built the layers {built}; the plan has {planned}")
    for layer in spec.listed:
        _check_layer(model.get_layer(layer.name), layer)


def _check_layer(built: Any, planned: LayerSpec) -> None:
    if bool(built.trainable) is not planned.trainable:
        raise PromiseBroken(
            f"Keras built '{planned.name}' with trainable={built.trainable}; the plan has {planned.trainable}"
        )
    if planned.inner:
        _check_structure(built, planned.inner)
    elif planned.outputs and not planned.is_input and len(planned.outputs) == 1 and len(planned.calls) == 1:
        shape = tuple(built.output.shape)
        if shape != planned.outputs[0].shape:
            raise PromiseBroken(
                f"Keras built '{planned.name}' with output {shape}; the plan has {planned.outputs[0].shape}"
            )
