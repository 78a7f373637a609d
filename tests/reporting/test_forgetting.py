from __future__ import annotations

from surgery.reporting.forgetting import forgetting_table, guard_table
from tests.reporting.run_document import comparison, document, epoch, stage


def test_each_stage_but_the_last_has_a_column_for_the_last_one_is_the_result() -> None:
    head, rows = forgetting_table(document())
    assert head == ["evaluation", "metric", "before", "after head", "after", "drop", "allowed drop", ""]
    assert rows[0] == ["digits 0-4", "accuracy", "1.0000", "0.9875", "0.9800", "0.0200", "0.0500", ""]
    assert rows[1] == ["digits 5-9", "accuracy", "-", "0.5000", "0.9500", "-", "-", ""]


def test_what_a_stage_did_not_measure_is_a_dash() -> None:
    found = document(evaluation=[comparison("other", 1.0, 0.5, 0.1)])
    assert forgetting_table(found)[1] == [["other", "accuracy", "1.0000", "-", "0.5000", "0.5000", "0.1000", "failed"]]


def test_a_run_of_one_stage_has_before_and_after_alone() -> None:
    head, _ = forgetting_table(document(stages=[stage("head", 1, epoch(1, 1.0, 0.5))]))
    assert head[2:4] == ["before", "after"]
    assert forgetting_table(document(stages=[]))[0][2:4] == ["before", "after"]


def test_each_guard_says_what_it_does_and_what_it_adds_to_the_loss() -> None:
    head, rows = guard_table(document())
    assert head == ["guard", "setting", "what it does", "loss after head", "loss after all | <b>"]
    assert rows[0] == [
        "l2_sp (line 20)",
        "strength 0.01",
        "holds 61,605 of 62,250 trained parameters",
        "0.0125",
        "0.0125",
    ]
    assert rows[1][0] == "replay (line 21)"
    assert rows[1][3:] == ["-", "-"]


def test_a_run_without_guards_has_no_rows() -> None:
    plan = {key: value for key, value in document()["plan"].items() if key != "guards"}
    assert guard_table(document(plan=plan))[1] == []
