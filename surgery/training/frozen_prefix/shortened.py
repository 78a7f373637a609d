"""A stage without its frozen prefix: the tail of the model, and features in place of the examples' inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from surgery.planning.prefix import Prefix
from surgery.training.data.examples import Examples, Stream
from surgery.training.frozen_prefix.features import Budget, Featured, featured, prefix_key
from surgery.training.frozen_prefix.halves import halves
from surgery.training.stops import is_out_of_memory


@dataclass(frozen=True)
class Shortened:
    """What a stage trains, on what; and what was computed once for it, in a sentence."""

    model: Any
    train: Examples | Stream
    validation: Examples | Stream | None
    described: str | None = None


def shortened(
    whole: Shortened, prefix: Prefix, batch_size: int, budget: Budget | None, *circumstances: str
) -> Shortened:
    """The stage without its prefix; itself where there is none, where it has no room, or examples come in a stream.

    Args:
        whole: The whole model and its examples.
        prefix: Where the plan cuts.
        batch_size: The examples of a step.
        budget: How much room features may take; None computes everything in every step.
        circumstances: What else decides what comes out: device, precision.
    """
    if not prefix.cut or budget is None or isinstance(whole.train, Stream) or isinstance(whole.validation, Stream):
        return whole
    cut = halves(whole.model, prefix)
    key = prefix_key(prefix, cut.prefix, *circumstances)
    try:
        train = featured(whole.train, cut.prefix, key, batch_size, budget)
        if train is None:
            return whole
        validation = None
        if whole.validation is not None:
            validation = featured(whole.validation, cut.prefix, key, batch_size, budget)
            if validation is None:
                return whole
    except Exception as error:
        if is_out_of_memory(error):
            return whole
        raise
    looked_at = None if validation is None else validation.examples
    return Shortened(cut.tail, train.examples, looked_at, _described(prefix, train, validation))


def _described(prefix: Prefix, *parts: Featured | None) -> str:
    found = [part for part in parts if part is not None]
    reused = "read from the cache" if all(part.is_reused for part in found) else "computed once"
    count, size = sum(len(part.examples) for part in found), sum(part.size for part in found)
    seconds = sum(part.seconds for part in found)
    return f"{len(prefix.layers)} frozen layers {reused} for {count:,} examples: {size / 1e6:.1f} MB in {seconds:.1f} s"
