"""Writes a result where nothing can be lost: staged, read back, compared with the plan, then put in place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgery.errors import OutputRefused, PromiseBroken, RunFailed, SurgeryError
from surgery.execution.backend import is_installed, load_keras
from surgery.execution.claims import NOT_ALL_NEEDED, NOT_NEEDED, NOT_WANTED, Evidence, claims_of
from surgery.execution.fill import LedgerValues
from surgery.model.archive import Values, open_weights, read_model, write_archive
from surgery.model.archive.staging import claimed
from surgery.model.blocks import is_finite, same_bits
from surgery.model.config import to_config
from surgery.model.library import Library
from surgery.model.prove import prove
from surgery.model.scan import scan
from surgery.model.scan.document import HUB
from surgery.model.spec import ModelSpec, WeightSpec
from surgery.model.weights import has_fresh
from surgery.planning import Plan
from surgery.planning.history import history_of, read_history

if TYPE_CHECKING:
    from numpy.typing import NDArray


def apply_to_file(plan: Plan, output: Path, trust: Sequence[str] = (), prove: bool | None = None) -> Evidence:
    """Writes the model after the plan's operations.

    Keras is imported only for the initial values of new layers, and to load and call what was made of a file of Keras 1 or 2, where
    it is installed; what is kept goes from file to file.

    Args:
        plan: The plan.
        output: The file.
        trust: Modules outside Keras that may be imported.
        prove: Whether to build both models and measure on a small batch that what is not changed computes the same. None: when
            Keras is needed anyway.

    Raises:
        OutputRefused: when the output would replace the source.
        Busy: when another run is writing the same output.
        ModelUnsupported: when an older Keras wrote the source, and Keras 3 cannot load or call what was made of it.
        PromiseBroken: when the written file is not what was planned; nothing is put in place then.
    """
    refuse_input(plan, output)
    with claimed(output), plan.library() as library:
        found = _evidence(plan, trust, prove)
        values = LedgerValues(plan.spec, library, plan.recipe.seed, trust)
        write_result(plan, plan.spec, values, output, trained=(), sources=library)
    return found


def _evidence(plan: Plan, trust: Sequence[str], prove: bool | None) -> Evidence:
    if prove is None:
        prove = any(has_fresh(weight.source) for _, layer in plan.spec.walk() for weight in layer.weights)
        if not prove and plan.source.spec.is_converted and is_installed():
            load_keras()
            from surgery.execution.dry_load import dry_load

            dry_load(plan, trust)
            return Evidence(claims_of(plan), not_measured=NOT_ALL_NEEDED)
        if not prove:
            return Evidence(claims_of(plan), not_measured=NOT_NEEDED)
    if not prove:
        return Evidence(claims_of(plan), not_measured=NOT_WANTED)
    load_keras()
    from surgery.execution.build import build
    from surgery.execution.evidence import evidence

    result = build(plan, trust)
    if plan.source.spec.is_converted:
        from surgery.execution.dry_load import require_callable

        require_callable(plan, result)
    return evidence(plan, result, trust)


def write_result(
    plan: Plan,
    spec: ModelSpec,
    values: Values,
    output: Path,
    trained: Collection[str],
    sources: Library | None = None,
) -> None:
    """Writes a model and checks the file against the plan before it is put in place.

    Args:
        plan: The plan.
        spec: The model as it is to be written: the plan's, with the flags of the last stage.
        values: The values to write.
        output: The file.
        trained: The paths of the layers that training may have changed; of all others every kept variable must be
            bit-identical to the source's.
        sources: The files that the values are read from, where they are open still.
    """
    refuse_input(plan, output)
    write_archive(
        output,
        spec,
        values,
        assets=_assets(plan, spec),
        extra_members=history_of(plan, trained=bool(trained)),
        verify=partial(verify, plan=plan, spec=spec, values=values, trained=trained, sources=sources),
    )


def _assets(plan: Plan, spec: ModelSpec) -> dict[tuple[str, str], bytes]:
    """The vocabularies and the like of the layers that are still there, by where they are now."""
    now = {layer.origin: path for path, layer in spec.walk() if layer.origin}
    with plan.library() as library:
        return {(now[path], name): data for (path, name), data in library.assets().items() if path in now}


def verify(
    path: Path,
    plan: Plan,
    spec: ModelSpec,
    values: Values,
    trained: Collection[str],
    sources: Library | None = None,
) -> None:
    """Reads a written model back and compares it with the plan: what is kept with the source, what is new with what was to be written.

    Raises:
        FileUnreadable: what it was made of is damaged.
        PromiseBroken: at the first thing that is not as planned.
        RunFailed: training left NaN or infinite values.
    """
    if sources is not None:
        sources.compare()
    _scan(path, plan)
    written = prove(read_model(path), again=True, lenient=True)
    if to_config(written)["config"] != to_config(spec)["config"]:
        raise PromiseBroken("the written model has another structure than the plan")
    # Which of them train follows from the config: of classes without a static rule only Keras could tell.
    if written.parameters != spec.parameters:
        raise PromiseBroken(f"the written model has {written.parameters} parameters; the plan has {spec.parameters}")
    with open_weights(path, compare=False) as new, plan.library() as library:
        for layer_path, layer in spec.walk():
            for weight in layer.weights:
                if not weight.is_stored:
                    continue
                kept, found = library.values(weight), new[layer_path, weight.key]
                is_made = kept is None or layer_path in trained
                promised = values[layer_path, weight.key] if kept is None or is_made else kept
                if not _is_same(found, promised):
                    raise PromiseBroken(f"the {weight.name} of '{layer_path}' is not what the ledger says")
                if is_made and not is_finite(found) and not (kept is not None and _is_same(found, kept)):
                    raise _not_finite(layer_path, weight, is_trained=layer_path in trained)


def _not_finite(path: str, weight: WeightSpec, *, is_trained: bool) -> SurgeryError:
    if is_trained:
        return RunFailed(
            f"after the training the {weight.name} of '{path}' holds NaN or infinite values",
            expected="finite values",
            fix="a learning rate 10 times smaller, or clipnorm: 1.0 in the optimizer",
        )
    return PromiseBroken(
        f"the {weight.name} of '{path}' would begin with NaN or infinite values",
        expected=f"finite values from its initializer, {weight.initializer}",
        fix="another initializer, or another dtype",
    )


def _scan(path: Path, plan: Plan) -> None:
    """Holds a written model against the rules for files of strangers, which the next command will apply to it.

    Raises:
        PromiseBroken: a rule refuses it.
    """
    # What a preset or a factory made may hold classes of KerasHub.
    trust = (*plan.trust, HUB) if plan.source.is_made else plan.trust
    verdict = scan(path, trust)
    if not verdict.is_accepted:
        raise PromiseBroken(f"the written model would be refused by surgery scan: {verdict.findings[0]}")


def refuse_input(plan: Plan, output: Path) -> None:
    """Refuses to write over what is read, and to go on from a history that cannot be read: before the training."""
    inputs = [plan.source.path, plan.recipe.path, *map(plan.recipe.resolve, plan.files)]
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise OutputRefused(
                f"the output '{output}' is what the recipe reads",
                expected="a file of its own; the source is never touched",
                fix="choose another path in outputs: model, or with -o",
            )
    if output.suffix != ".keras":
        raise OutputRefused(
            f"the output '{output}' would be no Keras 3 file",
            expected="a path that ends in .keras",
            fix=f"write {output.with_suffix('.keras').name}",
        )
    read_history(plan.source.path)


def _is_same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype) and same_bits(one, other)
