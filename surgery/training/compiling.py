"""The optimizer, loss and metrics of a stage, and what keeps them from being made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from surgery.errors import InvalidValue, SurgeryError
from surgery.recipe.training import Stage
from surgery.training.layers import output_names
from surgery.training.loss_scale import within
from surgery.training.objects import live, live_callback
from surgery.training.optimizer_state import handing_on
from surgery.training.outputs import for_each
from surgery.training.place import Field
from surgery.training.rates import Pace, paced
from surgery.training.setting import StageWork


def compile_for(
    model: Any, work: StageWork, trust: Sequence[str], steps: int | None = None, precision: str = "float32"
) -> None:
    """Compiles a model for a stage: a fresh optimizer, and a training function that obeys the flags as they are now.

    Args:
        model: The model.
        work: The stage.
        trust: The modules whose code may be imported.
        steps: Those of an epoch, where they are known.
        precision: The dtype policy.
    """
    stage, place = work.stage, work.field
    pace = Pace(work.rates, warmup_steps(stage, steps, place))

    def changed(optimizer: Any) -> Any:
        optimizer = paced(optimizer, model, pace)
        return handing_on(optimizer, goes_on=work.goes_on) if work.goes_on or work.hands_on else optimizer

    outputs = output_names(model)
    losses = [live(stage.losses[keys], trust, (*place, *keys)) for keys in map(stage.loss_keys, outputs)]
    model.compile(
        optimizer=within(live(stage.optimizer, trust, (*place, "optimizer")), precision, changed),
        auto_scale_loss=False,  # which would look at the policy of the model, not of its layers
        loss=losses[0] if len(losses) == 1 else losses,
        loss_weights=[stage.loss_weights.get(name, 1.0) for name in outputs] if stage.loss_weights else None,
        metrics=for_each(
            len(outputs),
            lambda: [live(metric, trust, (*place, "metrics", n)) for n, metric in enumerate(stage.metrics)],
        ),
    )


def warmup_steps(stage: Stage, steps: int | None, place: Field) -> int:
    """The steps of a stage's warm-up; 0 is none.

    Raises:
        InvalidValue: It lasts epochs, and nobody knows how long these are.
    """
    if stage.warmup is None:
        return 0
    if stage.warmup.steps is not None:
        return stage.warmup.steps
    if steps is None:
        raise InvalidValue(
            "a warm-up in epochs, and a factory does not say how many steps an epoch has",
            expected="a number of steps",
            fix="warmup: {steps: 100}",
            field=(*place, "warmup"),
        )
    return steps * (stage.warmup.epochs or 0)


def check_objects(work: StageWork, trust: Sequence[str]) -> list[SurgeryError]:
    """What keeps the objects of a stage from being made; asked before the first stage trains."""
    stage, place = work.stage, work.field
    errors: list[SurgeryError] = []
    with TemporaryDirectory() as folder:
        makers = [
            partial(live, stage.optimizer, trust, (*place, "optimizer")),
            *(partial(live, loss, trust, (*place, *keys)) for keys, loss in stage.losses.items()),
            *(partial(live, one, trust, (*place, "metrics", n)) for n, one in enumerate(stage.metrics)),
            *(
                partial(live_callback, one, Path(folder), trust, (*place, "callbacks", n))
                for n, one in enumerate(stage.callbacks)
            ),
        ]
        for make in makers:
            try:
                make()
            except SurgeryError as error:
                errors.append(error)
    return errors
