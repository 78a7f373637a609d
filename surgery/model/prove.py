"""Proves a model's shapes: every tensor and every variable, from the inputs on, without Keras where a static rule knows.

A layer whose class has no rule keeps the shapes that its file states as long as its inputs and its config stay as they
were. After that only Keras can tell: whoever may import Keras passes `ask`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from surgery.errors import ShapeMismatch, ShapeUnknown
from surgery.model import shapes
from surgery.model.counterparts import counterparts
from surgery.model.flow import flow
from surgery.model.scan.classes import is_name_alone
from surgery.model.shapes import Built, Variable
from surgery.model.spec import (
    Call,
    LayerSpec,
    ModelSpec,
    Shape,
    TensorRef,
    TensorSpec,
    WeightSpec,
    is_foreign,
    join_path,
)
from surgery.model.weights import Fresh, shape_text

Ask = Callable[[LayerSpec, tuple[TensorSpec, ...], Call], Built]
"""Keras' answer for one call of a layer: its outputs and its variables."""


Misfits = dict[str, ShapeMismatch]
"""Why a layer cannot take what it gets, by the layer's path."""


def prove(
    model: ModelSpec,
    ask: Ask | None = None,
    *,
    again: bool = False,
    lenient: bool = False,
    misfits: Misfits | None = None,
) -> ModelSpec:
    """The model with every shape and every variable filled in.

    Args:
        model: The model as an edit left it.
        ask: Asks Keras about a class that no static rule knows.
        again: Whether to apply the rules to every layer, rather than to those whose inputs or config changed: for a
            model as read from its file.
        lenient: Whether to leave open what only Keras could tell, for looking at a model.
        misfits: Takes the layers that cannot take what they get. What they gave before still counts for those who read it,
            and the next proof looks at them again.

    Raises:
        ShapeMismatch: when a layer cannot take the tensor that it gets, and `misfits` is missing.
        ShapeUnknown: when only Keras could tell, and `ask` is missing.
    """
    if model.inputs is None:
        return model
    return _Proof(model, _unknown if lenient else ask, again, "", misfits).run()


