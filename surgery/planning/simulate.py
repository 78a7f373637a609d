"""Runs the operations on the spec, one after the other, so that an impossible one fails here, with its line."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from surgery.errors import (
    ContradictoryOperations,
    GraphUnsupported,
    LimitExceeded,
    Location,
    ModelUnsupported,
    NameTaken,
    NothingToDo,
    SurgeryError,
    UnexpectedCount,
    UnknownLayer,
    WeightMismatch,
    flatten,
)
from surgery.model.edits import Edit, Prove, RemoveLayer, RenameLayer, SetArguments, UpdateConfig
from surgery.model.quantization import breaks_quantization, broken_quantization
from surgery.model.spec import ModelSpec, WeightSpec, split_path
from surgery.model.weights import dtype_of, misaligned_cut, shape_of, shape_text
from surgery.operations import Operation, Phase
from surgery.operations.operation import listed
from surgery.operations.trainable import keeps_flag
from surgery.planning.ledger import variables
from surgery.planning.open_shapes import OpenShapes
from surgery.planning.order import arranged, phases
from surgery.planning.plan import Step
from surgery.planning.recipe_order import in_recipe_order

MOST_ERRORS = 100
"""What is reported of one recipe; the rest of such a recipe is noise."""
MOST_EDITS = 200_000
"""A plan holds all of them."""

Locate = Callable[..., Location]
"""The position of an operation's value in the recipe: `locate(number, *keys, mark=...)`."""


