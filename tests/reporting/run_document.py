"""What `run.json` of a small run holds."""

from __future__ import annotations

from typing import Any


def epoch(number: int, loss: float, accuracy: float) -> dict[str, Any]:
    metrics = {"accuracy": accuracy, "loss": loss, "val_accuracy": accuracy - 0.1, "val_loss": loss + 0.1}
    return {"epoch": number, "seconds": 1.26, "learning_rate": 0.001, "metrics": metrics}


def stage(name: str, asked: int, *epochs: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "epochs_asked": asked,
        "ended_early": len(epochs) < asked,
        "seconds": 75.0,
        "trainable_parameters": 1290,
        "epochs": list(epochs),
        "evaluation": [
            {"evaluation": "digits 0-4", "metric": "accuracy", "value": 0.9875},
            {"evaluation": "digits 5-9", "metric": "accuracy", "value": 0.5},
        ],
        "guards": [{"number": 0, "loss": 0.0125}],
    }


def comparison(name: str, before: float | None, after: float, allowed: float | None = None) -> dict[str, Any]:
    drop = None if before is None else before - after
    failed = allowed is not None and drop is not None and drop > allowed
    values = {"before": before, "after": after, "drop": drop, "allowed": allowed, "failed": failed}
    return {"evaluation": name, "metric": "accuracy", **values}


def guard(name: str, line: int, setting: str, *does: str) -> dict[str, Any]:
    rest = {"parameters": 0, "held": [], "taught": []}
    return {"guard": name, "line": line, "setting": setting, "does": list(does), **rest}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "surgery": 1,
        "status": "done",
        "failure": None,
        "began": "2026-11-22T14:39:20+00:00",
        "recipe": {"name": "digits", "description": "It learns 5-9.", "path": "r.yaml", "parameters": {}, "text": ""},
        "plan": {
            "source": {"model": "base.keras"},
            "parameters": {"before": 61605, "after": 62250},
            "steps": [
                {"op": "replace", "line": 6, "layers": ["predictions"]},
                {"op": "freeze", "line": 12, "layers": ["a", "b", "c", "d", "e", "f|g"]},
            ],
            "guards": [
                guard("l2_sp", 20, "strength 0.01", "holds 61,605 of 62,250 trained parameters"),
                guard("replay", 21, "share 0.25", "each batch of 32 has 8 of o|d.npz"),
            ],
        },
        "seed": 7,
        "device": "cpu, 2 threads",
        "precision": "float32",
        "versions": {"keras": "3.15.1"},
        "digests": {"recipe": "15ab", "model": "8422"},
        "data": {
            "train": {"examples": 1352, "classes": {0: 131, 1: 138}},
            "validation": {"examples": 445, "classes": {}},
        },
        "stages": [
            stage("head", 2, epoch(1, 1.5, 0.5), epoch(2, 1.0, 0.75)),
            stage("all | <b>", 3, epoch(1, 0.5, 0.875)),
        ],
        "evaluation": [comparison("digits 0-4", 1.0, 0.98, 0.05), comparison("digits 5-9", None, 0.95)],
        "timings": {"build": 0.42, "training": 3725.0},
        "notes": ["Weights repeat."],
        "outputs": {"model": "build/digits.keras", "report": "runs/1/report.md", "run": "runs/1/run.json"},
    } | changes
