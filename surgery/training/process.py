"""In which process a run is carried out: in this one, or in a child that has the backend which the recipe asks for.

Keras takes its backend when it is imported, once for all. A child gets the plan itself, so that what was planned is what runs,
through a pipe that stays open: when this process dies, the pipe ends, and the child ends its run in order. It has a session
of its own: Ctrl-C in a terminal reaches this process alone, which passes the signal on and waits.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from surgery.errors import ExtraMissing, RunFailed, raise_all
from surgery.execution.backend import load_keras
from surgery.execution.stopping import Stopped
from surgery.planning import Plan
from surgery.planning.stack import backend, backend_of
from surgery.training.result import RunResult

CHILD = "surgery.training.child"


def carry_out(plan: Plan, **options: Any) -> RunResult:
    """Carries out a plan, as `surgery.training.run.run` does, with the backend of its recipe.

    Raises:
        ExtraMissing: That backend is not installed.
        RunFailed: The child was killed; and whatever `run` raises.
    """
    computing = backend_of(plan.recipe)
    if plan.recipe.training is not None and plan.recipe.training.backend is not None:
        _require(computing, plan)
    if computing != backend():
        return _in_child(plan, computing, options)
    load_keras()
    from surgery.training.run import run

    return run(plan, **options)


def _require(computing: str, plan: Plan) -> None:
    if find_spec(computing) is None:
        raise ExtraMissing(
            f"backend: {computing}, and {computing} is not installed",
            expected=f"{computing} beside Keras",
            fix=f"pip install 'keras-surgery[{computing}]'",
            location=plan.recipe.location("training", "backend"),
        )


def _in_child(plan: Plan, computing: str, options: dict[str, Any]) -> RunResult:
    with tempfile.TemporaryDirectory(prefix="surgery-") as folder:
        answer = Path(folder) / "answer"
        child, stopped = _run(computing, answer, pickle.dumps((plan, options)))
        try:
            kind, value = pickle.loads(answer.read_bytes())
        except FileNotFoundError:
            raise stopped or _died(computing, child.returncode) from None
    if isinstance(stopped, KeyboardInterrupt) or (stopped and kind == "done"):
        raise stopped
    return _result(kind, value)


def _result(kind: str, value: Any) -> RunResult:
    """What the child answers; what stopped it is raised here as it was there."""
    match kind:
        case "done":
            return RunResult(*value)
        case "refused":
            raise_all(value)
        case "stopped":
            raise Stopped(value)
    error = RuntimeError(value.strip().splitlines()[-1])
    error.add_note(value)
    raise error


def _run(computing: str, answer: Path, work: bytes) -> tuple[subprocess.Popen[bytes], BaseException | None]:
    """Runs the child to its end; and what told this process to stop meanwhile."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    stopped: BaseException | None = None
    with subprocess.Popen(
        [sys.executable, "-P", "-m", CHILD, str(answer)],
        stdin=subprocess.PIPE,
        env=os.environ | {"KERAS_BACKEND": computing, "PYTHONPATH": path},
        start_new_session=True,
    ) as child:
        assert child.stdin is not None
        try:
            with suppress(BrokenPipeError):
                child.stdin.write(work)
                child.stdin.flush()
            child.wait()
        except (Stopped, KeyboardInterrupt) as stop:
            stopped = stop
            child.send_signal(stop.number if isinstance(stop, Stopped) else signal.SIGINT)
            child.wait()
    return child, stopped


def _died(computing: str, status: int) -> RunFailed:
    how = f"was killed by signal {-status} ({signal.Signals(-status).name})" if status < 0 else f"ended with {status}"
    return RunFailed(
        f"the child process that ran on {computing} {how}, and said nothing",
        expected="memory enough for the model and a batch; nothing was written in place of the output",
        fix="run it again; a smaller batch_size, if the system killed it for its memory",
    )
