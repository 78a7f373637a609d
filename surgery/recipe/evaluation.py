"""What is measured before and after, on the source model and on the result."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from surgery.model.keras_object import MetricObject
from surgery.recipe.data import KINDS, CsvData, FactoryData, ImageFolderData, NpzData
from surgery.recipe.part import Part, tag, told_by

EvaluationData = Annotated[
    Annotated[NpzData, Tag(tag("npz"))]
    | Annotated[CsvData, Tag(tag("csv"))]
    | Annotated[ImageFolderData, Tag(tag("image_folder"))]
    | Annotated[FactoryData, Tag(tag("factory"))]
    | Annotated[Literal["validation"], Tag(tag("validation"))],
    told_by(*KINDS, word="validation"),
]
"""A source of samples, or the word `validation` for the validation samples of the training."""


class Evaluation(Part):
    """One measurement: the same samples through the source model and through the result."""

    name: str = Field(min_length=1)
    """What is measured, in words for the report; each its own."""

    data: EvaluationData
    """The samples; `validation` stands for the validation samples of the training."""

    metrics: tuple[MetricObject, ...] = ()
    """What is measured. Default: the names in `max_drop`, or the metrics of the last stage."""

    classes: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=2)] | None = None
    """The classes that the answer is looked for among, by their index: those of the old task, for one. Default: all."""

    batch_size: int = Field(default=32, ge=1)
    """Samples in a step. Default 32. A factory makes its own batches."""

    steps: int | None = Field(default=None, ge=1)
    """Measures so many batches, the first ones. Default: all samples. An endless factory needs it."""

    max_drop: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    """How much worse than the source model the result may be, metric by metric. More: no output, exit status 4."""
