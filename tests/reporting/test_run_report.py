from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from surgery.reporting.run_report import run_report
from surgery.reporting.run_text import run_text
from tests.reporting.run_document import comparison, document


def test_the_report_of_a_run(snapshot: SnapshotAssertion) -> None:
    assert run_report(document(), "curves.svg") == snapshot


def test_the_report_of_a_run_that_only_changed_a_model(snapshot: SnapshotAssertion) -> None:
    assert run_report(document(stages=[], evaluation=[], data={}), None) == snapshot


def test_a_failed_gate_and_a_failed_run_are_said_first() -> None:
    gate = document(status="gate-failed", evaluation=[comparison("old", 1.0, 0.5, 0.1)])
    assert "**A gate failed, so no model was written.**" in run_report(gate, None)
    assert "| 0.5000 | 0.1000 | failed |" in run_report(gate, None)
    failed = run_report(document(status="failed", failure="stage <x>"), None)
    assert "**The run failed: stage &lt;x&gt;**" in failed


def test_names_from_a_recipe_cannot_break_out_of_a_table() -> None:
    report = run_report(document(evaluation=[comparison("a|b<script>\n# c", 1.0, 1.0)]), None)
    assert "<script>" not in report
    assert "\n# c" not in report


def test_the_end_of_a_run_for_a_terminal(snapshot: SnapshotAssertion) -> None:
    assert run_text(document()) == snapshot


def test_a_run_without_training_says_what_was_written() -> None:
    assert run_text(document(stages=[], evaluation=[])).startswith("Written\n  model ")


def test_what_was_computed_once_is_said_with_what_it_saved() -> None:
    told = document(spared=["old: 3 frozen layers for 70 examples computed once in 0.1 s, read 3 times from the cache"])
    told["stages"][0]["frozen_prefix"] = "6 frozen layers computed once for 90 examples: 1.8 MB in 0.4 s"
    number = len(told["stages"][0]["epochs"])
    for text in (run_report(told, None), run_text(told)):
        plain = text.replace("\\", "")
        assert f"1.8 MB in 0.4 s, instead of in each of {number} epochs" in plain
        assert "old: 3 frozen layers for 70 examples computed once in 0.1 s, read 3 times from the cache" in plain
