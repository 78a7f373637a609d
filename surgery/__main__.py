"""`surgery` and `python -m surgery`: what a signal does from the first moment on, then the command."""

import os
import signal
from types import FrameType


def main() -> None:
    """Runs one command and exits. While it is being loaded a signal just ends it, before there is anything to put in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from surgery.cli import main as command

    command()


def _leave(number: int, _frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n" if number == signal.SIGINT else b"terminated\n")
    os._exit(128 + number)


if __name__ == "__main__":
    main()
