"""The closed set of edits: what an operation may do to a model, and what each does to a spec.

An operation lowers itself to edits, purely. Adding an operation adds a file; adding an edit is a decision: the plan, the
diff and the documents speak of edits, and whoever reads a plan must know them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from surgery.errors import NameTaken, PromiseBroken, WeightMismatch
from surgery.model.calling import told_calls, with_arguments
from surgery.model.counterparts import counterparts
from surgery.model.draft import Draft, free_name
from surgery.model.graph import as_graph
from surgery.model.resample import resampled
from surgery.model.spec import Call, Config, LayerSpec, ModelSpec, TensorRef, WeightSpec, split_path, with_leaf
from surgery.model.weights import (
    Fresh,
    Overlap,
    WeightSource,
    has_fresh,
    in_dtype,
    initialized_by,
    shape_text,
)

Policy = Literal["keep", "overlap", "resample", "resample_grid", "fresh"]
Prove = Callable[..., ModelSpec]
"""Fills in every shape and every variable of a model; takes `misfits` where some may stay open."""


@dataclass(frozen=True)
class AddLayer:
    """A new layer, its calls already wired, in the model at `inside` (the empty path: the model itself)."""

    inside: str
    layer: LayerSpec

    def apply(self, draft: Draft) -> None:
        model = draft.model_at(self.inside)
        if self.layer.name in model.layers:
            raise NameTaken(
                f"a layer called '{self.layer.name}' is there already",
                expected="a name that no other layer of the model has",
                fix=f"name it, for instance: name: {model.free_name(self.layer.name)}",
            )
        model.add(self.layer)


@dataclass(frozen=True)
class RemoveLayer:
    """A layer goes, and its weights with it. What still reads it must be redirected by the same operation."""

    path: str
    calls: tuple[Mapping[str, Any], ...] = ()
    """The arguments of its calls that go with it, where there are any."""

    def apply(self, draft: Draft) -> None:
        draft.parent(self.path).remove(split_path(self.path)[1])


@dataclass(frozen=True)
class Redirect:
    """Who read one tensor reads another: all layers or those named, and the model's outputs when `outputs`."""

    inside: str
    old: TensorRef
    new: TensorRef
    consumers: tuple[str, ...] | None = None
    outputs: bool = True

    def apply(self, draft: Draft) -> None:
        draft.model_at(self.inside).redirect({self.old: self.new}, self.consumers, self.outputs)


@dataclass(frozen=True)
class SetOutputs:
    """Other outputs of the model at `inside`."""

    inside: str
    outputs: Any

    def apply(self, draft: Draft) -> None:
        draft.model_at(self.inside).outputs = self.outputs


@dataclass(frozen=True)
class UpdateConfig:
    """Other constructor arguments of a layer; `trainable` is one of them."""

    path: str
    changes: Config

    def apply(self, draft: Draft) -> None:
        parent, name = draft.parent(self.path), split_path(self.path)[1]
        layer = parent.layers[name]
        changed = replace(layer, config={**layer.config, **self.changes})
        if "trainable" in self.changes:
            changed = replace(changed, config=_with_flag(changed.config, self.changes["trainable"]))
        if set(self.changes) - {"trainable", "name"}:
            changed = replace(changed, calls=tuple(replace(call, inputs=(), outputs=()) for call in layer.calls))
        parent.put(name, changed)


@dataclass(frozen=True)
class SetArguments:
    """Other arguments of a layer's calls that are no tensors; null takes one away."""

    path: str
    changes: Mapping[str, Any]

    def apply(self, draft: Draft) -> None:
        parent, name = draft.parent(self.path), split_path(self.path)[1]
        parent.call(name, tuple(with_arguments(parent.layers[name], self.changes)))


