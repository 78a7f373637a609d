"""Declarative model surgery for Keras: a YAML recipe changes a trained network, and the plan is a promise.

The public names are loaded when they are first used, so that `import surgery` costs nothing and validating, planning and
comparing never import Keras.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as `typing` has it, which takes its time to import
if TYPE_CHECKING:
    from typing import Any

    from surgery.api import apply, diff, load_plan, lock, plan, read_model, run, save_plan, verify
    from surgery.errors import SurgeryError
    from surgery.recipe import load_recipe

_HOMES = {
    "SurgeryError": "surgery.errors",
    "apply": "surgery.api",
    "diff": "surgery.api",
    "load_plan": "surgery.api",
    "load_recipe": "surgery.recipe",
    "lock": "surgery.api",
    "plan": "surgery.api",
    "read_model": "surgery.api",
    "run": "surgery.api",
    "save_plan": "surgery.api",
    "verify": "surgery.api",
}

__all__ = [
    "SurgeryError",
    "apply",
    "diff",
    "load_plan",
    "load_recipe",
    "lock",
    "plan",
    "read_model",
    "run",
    "save_plan",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'surgery' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