@dataclass
class Simulation:
    """The model as the operations so far have left it, the steps taken, and the errors met."""

    source: ModelSpec
    operations: Sequence[Operation]
    locate: Locate
    prove: Prove
    model: ModelSpec = field(init=False)
    open: OpenShapes = field(init=False)
    steps: list[Step] = field(default_factory=list)
    errors: list[SurgeryError] = field(default_factory=list)
    removed_by: dict[str, int] = field(default_factory=dict)
    """Path of a layer of the source that is gone, or replaced under its own name: the operation that did it."""
    set_by: dict[tuple[str, str], int] = field(default_factory=dict)
    """(path, config key) that `reconfigure` set: the operation that did it."""
    misfits: dict[tuple[str, str], int] = field(default_factory=dict)
    """(path, key) of weights that do not fit their layer any more: the operation after which they did not."""

    def __post_init__(self) -> None:
        self.model = self.source
        self.open = OpenShapes(self.prove)
        self._met = {(path, weight.key) for path, _, _, weight in variables(self.source) if _is_unmakeable(weight)}

    def run(self) -> None:
        """Takes every operation in order; an operation in error is left out, and the next ones go on."""
        for phase, numbers in phases(self.operations):
            waiting = deque(arranged(self.operations, numbers, phase, self.model))
            turns = Counter(waiting)
            while waiting and len(self.errors) < MOST_ERRORS:
                number = waiting.popleft()
                if self.open.misfits and self.operations[number].needs_shapes:
                    # It waits for one that mends them; where none does, the misfits are the errors.
                    if any(not self.operations[other].needs_shapes for other in waiting):
                        waiting.append(number)
                    continue
                try:
                    self._take(number)
                except SurgeryError as error:
                    place = self._freed_by(error, waiting)
                    if place is not None and turns[number] <= len(numbers):
                        turns[number] += 1
                        waiting.insert(place + 1, number)
                        continue
                    if not self._follows_from_earlier(error):
                        self.errors += [self._located(each, number) for each in flatten(error)]
                    if isinstance(error, LimitExceeded):
                        break
        self.errors += [self._located(error, number) for number, error in self.open.problems()]
        self.errors += [self._misfit(path, key, number) for (path, key), number in self.misfits.items()]
        self._refine()

    def _freed_by(self, error: SurgeryError, waiting: Sequence[int]) -> int | None:
        """The place in the queue of the operation that takes away the layer whose name another one wants."""
        if not isinstance(error, NameTaken):
            return None
        for place, number in enumerate(waiting):
            with suppress(SurgeryError):
                names = {split_path(path)[1] for path in self.operations[number].targets(self.model)}
                if self.operations[number].takes_layers() and any(f"'{name}'" in error.what for name in names):
                    return place
        return None

    def _take(self, number: int) -> None:
        operation = self.operations[number]
        try:
            layers = operation.targets(self.model)
        except UnknownLayer as error:
            self._refuse_contradiction(number, error)
            if operation.optional:
                return
            raise
        _check_count(operation, layers)
        _check_built(operation, self.model)
        self._refuse_twice(number, layers)
        edits = tuple(operation.edits(self.model))
        if not edits:
            if operation.optional:
                return
            raise _nothing_to_do(operation, layers, self.model)
        self._refuse_reset(number, edits)
        self._refuse_too_much(edits)
        model = in_recipe_order(self.model, self.open.applied(self.model, number, edits), edits)
        self._note(number, edits, model)
        self.model = model
        self.steps.append(Step(operation, number, self.locate(number).line, layers, edits))

    def _note(self, number: int, edits: tuple[Edit, ...], model: ModelSpec) -> None:
        for edit in edits:
            match edit:
                case RemoveLayer(path) | RenameLayer(path):
                    self.removed_by.setdefault(path, number)
                case UpdateConfig(path, changes):
                    for key in changes:
                        self.set_by[path, key] = number
                case SetArguments(path, changes):
                    for key in changes:
                        self.set_by[path, f"call.{key}"] = number
        misfits = {
            (path, weight.key)
            for path, layer, _, weight in variables(model)
            if _is_misfit(weight)
            or (_is_unmakeable(weight) and (path, weight.key) not in self._met)
            or breaks_quantization(layer, weight)
        }
        self.misfits = {key: self.misfits.get(key, number) for key in sorted(misfits)}

    def _refuse_contradiction(self, number: int, error: SurgeryError) -> None:
        """The layer was there, and an earlier operation took it: that is what the user needs to hear."""
        try:
            wanted = self.operations[number].targets(self.source)
        except SurgeryError:
            return
        gone = next((path for path in wanted if path in self.removed_by), None)
        if gone is not None:
            raise self._contradiction(number, self.removed_by[gone], gone, error.field) from error

    def _refuse_twice(self, number: int, layers: tuple[str, ...]) -> None:
        if self.operations[number].phase is Phase.STRUCTURE:
            again = next((path for path in layers if path in self.removed_by), None)
            if again is not None and self.operations[number].takes_layers():
                raise self._contradiction(number, self.removed_by[again], again, ())

    def _refuse_too_much(self, edits: tuple[Edit, ...]) -> None:
        if sum(len(step.edits) for step in self.steps) + len(edits) > MOST_EDITS:
            raise LimitExceeded(
                f"with this one the operations change layers more than {MOST_EDITS} times",
                expected="a recipe whose plan fits into memory",
                fix="leave out operations whose effect a later one takes back",
            )

    def _refuse_reset(self, number: int, edits: tuple[Edit, ...]) -> None:
        if self.operations[number].phase is not Phase.STRUCTURE:
            return
        for edit in edits:
            if isinstance(edit, UpdateConfig | SetArguments):
                prefix, field = ("call.", "call") if isinstance(edit, SetArguments) else ("", "config")
                for key in edit.changes:
                    if (edit.path, prefix + key) in self.set_by:
                        earlier = self.set_by[edit.path, prefix + key]
                        raise self._contradiction(number, earlier, edit.path, (field, key))

    def _contradiction(self, later: int, earlier: int, path: str, field: tuple[str | int, ...]) -> SurgeryError:
        lines = sorted((self.locate(later).line, self.locate(earlier).line))
        return ContradictoryOperations(
            f"works on '{path}', which {self.operations[earlier].op} in line {self.locate(earlier).line} "
            f"takes away or changes (lines {lines[0]} and {lines[1]} contradict each other)",
            expected="operations that can all hold at the end",
            fix=f"take '{path}' out of one of the two, or name the new layer",
            field=field or ("layers",),
        )

    def _follows_from_earlier(self, error: SurgeryError) -> bool:
        """Whether an unknown name may be one that an operation in error would have made."""
        return isinstance(error, UnknownLayer) and any(e for e in self.errors) and self._names_new_layer(error)

    def _names_new_layer(self, error: SurgeryError) -> bool:
        failed = {e.field[0] for e in self.errors if e.field}
        promised = {
            name
            for number, operation in enumerate(self.operations)
            if number in failed
            for name in operation.promised_names()
        }
        return any(f"'{name}'" in error.what for name in promised)

    def _located(self, error: SurgeryError, number: int) -> SurgeryError:
        operation = self.operations[number]
        error.at(self.locate(number, *error.field, mark=error.mark)).prefixed(operation.op)
        error.field = (number, *error.field)
        return error

    def _misfit(self, path: str, key: str, number: int) -> SurgeryError:
        weight = next(w for w in self.model[path].weights if w.key == key)
        if breaks_quantization(self.model[path], weight):
            return self._located(broken_quantization(path, self.model[path], weight), number)
        if not _is_misfit(weight):
            return self._located(_not_initialized(path, weight), number)
        misaligned = misaligned_cut(weight.source)
        needed, source = (
            (weight.shape, weight.source) if misaligned is None else (misaligned.within or weight.shape, misaligned.of)
        )
        old = f"{shape_text(shape_of(source) or needed)} {dtype_of(source) or weight.dtype}"
        return self._located(
            WeightMismatch(
                f"after it the {weight.name} of '{path}' would be {shape_text(needed)} {weight.dtype}, and its weights are {old}",
                expected="weights that fit, or a word on what becomes of them",
                fix=f"add: {{op: reinitialize, layers: {path}}}",
            ),
            number,
        )

    def _refine(self) -> None:
        """Says which freeze or unfreeze a later one refines: the last one that works on some of its layers."""
        paths = [{edit.path for edit in step.edits if isinstance(edit, UpdateConfig)} for step in self.steps]
        last = {path: place for place, mine in enumerate(paths) for path in mine}
        for place, step in enumerate(self.steps):
            later = max((last[path] for path in paths[place]), default=place)
            if step.operation.phase is Phase.TRAINABILITY and later > place:
                shared = len(paths[place] & paths[later])
                remark = f"refined by line {self.steps[later].line} for {shared} of its layers"
                self.steps[place] = replace(step, remark=remark)