@dataclass(frozen=True)
class FeedInput:
    """A nested model is called with one more tensor, that of each call for the input `name` that it got."""

    path: str
    tensors: tuple[TensorRef, ...]
    name: str

    def apply(self, draft: Draft) -> None:
        parent, name = draft.parent(self.path), split_path(self.path)[1]
        calls = zip(parent.layers[name].calls, self.tensors, strict=True)
        parent.call(
            name, tuple(Call((with_leaf(c.args[0], ref, self.name), *c.args[1:]), c.kwargs) for c, ref in calls)
        )


@dataclass(frozen=True)
class RenameLayer:
    """Another name; wiring and weights follow. Renames in a row happen at once, so that layers may swap names."""

    path: str
    name: str

    def apply(self, draft: Draft) -> None:
        _rename(draft.parent(self.path), {split_path(self.path)[1]: self.name})


@dataclass(frozen=True)
class CarryWeights:
    """The weights of a layer come from those of another, which it replaces.

    `keep` copies and refuses another shape; `overlap` copies the common corner; `resample` interpolates where only spatial
    axes or positions differ, `resample_grid` where the positions are a square grid; `fresh` copies nothing. Without a policy the
    weights are kept where `same_class` and every shape agree, and are fresh otherwise.
    """

    path: str
    weights: tuple[WeightSpec, ...]
    policy: Policy | None
    same_class: bool
    giver: str | None = None
    """The name of the layer that gives them, where it was one of several that could."""

    def apply(self, draft: Draft) -> None:
        parent, name = draft.parent(self.path), split_path(self.path)[1]
        layer = parent.layers[name]
        policy = self.policy or self._default(layer)
        same = counterparts(layer.weights, self.weights)
        carried = tuple(_carry(self.path, layer, new, same.get(new.key), policy) for new in layer.weights)
        parent.put(name, replace(layer, weights=carried))

    def _default(self, layer: LayerSpec) -> Policy:
        same = counterparts(layer.weights, self.weights)
        fits = all(weight.key in same and same[weight.key].shape == weight.shape for weight in layer.weights)
        return "keep" if self.same_class and fits and len(self.weights) == len(layer.weights) else "fresh"


@dataclass(frozen=True)
class FreshWeights:
    """New values from the layer's own initializers, for every weight of the layer, or for those of `keys`."""

    path: str
    keys: tuple[str, ...] | None = None

    def apply(self, draft: Draft) -> None:
        parent, name = draft.parent(self.path), split_path(self.path)[1]
        layer = parent.layers[name]
        weights = tuple(
            replace(w, source=Fresh(w.initializer)) if self.keys is None or w.key in self.keys else w
            for w in layer.weights
        )
        parent.put(name, replace(layer, weights=weights))


@dataclass(frozen=True)
class SetWeights:
    """Where the values of some weights of a layer come from, by key, once every shape is proved."""

    path: str
    sources: tuple[tuple[str, WeightSource], ...]

    def apply(self, draft: Draft) -> None:
        parent, name = draft.parent(self.path), split_path(self.path)[1]
        layer, sources = parent.layers[name], dict(self.sources)
        weights = tuple(replace(w, source=sources.pop(w.key, w.source)) for w in layer.weights)
        if sources:
            raise PromiseBroken(f"'{self.path}' has no weights {sorted(sources)} to set")
        parent.put(name, replace(layer, weights=weights))


StructureEdit = (
    AddLayer
    | RemoveLayer
    | Redirect
    | SetOutputs
    | UpdateConfig
    | SetArguments
    | FeedInput
    | RenameLayer
    | FreshWeights
)
Edit = StructureEdit | CarryWeights | SetWeights


