"""Errors of code from outside Keras that a recipe names: said with its own file and line, and never taken for ours or Keras'."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from surgery.errors import CodeFailed, SurgeryError

_FRAME = re.compile(r'^(?P<indent> *)File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<function>\w+)', re.MULTILINE)
"""A frame in the text of a backend's error: tf.data runs generators and functions elsewhere, and keeps no traceback of them."""


def code_failed(error: BaseException, trust: Sequence[str]) -> CodeFailed | None:
    """What to say of an error that trusted code raised, or brought about by a call; None where none of it was at work.

    Args:
        error: What was raised.
        trust: The modules outside Keras that may be imported.
    """
    found = _in_text(str(error), trust) or _in_traceback(error, trust)
    if found is None:
        return None
    place, function, what = found
    return CodeFailed(
        f"{place}, in {function}: {what}",
        expected="code of yours that runs; Keras and surgery only call it",
        fix=f"correct {place}, or what it is given",
    )


@contextmanager
def users_errors(trust: Sequence[str]) -> Iterator[None]:
    """Meanwhile an error that trusted code raises is one of the user's.

    Raises:
        CodeFailed: In place of it.
    """
    try:
        yield
    except SurgeryError:
        raise
    except Exception as error:
        if (failure := code_failed(error, trust)) is None:
            raise
        raise failure from error


Found = tuple[str, str, str]
"""`file:line`, the function, and what is wrong."""


def _in_text(text: str, trust: Sequence[str]) -> Found | None:
    """The innermost frame of a trusted module that the message of an error tells of, and the error that it says was there."""
    files = {getattr(module, "__file__", None) for name, module in [*sys.modules.items()] if _is_trusted(name, trust)}
    frames = [frame for frame in _FRAME.finditer(text) if frame["file"] in files]
    if not frames:
        return None
    last = frames[-1]
    behind = text[last.end() :].splitlines()[1:]
    errors = [
        line
        for line in behind
        if line.strip() and not line.startswith((f"{last['indent']} ", f"{last['indent']}File "))
    ]
    what = (errors or [text])[0].strip()
    return _place(last["file"], int(last["line"])), last["function"], what


def _in_traceback(error: BaseException, trust: Sequence[str]) -> Found | None:
    """The innermost frame of a trusted module, of the error or of what it stands for."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [frame for frame in walk_tb(current.__traceback__) if _is_trusted(_module(frame[0]), trust)]
        if frames:
            frame, line = frames[-1]
            first = (str(current).strip().splitlines() or [""])[0]
            what = f"{type(current).__name__}: {first}".removesuffix(": ")
            return _place(frame.f_code.co_filename, line), frame.f_code.co_name, what
        current = current.__cause__ or current.__context__
    return None


def _module(frame: FrameType) -> str:
    if "__autograph_generated_" in frame.f_code.co_filename:  # TensorFlow's copy of a function, with lines of its own
        return ""
    return str(frame.f_globals.get("__name__", ""))


def _is_trusted(module: str, trust: Sequence[str]) -> bool:
    """As `custom.load` has it: a module, what is below it, or the module of an object that was granted by itself."""
    return any(
        module == granted or module.startswith(f"{granted}.") or module == granted.rpartition(".")[0]
        for granted in trust
        if module and granted
    )


def _place(file: str, line: int) -> str:
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"
