"""What is said of an error that is ours: one message, and a log to paste."""

from __future__ import annotations

import io
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from surgery.cli.output import version_lines


def bug_text(error: Exception, arguments: Sequence[str]) -> str:
    """Writes the log, and says where it is.

    Args:
        error: What nobody foresaw.
        arguments: The command line.
    """
    log = io.StringIO()
    print(*version_lines(), f"surgery {' '.join(arguments)}", sep="\n", file=log)
    traceback.print_exception(error, file=log)
    return (
        f"error[bug]: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}\n"
        f"  expected: nothing of the kind; this is a bug of surgery, not of your recipe\n"
        f"  fix:      please report it with {_kept(log.getvalue())}"
    )


def _kept(log: str) -> str:
    """Where the log is; where nothing can be written, what of it matters most."""
    try:
        with tempfile.NamedTemporaryFile("wb", prefix="surgery-bug-", suffix=".log", delete=False) as file:
            try:
                file.write(log.encode("utf-8", "backslashreplace"))
                file.flush()
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError:
        places = [line.strip() for line in log.splitlines() if line.strip().startswith("File ")]
        return f"these lines, for no log can be written: {'; '.join(places[-3:])}"
    return f"this file: {file.name}"
