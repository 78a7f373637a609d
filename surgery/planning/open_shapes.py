"""What need not hold between two operations, as long as it does at the end: shapes that fit, outputs that are made for those
who read them, and layers that somebody reads.

An Embedding that goes and the input that changes behind it fit together only when both are done, in either order. See
`docs/decisions/0042-shapes-are-proved-at-the-end.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from surgery.errors import GraphUnsupported, ModelInvalid, ShapeUnknown, SurgeryError, flatten
from surgery.model.edits import CarryWeights, Edit, Prove, RenameLayer, SetWeights, apply_edits, is_open
from surgery.model.graph import needed_for
from surgery.model.prove import Misfits
from surgery.model.spec import ModelSpec, join_path
from surgery.operations.operation import listed

Problem = tuple[int, SurgeryError]
"""The number of an operation, and what does not hold since."""


@dataclass
class OpenShapes:
    """The layers that cannot take what they get, that read what is not made, or that nobody reads, each with the operation since
    which it is so."""

    prove: Prove
    misfits: dict[str, Problem] = field(default_factory=dict)
    missing: dict[str, Problem] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[int, CarryWeights | SetWeights]] = field(default_factory=list)
    """What is to be done to weights as soon as their layer is proved, and the operation that asks for it."""
    failed: list[Problem] = field(default_factory=list)

    def applied(self, model: ModelSpec, number: int, edits: Sequence[Edit]) -> ModelSpec:
        """The model after the edits of an operation, and after what earlier ones waited with."""
        found: Misfits = {}
        later: list[CarryWeights | SetWeights] = []
        try:
            model = apply_edits(model, edits, partial(self.prove, misfits=found), later)
        except ModelInvalid as error:
            raise _circular(error) from error
        self._rename({edit.path: edit.name for edit in edits if isinstance(edit, RenameLayer)})
        self.misfits = {
            path: (self.misfits[path][0] if path in self.misfits else number, found[path]) for path in found
        }
        unmade = dict(_unmade(model))
        self.missing = {
            path: (self.missing[path][0] if path in self.missing else number, unmade[path]) for path in unmade
        }
        self.idle = {name: self.idle.get(name, number) for name in _idle(model)}
        waiting, self.waiting = self.waiting, [(number, edit) for edit in later]
        for earlier, edit in waiting:
            model = self._done(model, earlier, edit)
        return model

    def _done(self, model: ModelSpec, number: int, edit: CarryWeights | SetWeights) -> ModelSpec:
        layer = model.find(edit.path)
        if layer is None:
            return model
        if is_open(layer):
            self.waiting.append((number, edit))
            return model
        try:
            return apply_edits(model, (edit,), self.prove)
        except SurgeryError as error:
            self.failed += [(number, each) for each in flatten(error)]
            return model

    def _rename(self, names: Mapping[str, str]) -> None:
        self.misfits = {_renamed(path, names): problem for path, problem in self.misfits.items()}
        self.missing = {_renamed(path, names): problem for path, problem in self.missing.items()}
        self.waiting = [(number, replace(edit, path=_renamed(edit.path, names))) for number, edit in self.waiting]

    def problems(self) -> Iterator[Problem]:
        """What does not hold now."""
        yield from self.failed
        yield from self.misfits.values()
        yield from self.missing.values()
        if self.waiting and not self.misfits:
            yield from ((number, _not_known(edit.path)) for number, edit in self.waiting)
        if self.idle:
            yield next(iter(self.idle.values())), _idle_layers(tuple(self.idle))


def _renamed(path: str, names: Mapping[str, str]) -> str:
    """A path after renames, of the layer or of models around it."""
    parts = path.split("/")
    return "/".join(names.get("/".join(parts[: place + 1]), part) for place, part in enumerate(parts))


def _idle(model: ModelSpec) -> Iterator[str]:
    if model.inputs is not None:
        needed = needed_for(model, model.refs_out()) | {ref.layer for ref in model.refs_in()}
        yield from (layer.name for layer in model.layers if layer.name not in needed)


def _unmade(model: ModelSpec, inside: str = "") -> Iterator[tuple[str, SurgeryError]]:
    """The layers that read an output which another, in the place of the one that they read, does not make."""
    for layer in model.layers:
        if layer.inner:
            yield from _unmade(layer.inner, join_path(inside, layer.name))
    readers = [(join_path(inside, layer.name), call.refs()) for layer in model.layers for call in layer.calls]
    for path, refs in [*readers, (inside, model.refs_out())]:
        for ref in refs:
            made = len(model.by_name[ref.layer].calls[ref.call].outputs)
            if made and ref.output >= made:
                reader = f"'{path}'" if path != inside else "an output of the model"
                yield path, _not_made(reader, join_path(inside, ref.layer), ref.output + 1, made)


def _not_made(reader: str, path: str, number: int, made: int) -> SurgeryError:
    return GraphUnsupported(
        f"{reader} reads output {number} of '{path}', which makes {made}",
        expected=f"a layer that makes at least {number}, or readers that need no more than {made}",
        fix=f"replace what reads it, too, or give '{path}' as many outputs: return_state: true",
    )


def _circular(error: ModelInvalid) -> SurgeryError:
    return GraphUnsupported(
        error.what,
        expected="layers that read what comes before them",
        fix="name in 'inputs' layers that do not themselves need the layer that is to read them",
    )


def _not_known(path: str) -> SurgeryError:
    return ShapeUnknown(
        f"the shapes of '{path}' are not known, so that nothing says which of its weights can be kept",
        expected="a layer whose inputs have known shapes",
        fix="save the model with the Keras that made it, once it has been called",
    )


def _idle_layers(names: tuple[str, ...]) -> SurgeryError:
    return GraphUnsupported(
        f"nothing would read {listed(names)} any more, and Keras would drop it in silence",
        expected="every layer on a way to an output",
        fix=f"add: {{op: remove, layers: {names[0]}}}",
    )