def apply_edits(
    model: ModelSpec, edits: Iterable[Edit], prove: Prove, later: list[CarryWeights | SetWeights] | None = None
) -> ModelSpec:
    """The model after the edits, with every shape proved.

    Args:
        model: The model before.
        edits: The edits, in order.
        prove: Proves the shapes.
        later: Takes the edits of weights whose layer is not proved yet, where `prove` leaves some open.

    Raises:
        NameTaken, WeightMismatch, ShapeMismatch: when an edit cannot be.
    """
    edits = tuple(edits)
    carried = [edit for edit in edits if isinstance(edit, CarryWeights | SetWeights)]
    changed = _applied(model, (edit for edit in edits if not isinstance(edit, CarryWeights | SetWeights)))
    # How many tensors a layer makes is known only when it is proved.
    proved = as_graph(prove(changed), before=model)
    if later is not None:
        later += [edit for edit in carried if is_open(proved[edit.path])]
        carried = [edit for edit in carried if not is_open(proved[edit.path])]
    # Which weights fit is known only when every shape is proved.
    return _settled(_applied(proved, carried) if carried else proved)


def is_open(layer: LayerSpec) -> bool:
    """Whether what a layer gives, and which variables it has, is not proved."""
    return not layer.is_input and any(len(call.inputs) < len(call.refs()) for call in layer.calls)


def _applied(model: ModelSpec, edits: Iterable[Edit]) -> ModelSpec:
    draft = Draft(model)
    for is_rename, group in groupby(edits, lambda edit: isinstance(edit, RenameLayer)):
        if is_rename:
            _rename_all(draft, [edit for edit in group if isinstance(edit, RenameLayer)])
        else:
            for edit in group:
                edit.apply(draft)
    return draft.freeze()


def _rename_all(draft: Draft, edits: Iterable[RenameLayer]) -> None:
    names: dict[str, dict[str, str]] = {}
    for edit in edits:
        inside, name = split_path(edit.path)
        names.setdefault(inside, {})[name] = edit.name
    for inside, changes in names.items():
        _rename(draft.model_at(inside), changes)


def _rename(model: Draft, names: Mapping[str, str]) -> None:
    """Renames layers of one model at once.

    Raises:
        NameTaken: two layers would have one name.
    """
    taken = set(model.layers) - set(names)
    for new in names.values():
        if new in taken:
            raise NameTaken(
                f"a layer called '{new}' is there already",
                expected="a name that no other layer of the model has",
                fix=f"for instance: {free_name(new, {**model.layers, **dict.fromkeys(taken)})}; "
                "layers that swap names do so in one operation: {op: rename, layers: {a: b, b: a}}",
            )
        taken.add(new)
    model.rename(names)


def _settled(model: ModelSpec) -> ModelSpec:
    """The model with every source in the dtype, and with the initializer, that its variable has now."""
    layers = tuple(map(_settled_layer, model.layers))
    is_same = all(one is other for one, other in zip(layers, model.layers, strict=True))
    return model if is_same else replace(model, layers=layers)


def _settled_layer(layer: LayerSpec) -> LayerSpec:
    found = [in_dtype(initialized_by(weight.source, weight.initializer), weight.dtype) for weight in layer.weights]
    inner = layer.inner and _settled(layer.inner)
    if inner is layer.inner and all(weight.source == now for weight, now in zip(layer.weights, found, strict=True)):
        return layer
    weights = tuple(replace(weight, source=now) for weight, now in zip(layer.weights, found, strict=True))
    return replace(layer, weights=weights, inner=inner)


def _with_flag(value: Any, is_trainable: bool) -> Any:
    """A config in which the layers that it holds (a wrapper's layer, a cell) have the flag of the layer around them.

    Setting the flag of a live Keras layer does this; a loaded layer whose config does not say so trains what is in it.
    """
    match value:
        case {"class_name": str(), "config": {"trainable": bool(), **rest} as config}:
            inside = {key: _with_flag(item, is_trainable) for key, item in rest.items()}
            flagged = {key: is_trainable if key == "trainable" else inside[key] for key in config}
            return {**value, "config": flagged}
        case Mapping():
            return {key: _with_flag(item, is_trainable) for key, item in value.items()}
        case list() | tuple():
            return [_with_flag(item, is_trainable) for item in value]
        case _:
            return value