def _unknown(layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
    return Built((), ())


class _Proof:
    """One walk over a graph, from the inputs on, call by call."""

    def __init__(
        self, model: ModelSpec, ask: Ask | None, again: bool, inside: str, misfits: Misfits | None = None
    ) -> None:
        self.model, self.ask, self.again, self.inside, self.misfits = model, ask, again, inside, misfits
        self.layers = dict(model.by_name)
        self.tensors: dict[TensorRef, TensorSpec] = {}
        self.sizes: dict[str, list[tuple[tuple[TensorSpec, ...], dict[str, tuple[int, ...]]]]] = {}
        """For each call of a shared layer that was built anew: what goes in, and the sizes of variables that it needs."""

    def run(self) -> ModelSpec:
        waiting: dict[tuple[str, int], int] = {}
        readers: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for layer in self.model.layers:
            for index, call in enumerate(layer.calls):
                sources = {(ref.layer, ref.call) for ref in call.refs()}
                waiting[layer.name, index] = len(sources)
                for source in sources:
                    readers.setdefault(source, []).append((layer.name, index))
        ready = deque(place for place, count in waiting.items() if not count)
        while ready:
            done = ready.popleft()
            self._call(*done)
            for reader in readers.get(done, ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
        self._refuse_two_sizes()
        return replace(self.model, layers=tuple(self.layers.values()))

    def _call(self, name: str, index: int) -> None:
        layer = self.layers[name]
        call = layer.calls[index]
        inputs = self._inputs(call)
        is_known = bool(call.outputs) and (layer.is_input or call.inputs == inputs)
        # What is inside a nested model may have changed while its inputs did not. An input that has a shape has that of its
        # config, or of the tensor that a call of its model puts there.
        if not is_known or (self.again and not layer.is_input) or layer.inner:
            try:
                layer, call = self._build(layer, call, inputs, is_known, index)
            except ShapeMismatch as error:
                self._keep_open(name, error)
                layer, call, inputs = self.layers[name], self.layers[name].calls[index], ()
            calls = (*layer.calls[:index], replace(call, inputs=inputs), *layer.calls[index + 1 :])
            layer = self.layers[name] = replace(layer, calls=calls)
        for output, tensor in enumerate(call.outputs):
            self.tensors[TensorRef(name, index, output)] = tensor

    def _keep_open(self, name: str, error: ShapeMismatch) -> None:
        """Leaves a misfit for later, where somebody takes it: the layer's calls count as not proved."""
        if self.misfits is None:
            raise error
        self.misfits.setdefault(join_path(self.inside, name), error)
        layer = self.layers[name]
        self.layers[name] = replace(layer, calls=tuple(replace(call, inputs=()) for call in layer.calls))

    def _inputs(self, call: Call) -> tuple[TensorSpec, ...]:
        """The tensors that go in; what no proof reached is as the file states it."""
        refs = call.refs()
        stated = call.inputs if len(call.inputs) == len(refs) else (None,) * len(refs)
        found = (self.tensors.get(ref, tensor) for ref, tensor in zip(refs, stated, strict=True))
        return tuple(tensor for tensor in found if tensor)

    def _refuse_misfed(self, layer: LayerSpec, call: Call, inputs: tuple[TensorSpec, ...]) -> None:
        """Holds the tensors of a call against the inputs that a nested model declares, as Keras does when it is called."""
        assert layer.inner is not None
        declared = layer.inner.refs_in()
        path = join_path(self.inside, layer.name)
        if len(declared) != len(inputs):
            raise ShapeMismatch(
                f"'{path}' has {len(declared)} inputs and is called with {len(inputs)} tensors",
                expected="a tensor for each input of the nested model",
                fix="list them with: surgery inspect MODEL",
            )
        for own, ref, given in zip(declared, call.refs(), inputs, strict=True):
            wanted = layer.inner.tensor(own)
            if wanted and not _fits(given.shape, wanted.shape):
                within, feeder = join_path(path, own.layer), join_path(self.inside, ref.layer)
                size = [a if a == b else None for a, b in zip(given.shape[1:], wanted.shape[1:], strict=False)]
                raise ShapeMismatch(
                    f"'{path}' cannot take its input: its own '{within}' is {shape_text(wanted.shape)}, "
                    f"and gets {shape_text(given.shape)} from '{feeder}'",
                    expected="a tensor that fits the input of the nested model",
                    fix=f"change both at once, layers: {flow([feeder, within])}"
                    if self.layers[ref.layer].is_input
                    else f"add before it: {{op: reconfigure, layers: {within}, config: {{shape: {flow(size)}}}}}",
                )

    def _build(
        self, layer: LayerSpec, call: Call, inputs: tuple[TensorSpec, ...], is_known: bool, index: int
    ) -> tuple[LayerSpec, Call]:
        if layer.inner and layer.inner.inputs is not None:
            return self._nested(layer, call, inputs, is_known, index)
        if len(inputs) < len(call.refs()):
            return layer, call
        try:
            built = shapes.build(layer, inputs, call)
        except ShapeMismatch as error:
            error.what = f"'{join_path(self.inside, layer.name)}' cannot take its input: {error.what}"
            error.expected = error.expected or f"an input that {layer.class_name} takes"
            error.fix = error.fix or "list the shapes with: surgery inspect MODEL"
            raise
        if built is None and is_known and not (self.ask and _lacks_its_place(layer)):
            return layer, call
        if built is None:
            built = self._asked(layer, inputs, call)
        if built.custom:
            found = built.custom
            layer = replace(
                layer, module=found.module, class_name=found.class_name, registered_name=found.registered_name
            )
        if len(layer.calls) > 1:
            needed = {variable.key: variable.shape for variable in built.variables}
            self.sizes.setdefault(layer.name, []).append((inputs, needed))
        if index == 0 and (built.variables or not layer.weights):
            layer = replace(layer, weights=_weights(layer, built.variables))
        return layer, replace(call, outputs=built.outputs)

    def _refuse_two_sizes(self) -> None:
        """A layer that is called several times has one set of variables, which must fit each call."""
        for name, calls in self.sizes.items():
            layer = self.layers[name]
            sizes = {weight.key: weight.shape for weight in layer.weights}
            other = next((inputs for inputs, needed in calls if needed and needed != sizes), None)
            if other is not None:
                both = (layer.calls[0].inputs, other)
                shown = " and on ".join(", ".join(shape_text(tensor.shape) for tensor in each) for each in both)
                error = ShapeMismatch(
                    f"'{join_path(self.inside, name)}' is called on {shown}, and its variables cannot fit both",
                    expected="inputs of one size at every call of a shared layer",
                    fix="give the calls inputs of one size, or each a layer of its own",
                )
                self._keep_open(name, error)

    def _nested(
        self, layer: LayerSpec, call: Call, inputs: tuple[TensorSpec, ...], is_known: bool, index: int
    ) -> tuple[LayerSpec, Call]:
        assert layer.inner is not None
        inner = layer.inner
        if not (is_known or self.again):
            self._refuse_misfed(layer, call, inputs)
        is_redeclared = any(not inner.by_name[ref.layer].outputs for ref in inner.refs_in())
        fed = dict(zip((ref.layer for ref in inner.refs_in()), inputs, strict=False))
        layers = tuple(_fed(entry, fed.get(entry.name)) for entry in inner.layers)
        path = join_path(self.inside, layer.name)
        proved = _Proof(replace(inner, layers=layers), self.ask, self.again, path, self.misfits).run()
        outputs = tuple(tensor for ref in proved.refs_out() if (tensor := proved.tensor(ref)))
        if index == 0:
            is_as_declared = layers == inner.layers
            own = proved if is_as_declared else _Proof(inner, self.ask, self.again, path, self.misfits).run()
            layer = replace(layer, inner=own)
        if is_redeclared and not self.again:
            self._refuse_misfed(layer, call, inputs)
        return layer, replace(call, outputs=outputs)

    def _asked(self, layer: LayerSpec, inputs: tuple[TensorSpec, ...], call: Call) -> Built:
        path = join_path(self.inside, layer.name)
        if self.ask is None:
            raise ShapeUnknown(
                f"only Keras knows the output shape of '{path}' ({layer.class_name})",
                expected="a class with a static shape rule, or Keras installed",
                fix="pip install 'keras-surgery[tensorflow]'",
            )
        return self.ask(layer, inputs, call)


def _fits(given: Shape, declared: Shape) -> bool:
    """Whether Keras lets a tensor into an input: sizes may be open on either side, and a last axis of 1 may come or go."""
    if len(given) == len(declared) + 1 and given[-1] == 1:
        given = given[:-1]
    elif len(given) == len(declared) - 1 and declared[-1] == 1:
        given = (*given, 1)
    pairs = zip(given[1:], declared[1:], strict=False)
    return len(given) == len(declared) and all(a is None or b is None or a == b for a, b in pairs)


def _lacks_its_place(layer: LayerSpec) -> bool:
    """Whether the file names a class from outside Keras by halves, so that only its module can tell the rest."""
    if layer.module is None:
        return is_name_alone(None, layer.registered_name or layer.class_name)
    return layer.registered_name is None and is_foreign(layer.module)


def _fed(layer: LayerSpec, tensor: TensorSpec | None) -> LayerSpec:
    """An InputLayer of a nested model while a tensor of a call goes through it."""
    if tensor is None or not layer.calls or layer.calls[0].outputs == (tensor,):
        return layer
    return replace(layer, calls=(replace(layer.calls[0], outputs=(tensor,)),))


def _weights(layer: LayerSpec, variables: tuple[Variable, ...]) -> tuple[WeightSpec, ...]:
    """The variables that the layer has now; values stay where a key stays, and are fresh where it is new."""
    now = tuple(
        WeightSpec(
            key=variable.key,
            name=variable.name,
            shape=variable.shape,
            dtype=variable.dtype,
            trainable=variable.trainable,
            source=Fresh(variable.initializer),
            initializer=variable.initializer,
            is_stored=variable.is_stored,
        )
        for variable in variables
    )
    same = counterparts(now, layer.weights)
    return tuple(replace(weight, source=same[weight.key].source) if weight.key in same else weight for weight in now)
