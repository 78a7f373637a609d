"""Two models to their Diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from surgery.model.calling import told_calls
from surgery.model.changes.configs import arguments_of, class_of, config_changes, plain_config
from surgery.model.changes.difference import (
    ABSENT,
    ConfigChange,
    Diff,
    KeyChange,
    LayerEntry,
    Rename,
    Rewiring,
    TrainabilityChange,
    VariableChange,
)
from surgery.model.changes.pairing import Pairing, nodes
from surgery.model.changes.variables import Fresh, Variables, size_of, statistics
from surgery.model.counterparts import counterparts
from surgery.model.fingerprint import Values
from surgery.model.spec import LayerSpec, ModelSpec, TensorRef, WeightSpec, join_path, leaves, split_path

Items = dict[str, LayerSpec]


def diff(
    old: ModelSpec,
    new: ModelSpec,
    old_values: Values | None = None,
    new_values: Values | None = None,
    *,
    fresh: tuple[Fresh, Fresh] | None = None,
    file_size: tuple[int | None, int | None] = (None, None),
) -> Diff:
    """What became of each layer of the old model, and what is new.

    Args:
        old: The model before.
        new: The model after.
        old_values: Its variables' values; without both sides' values only shapes and dtypes are compared.
        new_values: The same of the new model.
        fresh: What the values of both sides follow from that are not made yet.
        file_size: Bytes of both files.
    """
    found = _Comparison(old, new, Variables(old_values, new_values, fresh)).diff()
    return replace(found, file_size=file_size)


class _Comparison:
    def __init__(self, old: ModelSpec, new: ModelSpec, variables: Variables) -> None:
        self.old, self.new, self.variables = old, new, variables
        self.before: Items = dict(nodes(old))
        self.after: Items = dict(nodes(new))
        pairing = Pairing(old, new, variables)
        self.pairs, self.evidence = pairing.found, pairing.taken
        self.back = {new: old for old, new in self.pairs.items()}
        self.survivors = [(self.back[path], path) for path in self.after if path in self.back]

    def diff(self) -> Diff:
        weights, equal = self._weights()
        return Diff(
            old=self.old,
            new=self.new,
            pairs=self.pairs,
            added=tuple(_entry(path, self.after) for path in _outermost(self.after, self.back)),
            removed=tuple(_entry(path, self.before) for path in _outermost(self.before, self.pairs)),
            changed=tuple(self._changed()),
            renamed=tuple(self._renamed()),
            rewired=tuple(self._rewired()),
            trainability=tuple(self._trainability()),
            weights=tuple(weights),
            equal_variables=equal,
            values_compared=self.variables.has_values,
            size=(size_of(self.old), size_of(self.new)),
        )

    def _changed(self) -> Iterator[ConfigChange]:
        values = (*_model_values(self.old, self.new), *self._ends(self.old, self.new, "", ""))
        if values:
            yield ConfigChange("", self.new.class_name, values)
        for old, new in self.survivors:
            before, after = self.before[old], self.after[new]
            values = config_changes(before, after)
            if before.inner and after.inner:
                values += tuple(self._ends(before.inner, after.inner, old, new))
            if values:
                yield ConfigChange(new, class_of(after), values)

    def _ends(self, old: ModelSpec, new: ModelSpec, inside_old: str, inside_new: str) -> Iterator[KeyChange]:
        """Inputs and outputs of a model that are not the ones they were."""
        for key, before, after in (("inputs", old.inputs, new.inputs), ("outputs", old.outputs, new.outputs)):
            moved = [self._moved(ref, inside_old) for ref in leaves(before)]
            if moved != [_place(ref, inside_new) for ref in leaves(after)]:
                yield KeyChange(key, [str(ref) for ref in leaves(before)], [str(ref) for ref in leaves(after)])

    def _moved(self, ref: TensorRef, inside: str) -> tuple[str, int, int] | None:
        """Where a tensor of the old model is in the new one."""
        path = self.pairs.get(join_path(inside, ref.layer))
        return None if path is None else (path, ref.call, ref.output)

    def _renamed(self) -> Iterator[Rename]:
        """Layers whose own name or whose place is another. What only lies in a renamed nested model is not listed."""
        for old, new in self.survivors:
            (inside_old, name_old), (inside_new, name_new) = split_path(old), split_path(new)
            place = self.pairs.get(inside_old) if inside_old else ""
            if name_old != name_new or place != inside_new:
                yield Rename(old, new, class_of(self.after[new]), self.evidence[new])

    def _rewired(self) -> Iterator[Rewiring]:
        for old, new in self.survivors:
            inside_old, inside_new = split_path(old)[0], split_path(new)[0]
            before = [call.refs() for call in self.before[old].calls]
            after = [call.refs() for call in self.after[new].calls]
            moved = [[self._moved(ref, inside_old) for ref in refs] for refs in before]
            if moved != [[_place(ref, inside_new) for ref in refs] for refs in after]:
                yield Rewiring(new, _texts(before, inside_old), _texts(after, inside_new))

    def _trainability(self) -> Iterator[TrainabilityChange]:
        whole = [bool(model.config.get("trainable", True)) for model in (self.old, self.new)]
        if whole[0] != whole[1]:
            yield TrainabilityChange("", *whole)
        for old, new in self.survivors:
            before, after = self.before[old].trainable, self.after[new].trainable
            if before != after:
                yield TrainabilityChange(new, before, after)

    def _weights(self) -> tuple[list[VariableChange], int]:
        changes: list[VariableChange] = []
        equal = 0
        for old, new in self.survivors:
            for before, after in _pairs(self.before[old].weights, self.after[new].weights):
                change = self._variable(old, new, before, after)
                equal += change is None
                changes += [change] if change else []
        return changes, equal

    def _variable(
        self, old: str, new: str, before: WeightSpec | None, after: WeightSpec | None
    ) -> VariableChange | None:
        said = _shapes(new, before, after)
        if before is None or after is None:
            return VariableChange(**said, status="removed" if after is None else "added")
        if before.shape != after.shape:
            return VariableChange(**said, status="reshaped")
        names = (old, before.key), (new, after.key)
        if before.dtype == after.dtype and self.variables.equal(*names):
            return None
        if any(self.variables.made_from(*names)):
            return VariableChange(**said, status="fresh")
        arrays = self.variables.pair(*names)
        return VariableChange(**said, status="changed", statistics=statistics(*arrays) if arrays else None)


def _pairs(
    before: Sequence[WeightSpec], after: Sequence[WeightSpec]
) -> Iterator[tuple[WeightSpec | None, WeightSpec | None]]:
    """The variables of both sides that are the same one; None where a side does not have it."""
    same = counterparts(before, after)
    met = {weight.key for weight in same.values()}
    yield from ((weight, same.get(weight.key)) for weight in before)
    yield from ((None, weight) for weight in after if weight.key not in met)


def _shapes(path: str, before: WeightSpec | None, after: WeightSpec | None) -> dict[str, Any]:
    there = after or before
    assert there is not None
    return {
        "path": path,
        "variable": there.name,
        "key": there.key,
        "old_shape": before.shape if before else None,
        "new_shape": after.shape if after else None,
        "old_dtype": before.dtype if before else None,
        "new_dtype": after.dtype if after else None,
    }


def _model_values(old: ModelSpec, new: ModelSpec) -> tuple[KeyChange, ...]:
    """What the models themselves are, their names aside."""
    before = {"class_name": old.class_name, **plain_config(old.config)}
    after = {"class_name": new.class_name, **plain_config(new.config)}
    return tuple(
        KeyChange(key, before.get(key, ABSENT), after.get(key, ABSENT))
        for key in sorted(before.keys() & after.keys())
        if before[key] != after[key]
    )


def _outermost(items: Items, paired: Mapping[str, str]) -> Iterator[str]:
    """The layers without a partner. One nested model stands for all of its layers when none of them has a partner."""
    whole: set[str] = set()
    with_partner = {container for path in paired for container in _containers(path)}
    for path, layer in items.items():
        if path in paired:
            continue
        if any(container in whole for container in _containers(path)):
            continue
        if layer.inner and path not in with_partner:
            whole.add(path)
        yield path


def _containers(path: str) -> Iterator[str]:
    inside = split_path(path)[0]
    while inside:
        yield inside
        inside = split_path(inside)[0]


def _entry(path: str, items: Items) -> LayerEntry:
    layer, inside = items[path], split_path(path)[0]
    inputs = tuple(join_path(inside, name) for name in layer.inbound)
    arguments = {} if layer.inner else arguments_of(layer)
    return LayerEntry(path, class_of(layer), layer.parameters, inputs, arguments, told_calls(layer))


def _place(ref: TensorRef, inside: str) -> tuple[str, int, int]:
    return join_path(inside, ref.layer), ref.call, ref.output


def _texts(calls: list[tuple[TensorRef, ...]], inside: str) -> tuple[str, ...]:
    return tuple(join_path(inside, str(ref)) for refs in calls for ref in refs)
