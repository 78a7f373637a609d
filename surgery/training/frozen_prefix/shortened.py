"""A stage without its frozen prefix: the tail of the model, and features in place of the examples' inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from surgery.planning.prefix import Prefix
from surgery.training.data.examples import Examples, Indices, Stream
from surgery.training.frozen_prefix.agreement import Agreement, agreement
from surgery.training.frozen_prefix.features import Budget, Featured, featured, prefix_key
from surgery.training.frozen_prefix.halves import Halves, halves
from surgery.training.stops import is_out_of_memory


@dataclass(frozen=True)
class Shortened:
    """What a stage trains, on what."""

    model: Any
    train: Examples | Stream
    validation: Examples | Stream | None
    described: str | None = None
    """What was computed once for it, in a sentence."""
    agreement: Agreement | None = None
    """How near the features and the rest of the network come to the whole one, where they were compared."""
    whole_because: str | None = None
    """Why the whole network trains though the plan has a cut, where it does."""


def shortened(
    whole: Shortened,
    prefix: Prefix,
    batch_size: int,
    budget: Budget | None,
    device: str,
    precision: str,
    order: Callable[[int], Indices] | None = None,
    known: Agreement | None = None,
) -> Shortened:
    """The stage without its prefix. Itself where there is none, where it has no room, where examples come in a stream, and where
    features do not come near enough to what the whole network computes.

    Args:
        whole: The whole model and its examples.
        prefix: Where the plan cuts.
        batch_size: The examples of a step.
        budget: How much room features may take; None computes everything in every step.
        device: `cpu` or `gpu`.
        precision: The dtype policy.
        order: The order of the training examples of an epoch; None where it is the stored one.
        known: What a comparison came to with which an interrupted stage began.
    """
    if not prefix.cut or budget is None or isinstance(whole.train, Stream) or isinstance(whole.validation, Stream):
        return whole
    cut = halves(whole.model, prefix)
    key = prefix_key(prefix, cut.prefix, device, precision)
    try:
        parts = [
            featured(data, cut.prefix, key, batch_size, budget)
            for data in (whole.train, whole.validation)
            if data is not None
        ]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return replace(
                whole, whole_because="its features have no fixed size, or there is no room for them under cache"
            )
        near = known or _compared(whole, cut, found, batch_size, order, precision)
    except Exception as error:
        if is_out_of_memory(error):
            return replace(whole, whole_because="its features do not fit into the memory")
        raise
    if not near.is_near:
        return replace(whole, agreement=near, whole_because=_too_far(near))
    train, *validation = (part.examples for part in found)
    return Shortened(cut.tail, train, next(iter(validation), None), _described(prefix, found), near)


def _compared(
    whole: Shortened,
    cut: Halves,
    found: list[Featured],
    batch_size: int,
    order: Callable[[int], Indices] | None,
    precision: str,
) -> Agreement:
    """The training examples in the order of the stage, those of the validation in the stored one."""
    near: Agreement | None = None
    for data, part, drawn in zip((whole.train, whole.validation), found, (order, None), strict=False):
        assert not isinstance(data, Stream | None)
        one = agreement(whole.model, cut, data, part.examples, batch_size, drawn, precision)
        near = one if near is None else near.and_also(one)
    assert near is not None
    return near


def _described(prefix: Prefix, found: list[Featured]) -> str:
    reused = "read from the cache" if all(part.is_reused for part in found) else "computed once"
    count, size = sum(len(part.examples) for part in found), sum(part.size for part in found)
    seconds = sum(part.seconds for part in found)
    layers = "1 frozen layer" if len(prefix.layers) == 1 else f"{len(prefix.layers)} frozen layers"
    return f"{layers} {reused} for {count:,} examples: {size / 1e6:.1f} MB in {seconds:.1f} s"


def _too_far(near: Agreement) -> str:
    return f"features differ from what it computes by {near.difference:.0e} of the largest value, and {near.tolerance:g} is allowed"
