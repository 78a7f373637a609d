"""A run in a process of its own, for a backend that another process does not have: `python -m surgery.training.child ANSWER`.

The plan comes through standard input, which stays open as long as the parent lives. What the run left, or what ended it, is
written to the file ANSWER; progress goes where that of the parent goes.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from surgery.errors import SurgeryError, flatten
from surgery.execution.backend import load_keras
from surgery.execution.stopping import Stopped, obey_signals, of_the_machine
from surgery.planning import Plan


def main() -> None:
    """Carries out what comes in, and answers."""
    obey_signals()
    try:
        plan, options = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        answer = _answer(plan, options)
    except Stopped as stop:
        answer = ("stopped", stop.number)
    place = Path(sys.argv[1])
    staged = place.with_suffix(".part")
    staged.write_bytes(pickle.dumps(answer))
    staged.replace(place)


def _answer(plan: Plan, options: dict[str, Any]) -> tuple[str, Any]:
    """How the run ended, in words and values that the parent can read without Keras."""
    try:
        load_keras()
        from surgery.training.run import run

        result = run(plan, **options)
    except SurgeryError as error:
        return "refused", flatten(error)
    except Exception as error:  # noqa: BLE001 - whatever else it is, the parent says that it is our bug
        failure = of_the_machine(error)
        return ("refused", [failure]) if failure else ("bug", "".join(traceback.format_exception(error)))
    return "done", (result.document, result.folder, result.model)


def _end_with_parent() -> None:
    """Waits for the end of the pipe: then nobody reads the answer, and the run ends in order."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
