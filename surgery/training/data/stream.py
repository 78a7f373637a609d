"""Batches that somebody else's code streams: how many there are, and so many of them as an epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from surgery.errors import DataInvalid, SurgeryError
from surgery.training.data.examples import Stream
from surgery.training.place import Field

ENDLESS, UNKNOWN = -1, -2
"""What `tf.data` says instead of a number of batches."""


def is_streamed(made: Any) -> bool:
    """Whether what a factory returned streams batches, as Keras takes them."""
    return isinstance(made, keras.utils.PyDataset) or hasattr(made, "cardinality")


def stream_of(made: Any) -> Stream:
    """A `tf.data.Dataset` or a `keras.utils.PyDataset`, with as many batches as it says."""
    if isinstance(made, keras.utils.PyDataset):
        batches = made.num_batches
        return Stream(made, math.inf if batches is None else batches)
    count = int(made.cardinality())
    return Stream(made, {ENDLESS: math.inf, UNKNOWN: None}.get(count, count))


def first_batch(stream: Stream) -> Any:
    """The batch that an iteration begins with; None where there is none."""
    if isinstance(stream.source, keras.utils.PyDataset):
        return stream.source[0]
    return next(iter(stream.source.take(1)), None)


def check_stream(stream: Stream, steps: int | None, key: str, place: Field) -> list[SurgeryError]:
    """What keeps a stream from being gone through.

    Args:
        stream: The stream.
        steps: How many batches are asked for; None for all.
        key: Where the recipe says so: `steps_per_epoch`.
        place: Where that key stands, or would stand.
    """
    if stream.batches == 0:
        return [DataInvalid("the factory's dataset has no batches", expected="at least one")]
    if stream.batches == math.inf and steps is None:
        what = "the factory's dataset never ends, and nothing says how much of it is taken"
        return [DataInvalid(what, expected="a number of batches, or no .repeat()", fix=f"{key}: 100", field=place)]
    if key != "steps_per_epoch" and steps is not None and stream.batches is not None and steps > stream.batches:
        what = f"{key} is {steps}, and the factory's dataset has {stream.batches} batches"
        fix = f"{key}: {stream.batches}, or leave it out"
        return [DataInvalid(what, expected=f"at most {stream.batches}", fix=fix, field=(*place, key))]
    return []


def in_steps(stream: Stream, steps: int | None) -> Any:
    """What `fit` takes where an epoch has so many steps: it goes on behind the last epoch, and begins anew at the end.

    Keras 3.15 would end the epoch early in which the data run out, with a warning.
    """
    source = stream.source
    if steps is None or stream.batches == math.inf or steps == stream.batches:
        return source
    return RoundAndRound(source) if isinstance(source, keras.utils.PyDataset) else source.repeat()


@contextmanager
def to_their_end() -> Iterator[None]:
    """Meanwhile Keras does not warn where batches end whose number nobody knew; it is how an epoch of them ends."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        yield


class RoundAndRound(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of another one, again and again.

    Args:
        whole: The other one.
    """

    num_batches = None

    def __init__(self, whole: Any) -> None:
        super().__init__(whole.workers, whole.use_multiprocessing, whole.max_queue_size)
        self._whole = whole

    def __getitem__(self, index: int) -> Any:
        number, place = divmod(index, self._whole.num_batches)
        if number and not place:
            self._whole.on_epoch_end()
        return self._whole[place]
