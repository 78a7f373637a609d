"""Masks as Keras 1 and 2 made them, where Keras 3 makes others: given to the layers that look at them, as arguments of the call.

Keras 1 and 2 combine the masks that go into a merge with `and`, and take the only one; Keras 3 combines them with `or`, and drops the
only one. Multiply, Maximum and Minimum of masked inputs have other values at masked steps. Rescaling, Identity and Normalization
drop a mask in Keras 2 and pass it on in Keras 3; what gets an initial state does not see its mask. (tf_keras 2.21, Keras 3.15.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from surgery.model.legacy.objects import Problems
from surgery.model.order import keras_order
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef, join_path, leaves

OPS = "keras.src.ops.numpy"
MERGES = frozenset({"Add", "Subtract", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"})
CHANGED_BY_MASKS = frozenset({"Multiply", "Maximum", "Minimum", "Concatenate"})
"""Merges that Keras 3 computes otherwise when a mask is there; with one it cannot load a layer called `concatenate`."""
PASSING = frozenset({
    "Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU", "GaussianDropout",
    "GaussianNoise", "GroupNormalization", "LayerNormalization", "LeakyReLU", "PReLU", "ReLU", "Softmax", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "UnitNormalization",
})  # fmt: skip
"""Layers whose output has the mask of their input, then and now."""
DROPPING = frozenset({"Identity", "Normalization", "Rescaling"})
"""Layers whose output has the mask of their input now, and had none then."""
RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional"})
ATTENTION = frozenset({"Attention", "AdditiveAttention"})


@dataclass(frozen=True, slots=True)
class NotEqual:
    """Where a tensor is something else than padding."""

    ref: TensorRef
    value: Any
    is_vector: bool
    """Whether a step is a vector of which one number must differ."""


@dataclass(frozen=True, slots=True)
class Concatenated:
    """Masks one after the other along the steps."""

    parts: tuple[Mask, ...]


@dataclass(frozen=True, slots=True)
class AnyStep:
    """Where any step of the last axis is there."""

    of: Mask


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A mask that no operation of this model can compute: that of another model, or one that only Keras 3 makes."""

    where: object


UNBUILT = TensorRef("")
"""What goes into a Sequential that does not say which shape it takes."""
Mask = frozenset[NotEqual | Concatenated | AnyStep | Elsewhere]
"""What must all hold where a step counts."""


@dataclass(frozen=True, slots=True)
class Masks:
    """The mask of a tensor in Keras 2, and the one that Keras 3 attaches to it by itself."""

    old: Mask | None = None
    new: Mask | None = None

    @property
    def differ(self) -> bool:
        return self.old != self.new


def keep_masks(spec: ModelSpec, problems: Problems) -> ModelSpec:
    """The model in which every layer gets the mask that it got in Keras 1 and 2.

    Args:
        spec: A model of Keras 1 or 2.
        problems: Gets the layers that cannot be given theirs.
    """
    if not _has_masks(spec):
        return spec
    level = _Level(spec, problems)
    level.run([Masks()] * len(spec.refs_in()))
    return level.result()


def _has_masks(spec: ModelSpec) -> bool:
    return any(
        _has_masks(layer.inner) if layer.inner else makes_mask(layer.class_name, layer.config) for layer in spec.layers
    )


def makes_mask(class_name: str, config: Mapping[str, Any]) -> bool:
    """Whether a layer, or one inside its config, makes a mask."""
    inside = config.get("layer")
    if isinstance(inside, Mapping):
        return makes_mask(str(inside["class_name"]), inside["config"])
    held = config.get("layers")
    if isinstance(held, list):
        return any(makes_mask(str(entry["class_name"]), entry["config"]) for entry in held)
    return class_name == "Masking" or (class_name == "Embedding" and bool(config.get("mask_zero")))


