"""`prune`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from surgery.errors import GraphUnsupported, SurgeryError, raise_all
from surgery.model.edits import Edit
from surgery.model.select import Selector
from surgery.model.spec import ModelSpec
from surgery.operations.operation import Operation, Phase, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surgery.model.channels import Flow


class Prune(Operation):
    """Take channels out of layers, and out of every layer that depends on them.

    The channels whose kernels have the smallest norm go. Layers whose channels an addition joins lose the same ones, and their
    norms are added up; normalizations, depthwise and separable convolutions, and the kernels of the next layers follow,
    also through activations, pooling, flattening, concatenation, nested and shared layers. The plan shows every variable that
    is cut. Channels that cannot be followed, and those of the model's outputs, are refused with the reason. The weights that
    are left stay as they are.

    Paper: Li et al., Pruning Filters for Efficient ConvNets, 2017.

    Example:

    ```yaml
    - op: prune
      layers: {class: Conv2D}
      fraction: 0.25
      criterion: l2
    ```
    """

    phase = Phase.STRUCTURE
    needs_shapes = True
    reads_files = True

    op: Literal["prune"]

    layers: Selector
    """The layers that lose channels: Dense, Embedding, convolutions."""

    fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of each layer's channels that goes, rounded down; one channel at least is left."""

    keep: Annotated[int, Field(ge=1)] | None = None
    """How many channels of each layer are left."""

    channels: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    """The numbers of the channels that go, counted from 0; for one layer."""

    criterion: Literal["l1", "l2"] = "l1"
    """The norm by which `fraction` and `keep` choose: `l1` or `l2`."""

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name in ("fraction", "keep", "channels") if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "invalid-value",
                f"prune takes one of fraction, keep and channels, and has {' and '.join(given) or 'none'}",
                {
                    "expected": "one of the three",
                    "fix": "fraction: 0.25",
                    "at": (given[1],) if given else (),
                    "mark": "key",
                },
            )
        return self

    def names_layers(self) -> bool:
        """What it cuts depends on the values and the wiring that other operations leave."""
        return False

    def edits(self, model: ModelSpec) -> Iterator[Edit]:
        # NumPy, which they need, would slow down whoever only lists operations.
        import numpy as np

        from surgery.model.channels import changed_channels, trace

        paths, flow = self.targets(model), trace(model)
        _refuse_fixed(flow, paths)
        if self.channels is not None and len(paths) > 1:
            raise _refusal(f"'channels' are those of one layer, and 'layers' picks {listed(paths)}", "one layer")
        roots = {name: flow.joins.roots(atoms) for name, atoms in flow.spaces.items()}
        gone: set[int] = set()
        for group in _groups(paths, roots):
            gone |= self._gone(model, flow, group, roots)
        removed = np.array(sorted(gone), np.int64)
        spaces = {}
        for name, atoms in flow.spaces.items():
            left = ~np.isin(roots[name], removed)
            if not left.all():
                spaces[name] = atoms[left]
            if not left.any():
                raise _refusal(f"no channel of '{name}' would be left")
        if spaces:
            yield from changed_channels(model, flow, spaces)

    def _gone(
        self, model: ModelSpec, flow: Flow, group: tuple[str, ...], roots: dict[str, NDArray[np.int64]]
    ) -> set[int]:
        """The channels that go out of layers whose channels are joined."""
        import numpy as np

        if self.channels is not None:
            return self._given(group, roots)
        mine = np.unique(np.concatenate([roots[path] for path in group]))
        count = self.keep if self.keep is not None else len(mine) - int((self.fraction or 0) * len(mine))
        if count >= len(mine):
            return set()
        norms = self._norms(model, flow, mine, roots)
        order = np.argsort(-norms, kind="stable")
        return set(mine[order[max(1, count) :]].tolist())

    def _given(self, group: tuple[str, ...], roots: dict[str, NDArray[np.int64]]) -> set[int]:
        wanted = self.channels or []
        size = len(roots[group[0]])
        wrong = [channel for channel in wanted if channel >= size]
        if wrong:
            raise GraphUnsupported(
                f"'{group[0]}' has no channel {wrong[0]}",
                expected=f"numbers from 0 to {size - 1}",
                field=("channels", wanted.index(wrong[0])),
            )
        return set(roots[group[0]][wanted].tolist())

    def _norms(
        self, model: ModelSpec, flow: Flow, mine: NDArray[np.int64], roots: dict[str, NDArray[np.int64]]
    ) -> NDArray[np.float64]:
        """For each channel the norm of all kernels that make it."""
        import numpy as np

        total = np.zeros(len(mine))
        for (path, key), axis in flow.made.items():
            weight = next(weight for weight in model[path].weights if weight.key == key)
            if len(weight.shape) < 2 or path not in roots:
                continue
            shared = np.isin(roots[path], mine)
            if not shared.any():
                continue
            values = self.library.values(weight)
            if values is None:
                raise GraphUnsupported(
                    f"the {weight.name} of '{path}' is made by an initializer, so that its norms are not known yet",
                    expected="weights that are in a file",
                    fix="say which channels go, with 'channels', or build the layer with fewer of them",
                    field=("layers",),
                )
            rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype("float64")
            sums = np.abs(rows).sum(1) if self.criterion == "l1" else np.square(rows).sum(1)
            np.add.at(total, np.searchsorted(mine, roots[path][shared]), sums[shared])
        return total if self.criterion == "l1" else np.sqrt(total)


def _groups(paths: Sequence[str], roots: dict[str, NDArray[np.int64]]) -> list[tuple[str, ...]]:
    """The layers in groups that share channels."""
    groups: list[tuple[set[int], list[str]]] = []
    for path in paths:
        mine, members = set(roots[path].tolist()), [path]
        apart = []
        for channels, others in groups:
            if channels & mine:
                mine, members = mine | channels, [*others, *members]
            else:
                apart.append((channels, others))
        groups = [*apart, (mine, members)]
    return [tuple(members) for _, members in groups]


def _refuse_fixed(flow: Flow, paths: Sequence[str]) -> None:
    """Refuses layers whose channels cannot go, each with the reason."""
    fixed = flow.fixed(ends=True)
    errors: list[SurgeryError] = []
    for path in paths:
        atoms = flow.spaces.get(path)
        if atoms is None or not any(owner == path for owner, _ in flow.made):
            errors.append(_refusal(f"'{path}' makes no channels of its own", "Dense, Embedding, a convolution"))
            continue
        reason = next((fixed[root] for root in flow.joins.roots(atoms).tolist() if root in fixed), None)
        if reason is not None:
            errors.append(_refusal(f"the channels of '{path}' cannot go: {reason}"))
    raise_all(errors)


def _refusal(what: str, expected: str = "layers whose channels only layers inside the model read") -> GraphUnsupported:
    return GraphUnsupported(what, expected=expected, fix="take the layer out of 'layers'", field=("layers",))
