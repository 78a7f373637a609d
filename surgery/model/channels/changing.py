"""The edits that give layers other channels, with every layer that reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from surgery.errors import GraphUnsupported
from surgery.model.channels.atoms import Atoms, positions
from surgery.model.channels.flow import Flow, trace
from surgery.model.edits import Edit, SetWeights, UpdateConfig
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import NEW, Fresh, Sliced, WeightSource, has_fresh

NewRows = Literal["initializer", "mean", "zero"]


def changed_channels(
    model: ModelSpec, flow: Flow, spaces: Mapping[str, Atoms], new: NewRows = "initializer"
) -> Iterator[Edit]:
    """Edits after which the layers have other channels.

    Args:
        model: The model.
        flow: Its channels, from `trace`.
        spaces: The channels that layers shall have, by path: known ones in any order, and numbers from `flow.total` on for
            new ones.
        new: What weights of new channels get.

    Raises:
        GraphUnsupported: when channels that are joined would not agree in number.
    """
    highest = max((int(atoms.max()) + 1 for atoms in spaces.values() if len(atoms)), default=0)
    after = trace(model, {**flow.spaces, **spaces}, max(flow.total, highest))
    sources: dict[str, list[tuple[str, WeightSource]]] = {}
    for (path, key), axes in flow.uses.items():
        weight = next(weight for weight in model[path].weights if weight.key == key)
        cuts = tuple(_cuts(axes, after.uses[path, key]))
        if cuts:
            sources.setdefault(path, []).append((key, _source(path, weight, cuts, new)))
    for path, settings in after.settings.items():
        changes = {name: value for name, value in settings.items() if value != flow.settings[path][name]}
        if changes:
            yield UpdateConfig(path, changes)
    for path, found in sources.items():
        yield SetWeights(path, tuple(found))


def _cuts(before: Mapping[int, Atoms], after: Mapping[int, Atoms]) -> Iterator[tuple[int, tuple[int, ...]]]:
    for axis, atoms in sorted(before.items()):
        places = positions(atoms)
        rows = tuple(places.get(name, NEW) for name in positions(after[axis]))
        if rows != tuple(range(len(atoms))):
            yield axis, rows


def _source(path: str, weight: WeightSpec, cuts: tuple[tuple[int, tuple[int, ...]], ...], new: NewRows) -> WeightSource:
    if isinstance(weight.source, Fresh):
        return weight.source
    if has_fresh(weight.source):
        raise GraphUnsupported(
            f"some values of the {weight.name} of '{path}' are made by an initializer, so that its rows cannot be moved",
            expected="weights that are in a file",
            fix="do one of the two in a recipe of its own",
        )
    has_new = any(NEW in rows for _, rows in cuts)
    rest = Fresh(weight.initializer) if new == "initializer" else new
    return Sliced(weight.source, cuts, rest if has_new else None, weight.shape)
