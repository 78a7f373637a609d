"""Plans: order, contradictions, no-ops, counts, the ledger, costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgery.errors import (
    ContradictoryOperations,
    Errors,
    GraphUnsupported,
    NameTaken,
    NothingToDo,
    ShapeMismatch,
    SurgeryError,
    UnexpectedCount,
    UnknownLayer,
    WeightMismatch,
    flatten,
)
from tests.recipes_text import plan_of


def refused(folder: Path, body: str) -> SurgeryError:
    with pytest.raises(SurgeryError) as caught:
        plan_of(folder, body)
    return caught.value


REHEAD = """
operations:
  - op: freeze
    layers: {to: flatten}
  - op: replace
    layers: predictions
    with:
      - Dense: {units: 10, activation: softmax, name: digits}
    weights: overlap
  - op: insert
    before: digits
    layers:
      - Dropout: {rate: 0.25, name: head_dropout}
"""


def test_structure_comes_before_trainability(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, REHEAD)
    assert [(step.op, step.line) for step in plan.steps] == [("replace", 8), ("insert", 13), ("freeze", 6)]


def test_the_result(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, REHEAD)
    assert [layer.name for layer in plan.spec.layers] == [
        *("image", "conv1", "pool1", "conv2", "flatten", "dense", "head_dropout", "digits"),
    ]
    assert plan.spec.trainable_parameters == sum(plan.spec[name].parameters for name in ("dense", "digits"))


def test_the_ledger_has_a_line_for_every_variable(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, REHEAD)
    lines = {(line.path, line.variable): line.source for line in plan.ledger}
    assert lines["conv1", "kernel"] == "kept"
    assert lines["digits", "kernel"].startswith("overlap of predictions (6, 5), rest fresh, GlorotUniform, seed ")
    assert lines["digits", "bias"].startswith("overlap of predictions (5,), rest fresh, Zeros, seed ")
    assert len(plan.ledger) == 8


def test_what_is_gone_is_said(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations:\n  - {op: truncate, after: conv2}\n")
    dropped = {(line.path, line.variable) for line in plan.ledger if line.source == "dropped"}
    assert dropped == {(path, name) for path in ("dense", "predictions") for name in ("kernel", "bias")}


def test_a_renamed_layer_moves_its_weights(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "operations:\n  - {op: rename, layers: {conv1: stem}}\n")
    assert {line.source for line in plan.ledger if line.path == "stem"} == {"moved from conv1"}


def test_freeze_all_then_unfreeze_some_is_a_refinement(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        operations:
          - {op: freeze, layers: "*"}
          - {op: unfreeze, layers: {last: 2}}
        """,
    )
    assert [layer.name for layer in plan.spec.layers if layer.trainable and not layer.is_input] == [
        "dense",
        "predictions",
    ]
    assert plan.steps[0].remark == "refined by line 7 for 2 of its layers"


@pytest.mark.parametrize(
    ("body", "kind", "line"),
    [
        ('operations:\n  - {op: freeze, layers: "convv*"}\n', UnknownLayer, 6),
        ("operations:\n  - {op: unfreeze, layers: conv1}\n", NothingToDo, 6),
        ('operations:\n  - {op: freeze, layers: "conv*", expect: 3}\n', UnexpectedCount, 6),
        ("operations:\n  - {op: reconfigure, layers: conv1, config: {filters: 4}}\n", NothingToDo, 6),
        (
            "operations:\n  - {op: replace, layers: conv1, with: [{Conv2D: {inherit: true, filters: 8}}]}\n",
            WeightMismatch,
            6,
        ),
        ("operations:\n  - {op: remove, layers: flatten}\n", WeightMismatch, 6),
        ("operations:\n  - {op: insert, before: conv1, layers: [{Flatten: {}}]}\n", ShapeMismatch, 6),
        ("operations:\n  - {op: append, layers: [{Conv2D: {filters: 2, kernel_size: 3}}]}\n", ShapeMismatch, 6),
        (
            "operations:\n  - {op: freeze, layers: conv2}\n  - {op: remove, layers: conv2}\n",
            ContradictoryOperations,
            6,
        ),
        (
            "operations:\n  - {op: replace, layers: dense, with: [{Dense: {units: 6, activation: tanh}}]}\n"
            "  - {op: replace, layers: dense, with: [{Dense: {units: 6, activation: elu}}]}\n",
            ContradictoryOperations,
            7,
        ),
        (
            "operations:\n  - {op: reconfigure, layers: dense, config: {activation: tanh}}\n"
            "  - {op: reconfigure, layers: dense, config: {activation: elu}}\n",
            ContradictoryOperations,
            7,
        ),
        ("operations:\n  - {op: truncate, after: image}\n", GraphUnsupported, 6),
    ],
)
def test_impossible_operations_fail_in_the_plan_with_their_line(
    tmp_path: Path, body: str, kind: type[SurgeryError], line: int
) -> None:
    error = refused(tmp_path, body)
    assert isinstance(error, kind), str(error)
    assert error.location is not None
    assert error.location.line == line
    assert error.fix