def _carry(path: str, layer: LayerSpec, new: WeightSpec, old: WeightSpec | None, policy: Policy) -> WeightSpec:
    if policy == "fresh" or (old is None and policy == "overlap"):
        return replace(new, source=Fresh(new.initializer))
    if old is None or old.shape != new.shape:
        if old is not None and old.shape != new.shape and _is_partly_fresh(old.source):
            raise _cannot_move(path, new)
        if policy == "overlap" and old is not None:
            return replace(new, source=_overlap(new, old))
        if old is not None and policy in ("resample", "resample_grid"):
            return replace(new, source=resampled(layer, new, old, is_grid=policy == "resample_grid"))
        raise _cannot_keep(path, new, old)
    return replace(new, source=old.source)


def _overlap(new: WeightSpec, old: WeightSpec) -> WeightSource:
    fresh = Fresh(new.initializer)
    has_corner = len(old.shape) == len(new.shape) and not isinstance(old.source, Fresh)
    return Overlap(old.source, fresh) if has_corner else fresh


def _is_partly_fresh(source: WeightSource) -> bool:
    return has_fresh(source) and not isinstance(source, Fresh)


def _cannot_move(path: str, new: WeightSpec) -> WeightMismatch:
    return WeightMismatch(
        f"some values of the {new.name} of '{path}' are made by an initializer, so that they cannot be taken to another shape",
        expected="weights that are in a file",
        fix="weights: fresh initializes anew; or do one of the two in a recipe of its own",
        field=("weights",),
    )


def _cannot_keep(path: str, new: WeightSpec, old: WeightSpec | None) -> WeightMismatch:
    had = f"was {shape_text(old.shape)}" if old else "was not there"
    return WeightMismatch(
        f"the {new.name} of '{path}' is {shape_text(new.shape)} and {had}, so it cannot be kept",
        expected="the same shape, where weights are kept",
        fix="weights: overlap keeps the common corner, weights: fresh initializes anew",
        field=("weights",),
    )


def to_json(edit: Edit) -> Mapping[str, Any]:
    """An edit as a plain document, for plans and reports."""
    match edit:
        case AddLayer(inside, layer):
            body: dict[str, Any] = {
                "inside": inside,
                "layer": layer.name,
                "class_name": layer.class_name,
                "inbound": list(layer.inbound),
            }
            body |= {"calls": [dict(call) for call in calls]} if (calls := told_calls(layer)) else {}
        case RemoveLayer(path, calls):
            body = {"path": path} | ({"calls": [dict(call) for call in calls]} if calls else {})
        case Redirect(inside, old, new, consumers, outputs):
            body = {"inside": inside, "old": str(old), "new": str(new), "outputs": outputs}
            body |= {} if consumers is None else {"consumers": list(consumers)}
        case SetOutputs(inside, outputs):
            body = {"inside": inside, "outputs": _texts(outputs)}
        case UpdateConfig(path, changes):
            body = {"path": path, "changes": dict(changes)}
        case SetArguments(path, changes):
            body = {"path": path, "call": dict(changes)}
        case FeedInput(path, tensors, name):
            body = {"path": path, "tensors": [str(ref) for ref in tensors], "input": name}
        case RenameLayer(path, name):
            body = {"path": path, "name": name}
        case CarryWeights(path, _, policy, _, giver):
            body = {"path": path, "weights": policy or "keep where they fit, else fresh"}
            body |= {"from": giver} if giver else {}
        case SetWeights(path, sources):
            body = {"path": path, "weights": {key: source.describe(path) for key, source in sources}}
        case FreshWeights(path, keys):
            body = {"path": path} | ({} if keys is None else {"keys": list(keys)})
    return {"edit": type(edit).__name__, **body}


def _texts(structure: Any) -> Any:
    match structure:
        case TensorRef():
            return str(structure)
        case list() | tuple():
            return [_texts(item) for item in structure]
        case Mapping():
            return {key: _texts(value) for key, value in structure.items()}
        case _:
            return structure