@dataclass
class _Level:
    """One model while its calls are gone through."""

    spec: ModelSpec
    problems: Problems
    path: str = ""
    masks: dict[TensorRef, Masks] = field(default_factory=dict)
    layers: dict[str, LayerSpec] = field(default_factory=dict)
    added: dict[object, LayerSpec] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    is_used: bool = False
    """Whether anything looks at a mask."""

    def run(self, given: list[Masks]) -> list[Masks]:
        """The masks of the outputs, for those of the inputs."""
        self.layers = dict(self.spec.by_name)
        self.masks = dict(zip(self.spec.refs_in(), given, strict=False))
        pending = deque(
            (name, number)
            for name, layer in self.layers.items()
            for number in range(len(layer.calls))
            if not layer.is_input
        )
        done = {TensorRef(layer.name) for layer in self.spec.layers if layer.is_input}
        while pending:
            name, number = pending.popleft()
            layer = self.layers[name]
            call = layer.calls[number]
            if any(TensorRef(ref.layer, ref.call) not in done for ref in call.refs()):
                pending.append((name, number))
                continue
            call, outputs = self._called(layer, number, call)
            done.add(TensorRef(name, number))
            layer = self.layers[name]  # a nested model may be another one now
            calls = tuple(call if index == number else other for index, other in enumerate(layer.calls))
            self.layers[name] = replace(layer, calls=calls)
            self.masks |= {TensorRef(name, number, index): masks for index, masks in enumerate(outputs)}
        outputs = [self._of(ref) for ref in self.spec.refs_out()]
        self.is_used |= any(masks.old is not None for masks in outputs)
        return outputs

    def result(self) -> ModelSpec:
        """The model as it is now, in the order of Keras."""
        notes = (*self.spec.notes, *(self.notes if self.path else self._notes()))
        if self.spec.class_name == "Sequential":
            return replace(self._without_padding(), notes=notes)
        layers = (*self.layers.values(), *self.added.values())
        if not self.added:
            return replace(self.spec, layers=layers, notes=notes)
        by_name = {layer.name: layer for layer in layers}
        order = keras_order(layers, self.spec.inputs, self.spec.outputs)
        return replace(self.spec, layers=tuple(by_name[name] for name in order), notes=notes)

    def _notes(self) -> Iterable[str]:
        yield from self.notes
        for ref in self.spec.refs_out():
            if self._of(ref).differ:
                yield (
                    f"The output '{ref}' had a mask, by which the loss of Keras 2 left steps out, and has another one or none now: "
                    "weigh the steps where it is trained."
                )

    def _of(self, ref: TensorRef) -> Masks:
        return self.masks.get(ref, Masks())

    def _called(self, layer: LayerSpec, number: int, call: Call) -> tuple[Call, list[Masks]]:
        """A call with the masks that it needs, and the masks of what it gives."""
        refs = call.refs() or (UNBUILT,)
        here = [self._of(ref) for ref in refs]
        kind = layer.class_name
        if layer.inner:
            return self._nested(layer, number, call, refs)
        if kind == "TimeDistributed":
            return self._distributed(layer, call, refs[0])
        if makes_mask(kind, layer.config):
            value = layer.config.get("mask_value", 0.0) if kind == "Masking" else 0
            made = frozenset({NotEqual(refs[0], value, kind == "Masking")})
            return call, [Masks(made, made)]
        # Operations pass on no mask, neither TensorFlow's in Keras 2 nor those of keras.ops.
        if not any(masks.old or masks.new for masks in here) or not layer.is_layer:
            return call, []
        if kind in MERGES:
            return self._merged(layer, call, here)
        if kind in RECURRENT or kind == "GlobalAveragePooling1D":
            return self._recurrent(layer, call, refs[0])
        if kind in ATTENTION:
            return self._attention(layer, call, refs)
        if kind == "MultiHeadAttention":
            return self._multi_head(layer, call)
        if kind in PASSING:
            return call, here[:1]
        if kind in DROPPING and here[0].new is not None:
            return self._cut(layer, call, refs), []
        if (layer.module or "").split(".")[0] == "keras":
            return call, []
        if any(masks.differ for masks in here):
            self._problem(layer, "is of a class of its own and gets another mask")
        return call, [Masks(here[0].new, here[0].new)]

    def _problem(self, layer: LayerSpec, why: str) -> None:
        self.problems.add(
            f"the mask of '{join_path(self.path, layer.name)}' ({layer.class_name}), which is another one in Keras 3 and {why}"
        )

    def _merged(self, layer: LayerSpec, call: Call, here: list[Masks]) -> tuple[Call, list[Masks]]:
        masked = [masks.old for masks in here if masks.old is not None]
        old: Mask | None = frozenset().union(*masked) if masked else None
        axis = layer.config.get("axis", -1)
        if layer.class_name == "Concatenate" and masked and axis not in (-1, 2):
            whole = len(masked) == len(here) and axis in (1, -2)
            old = frozenset({Concatenated(tuple(masked)) if whole else Elsewhere(layer.name)})
        if layer.class_name in CHANGED_BY_MASKS:
            return self._cut(layer, call, call.refs()), [Masks(old, None)]
        new = [masks.new for masks in here]
        kept = new[0] if len(set(new)) == 1 else frozenset({Elsewhere((layer.name, "or"))})
        return call, [Masks(old, None if None in new else kept)]

    def _cut(self, layer: LayerSpec, call: Call, refs: Iterable[TensorRef]) -> Call:
        """The call on copies that have no mask."""
        return call.map({ref: self._copy(layer, ref) for ref in refs if self._of(ref).new is not None})

    def _recurrent(self, layer: LayerSpec, call: Call, ref: TensorRef) -> tuple[Call, list[Masks]]:
        masks = self._of(ref)
        is_alone = len(call.args) == 1 and not any(True for _ in leaves(call.kwargs))
        seen = masks.new if is_alone else None
        if masks.old != seen:
            if masks.old is None:
                call, masks = self._cut(layer, call, [ref]), Masks()
            else:
                call = self._given(layer, call, {"mask": self._written(layer, masks.old)})
                masks = Masks(masks.old, masks.old)
        self.is_used |= masks.old is not None
        config = layer.config["layer"]["config"] if layer.class_name == "Bidirectional" else layer.config
        if not config.get("return_sequences"):
            return call, []
        return call, [masks] * (
            2 if layer.class_name == "Bidirectional" and layer.config.get("merge_mode") is None else 1
        )

    def _attention(self, layer: LayerSpec, call: Call, refs: tuple[TensorRef, ...]) -> tuple[Call, list[Masks]]:
        here = [self._of(ref) for ref in refs]
        if any(masks.differ for masks in here):
            if all(masks.old is None for masks in here):
                return self._cut(layer, call, refs), []
            written = [None if masks.old is None else self._written(layer, masks.old) for masks in here]
            call = self._given(layer, call, {"mask": written})
        self.is_used = True
        return call, [Masks(here[0].old, here[0].old)]

    def _multi_head(self, layer: LayerSpec, call: Call) -> tuple[Call, list[Masks]]:
        """Keras 3.15 overwrites the argument `query_mask`, so that of the query goes into `attention_mask`."""
        roles = dict(zip(("query", "value", "key"), call.args, strict=False))
        roles |= {role: call.kwargs[role] for role in ("value", "key") if role in call.kwargs}
        here = {role: self._of(ref) for role, ref in roles.items() if isinstance(ref, TensorRef)}
        given: dict[str, Any] = {}
        for role, masks in here.items():
            if masks.differ and masks.old is not None:
                given[f"{role}_mask"] = self._written(layer, masks.old)
        if "query_mask" in given:
            given["attention_mask"] = self._rows(layer, given.pop("query_mask"), call.kwargs.get("attention_mask"))
        if given:
            call = self._given(layer, call, given)
        call = self._cut(layer, call, [roles[role] for role, masks in here.items() if masks.differ])
        self.is_used = True
        query = here["query"]
        return call, [Masks(query.old, None if query.differ else query.new)]

    def _rows(self, layer: LayerSpec, mask: TensorRef, given: Any) -> TensorRef:
        rows = self._operation(layer, ("rows", mask), f"{mask.layer}_rows", "ExpandDims", (mask,), axis=-1)
        if not isinstance(given, TensorRef):
            return rows
        return self._operation(layer, (rows, given), f"{layer.name}_mask", "LogicalAnd", (rows, given))

    def _distributed(self, layer: LayerSpec, call: Call, ref: TensorRef) -> tuple[Call, list[Masks]]:
        """A wrapper around each step: the mask that is made inside was passed on, and is not any more."""
        inner, masks = layer.config["layer"], self._of(ref)
        kind, config = str(inner["class_name"]), inner["config"]
        if kind == "Embedding" and config.get("mask_zero"):
            return call, [Masks(frozenset({NotEqual(ref, 0, is_vector=False)}), None)]
        if isinstance(config.get("layers"), list):
            if masks.old or masks.new or (makes_mask(kind, config) and _mixes(config["layers"])):
                self._problem(layer, "goes through a model inside a wrapper")
            return call, []
        if kind == "Masking":
            self._problem(layer, "is made inside a wrapper")
        if not masks.old and not masks.new:
            return call, []
        if kind not in RECURRENT:
            return call, [masks]
        if masks.differ and masks.old is not None:
            call = self._given(layer, call, {"mask": self._written(layer, masks.old)})
            masks = Masks(masks.old, masks.old)
        self.is_used = True
        whole = masks.old if config.get("return_sequences") or masks.old is None else frozenset({AnyStep(masks.old)})
        return call, [Masks(whole, masks.new)]

    def _nested(
        self, layer: LayerSpec, number: int, call: Call, refs: tuple[TensorRef, ...]
    ) -> tuple[Call, list[Masks]]:
        assert layer.inner is not None
        here = [self._of(ref) for ref in refs]
        if any(masks.differ for masks in here):
            call = self._cut(layer, call, [ref for ref in refs if self._of(ref).old is None])
            written = [None if masks.old is None else self._written(layer, masks.old) for masks in here]
            if any(written):
                call = self._given(layer, call, {"mask": written if len(written) > 1 else written[0]})
        path = join_path(self.path, layer.name)
        given = [
            frozenset({Elsewhere((path, "input", index))}) if masks.old else None for index, masks in enumerate(here)
        ]
        level = _Level(layer.inner, self.problems, path)
        outputs = level.run([Masks(mask, mask) for mask in given])
        if number == 0:
            self.layers[layer.name] = replace(layer, inner=replace(level.result(), notes=()))
            self.notes += level.notes
        self.is_used |= any(masks.old is not None for masks in here)
        return call, [self._outside(path, index, masks, here, given) for index, masks in enumerate(outputs)]

    def _outside(self, path: str, index: int, masks: Masks, here: list[Masks], given: Sequence[Mask | None]) -> Masks:
        """The mask of a nested model's output as the model around it can say it."""
        for outer, mask in zip(here, given, strict=True):
            if mask is not None and masks.old == mask and masks.new == mask:
                return Masks(outer.old, outer.old)
        old, new = (
            None if mask is None else frozenset({Elsewhere((path, index, mask))}) for mask in (masks.old, masks.new)
        )
        return Masks(old, new)

    def _given(self, layer: LayerSpec, call: Call, given: Mapping[str, Any]) -> Call:
        path = join_path(self.path, layer.name)
        if path not in self.told:
            self.told.append(path)
            self.notes.append(f"'{path}' is given the mask that it had in Keras 2; Keras 3 combines masks otherwise.")
        return replace(call, kwargs={**call.kwargs, **given}, inputs=())

    def _copy(self, layer: LayerSpec, ref: TensorRef) -> TensorRef:
        self.notes += (
            [] if ref in self.added else [f"'{ref}' reaches '{layer.name}' without its mask, as it did in Keras 2."]
        )
        return self._operation(layer, ref, f"{ref.layer}_unmasked", "Copy", (ref,))

    def _written(self, layer: LayerSpec, mask: Mask) -> TensorRef:
        """The operations that compute a mask."""
        refs = [self._atom(layer, atom) for atom in sorted(mask, key=repr)]
        whole = refs[0]
        for ref in refs[1:]:
            whole = self._operation(layer, (whole, ref), f"{whole.layer}_and", "LogicalAnd", (whole, ref))
        return whole

    def _atom(self, layer: LayerSpec, atom: NotEqual | Concatenated | AnyStep | Elsewhere) -> TensorRef:
        match atom:
            case NotEqual(ref, value, is_vector):
                differs = self._operation(layer, atom, f"{ref.layer}_not_padding", "NotEqual", (ref, value))
                return self._any(layer, differs) if is_vector else differs
            case Concatenated(parts):
                refs = [self._written(layer, part) for part in parts]
                return self._operation(layer, atom, f"{refs[0].layer}_joined", "Concatenate", (refs,), axis=1)
            case AnyStep(of):
                return self._any(layer, self._written(layer, of))
            case Elsewhere():
                self._problem(layer, "cannot be computed from the inputs of its model")
                return self.spec.refs_in()[0]

    def _any(self, layer: LayerSpec, ref: TensorRef) -> TensorRef:
        return self._operation(layer, ("any", ref), f"{ref.layer}_any", "Any", (ref,), axis=-1, keepdims=False)

    def _operation(
        self, layer: LayerSpec, what: object, name: str, class_name: str, args: tuple[Any, ...], **config: Any
    ) -> TensorRef:
        if what not in self.added:
            if self.spec.class_name == "Sequential":
                self.told.append(layer.name)
            taken = {*self.layers, *(operation.name for operation in self.added.values())}
            while name in taken:
                name += "_"
            self.added[what] = LayerSpec(
                name, class_name, {"name": name, **config}, module=OPS, registered_name=class_name, calls=(Call(args),)
            )
        return TensorRef(self.added[what].name)

    def _without_padding(self) -> ModelSpec:
        """A Sequential, in which nothing can be given a mask; where nothing needs one, none is made."""
        if not self.added:
            return replace(self.spec, layers=tuple(self.layers.values()))
        makers = [layer for layer in self.spec.layers if not layer.inner and makes_mask(layer.class_name, layer.config)]
        if self.is_used or any(layer.class_name != "Embedding" for layer in makers):
            for name in dict.fromkeys(self.told):
                if name in self.spec.by_name:
                    self._problem(self.spec.by_name[name], "cannot be given in a Sequential")
            return self.spec
        layers = tuple(
            replace(layer, config={**layer.config, "mask_zero": False}) if layer in makers else layer
            for layer in self.spec.layers
        )
        return replace(self.spec, layers=layers)


def _mixes(entries: Iterable[Mapping[str, Any]]) -> bool:
    return any(entry["class_name"] in MERGES | DROPPING or "layers" in entry["config"] for entry in entries)