def test_a_contradiction_names_both_lines(tmp_path: Path) -> None:
    error = refused(tmp_path, "operations:\n  - {op: freeze, layers: conv2}\n  - {op: remove, layers: conv2}\n")
    assert "lines 6 and 7" in error.what


def test_all_errors_are_reported(tmp_path: Path) -> None:
    error = refused(
        tmp_path,
        """
        operations:
          - {op: freeze, layers: convv1}
          - {op: remove, layers: nothing}
          - {op: insert, before: denze, layers: [{Dropout: {rate: 0.5}}]}
        """,
    )
    assert isinstance(error, Errors)
    assert [each.location.line for each in error.errors if each.location] == [6, 7, 8]


def test_an_error_that_follows_from_another_is_not_reported(tmp_path: Path) -> None:
    error = refused(
        tmp_path,
        """
        operations:
          - {op: replace, layers: predictionz, with: [{Dense: {units: 3, name: head}}]}
          - {op: freeze, layers: head}
        """,
    )
    assert isinstance(error, UnknownLayer)
    assert error.location is not None
    assert error.location.line == 6


def test_optional_operations_may_do_nothing(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        operations:
          - {op: unfreeze, layers: conv1, optional: true}
          - {op: freeze, layers: nothing, optional: true}
        """,
    )
    assert plan.steps == ()


def test_reinitialize_answers_a_misfit(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        operations:
          - {op: reinitialize, layers: conv2}
          - {op: replace, layers: conv1, with: [{Conv2D: {inherit: true, filters: 8}}]}
        """,
    )
    fresh = {line.path for line in plan.ledger if line.source.startswith("fresh")}
    assert fresh == {"conv1", "conv2"}


def test_json_has_the_contract_keys(tmp_path: Path) -> None:
    document = plan_of(tmp_path, REHEAD).to_json()
    assert {"steps", "ledger", "parameters", "trainable_parameters", "layers"} <= set(document)
    assert all({"op", "line", "layers", "edits"} <= set(step) for step in document["steps"])
    assert all({"path", "variable", "source"} <= set(line) for line in document["ledger"])
    assert document["parameters"]["after"] - document["parameters"]["before"] == 7 * 5


def test_stages_set_flags(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"")
    plan = plan_of(
        tmp_path,
        """
        operations:
          - {op: freeze, layers: "conv*"}
        training:
          data:
            train: {npz: data.npz, x: x, y: y}
          stages:
            - {name: head, epochs: 1, optimizer: adam, loss: mse}
            - name: all
              operations:
                - {op: unfreeze, layers: conv2}
              epochs: 1
              optimizer: adam
              loss: mse
        """,
    )
    assert [stage.trainable["conv2"] for stage in plan.stages] == [False, True]
    assert plan.final["conv2"].trainable
    assert not plan.spec["conv2"].trainable


def test_a_stage_does_not_change_the_network(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"")
    error = refused(
        tmp_path,
        """
        training:
          data:
            train: {npz: data.npz, x: x, y: y}
          stages:
            - name: all
              operations:
                - {op: remove, layers: conv2}
              epochs: 1
              optimizer: adam
              loss: mse
        """,
    )
    assert isinstance(error, GraphUnsupported)
    assert error.location is not None
    assert error.location.line == 11


FREED = "{op: rename, layers: {dense: conv2}}"


@pytest.mark.parametrize("other", ["{op: rename, layers: {conv2: other}}", "{op: rename, layers: {conv2: pool1}}"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_name_that_another_operation_frees(tmp_path: Path, other: str, is_first: bool) -> None:
    last = "{op: rename, layers: {pool1: last}}"
    entries = [FREED, other, last] if is_first else [last, other, FREED]
    plan = plan_of(tmp_path, "operations:\n" + "".join(f"  - {entry}\n" for entry in entries))
    assert {line.source for line in plan.ledger if line.path == "conv2"} == {"moved from dense"}
    assert plan.spec.find("last") is not None


def test_names_that_two_operations_exchange(tmp_path: Path) -> None:
    entries = [FREED, "{op: rename, layers: {conv2: dense}}"]
    with pytest.raises(Errors) as caught:
        plan_of(tmp_path, "operations:\n" + "".join(f"  - {entry}\n" for entry in entries))
    assert {type(error) for error in flatten(caught.value)} == {NameTaken}
    assert "in one operation" in str(caught.value)