def _is_misfit(weight: WeightSpec) -> bool:
    """Whether the values are of another shape or dtype than their variable."""
    is_same_shape = shape_of(weight.source) in (None, weight.shape) and misaligned_cut(weight.source) is None
    return not is_same_shape or dtype_of(weight.source) not in (None, weight.dtype)


def _is_unmakeable(weight: WeightSpec) -> bool:
    """Whether Keras cannot build the variable, though it would be filled afterwards: it needs a QR decomposition. Keras 3.15."""
    return weight.initializer.startswith("Orthogonal") and weight.dtype == "bfloat16"


def _not_initialized(path: str, weight: WeightSpec) -> SurgeryError:
    return GraphUnsupported(
        f"after it the {weight.name} of '{path}' would be {weight.dtype}, and Keras has no {weight.initializer} initializer in it",
        expected="a dtype in which Keras can build the layer",
        fix="mixed_bfloat16 computes in bfloat16, and keeps the variables in float32",
    )


def _check_count(operation: Operation, layers: tuple[str, ...]) -> None:
    if operation.expect is not None and len(layers) != operation.expect:
        raise UnexpectedCount(
            f"matches {len(layers)} layers: {listed(layers)}",
            expected=f"{operation.expect}, as 'expect' says",
            fix=f"correct the selector, or write expect: {len(layers)}",
            field=("expect",),
        )


def _check_built(operation: Operation, model: ModelSpec) -> None:
    if model.inputs is None and operation.phase is Phase.STRUCTURE and operation.op != "rename":
        raise ModelUnsupported(
            f"'{model.name}' is a Sequential that was saved before it knew its input, so no shape can be proved",
            expected="a model that was built or called once",
            fix="call it on one batch, or give it a keras.Input, and save it again",
        )


def _nothing_to_do(operation: Operation, layers: tuple[str, ...], model: ModelSpec) -> SurgeryError:
    state = {"freeze": "already frozen", "unfreeze": "already trainable"}.get(operation.op, "already so")
    if operation.phase is Phase.TRAINABILITY and not any(keeps_flag(model[path]) for path in layers):
        state = "of a class that Keras gives no such flag"
    return NothingToDo(
        f"changes nothing: {listed(layers)} {'is' if len(layers) == 1 else 'are'} {state}",
        expected="an operation that changes something",
        fix="leave it out, or write optional: true where that is fine",
    )
