"""The process that reads strangers' files, as the one that asks knows it: started, asked, ended.

libhdf5 hangs and crashes on some files, and takes a sixth of a second to load. So one process loads it while the command loads
what it needs itself, and then reads each file in a copy of itself (`surgery.model.scan.child`). Nothing heavy may be imported here:
a command starts the process before it does anything else.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0
"""How long the process may take until it has loaded everything, on a machine that does much else."""
STATUS_BYTES = 4

_START = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n'); from surgery.model.scan.child import main; main()"
_QUIET = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
    "HDF5_USE_FILE_LOCKING": "FALSE",
}


class _Running:
    """The reader of this process, and the pipes through which it has not answered yet."""

    reader: Reader | None = None
    unanswered: set[int] = set()


@dataclass(frozen=True, slots=True)
class Answer:
    """What will come through a pipe: a byte when reading begins, one that says how many seconds more a large file takes, the answer,
    how the process that read the file ended."""

    source: int

    def wait(self, seconds: float, more: float, largest: int) -> tuple[bytes, int] | None:
        """The answer and the exit status; None when reading takes longer than it may. What is beyond `largest` is cut off.

        Whatever interrupts the waiting ends the reading.

        Args:
            seconds: How long reading may take.
            more: How many seconds a large file may add.
            largest: Bytes of an answer.
        """
        try:
            data = _read(self.source, seconds, more, largest)
        except BaseException:
            stop(kill=True)
            raise
        finally:
            self.abandon()
        if data is None:
            stop(kill=True)
            return None
        status = int.from_bytes(data[-STATUS_BYTES:], "little", signed=True)
        return data[1:-STATUS_BYTES], status

    def abandon(self) -> None:
        """Nobody wants to know any more."""
        os.close(self.source)
        _Running.unanswered.discard(self.source)


@dataclass(frozen=True, slots=True)
class Reader:
    """A running process, by whom it was started, and the socket that leads to it."""

    process: int
    owner: int
    requests: socket.socket

    def ask(self, request: bytes, descriptor: int) -> Answer | None:
        """Gives it a line and an open file; None when it is not there any more to take them."""
        source, sink = os.pipe()
        try:
            sent = socket.send_fds(self.requests, [request], [descriptor, sink])
            self.requests.sendall(request[sent:])
        except (BrokenPipeError, ConnectionResetError):
            os.close(source)
            return None
        finally:
            os.close(sink)
        _Running.unanswered.add(source)
        return Answer(source)

    def end(self, kill: bool) -> None:
        """Ends it, with every copy of it if told so, and waits until it is gone."""
        self.requests.close()
        if self.owner == os.getpid():
            if kill:
                with suppress(ProcessLookupError):
                    os.killpg(self.process, signal.SIGKILL)
            # Where SIGCHLD is ignored, the kernel has forgotten it already.
            with suppress(ChildProcessError):
                os.waitpid(self.process, 0)


def start() -> Reader:
    """The reader, started unless it runs already. A copy of this process starts its own."""
    if _Running.reader is None or _Running.reader.owner != os.getpid():
        _Running.reader = _started()
    return _Running.reader


def stop(kill: bool = False) -> None:
    """Ends the reader, and what it still reads. The next file that is to be read starts another one."""
    reader, _Running.reader = _Running.reader, None
    if reader is not None:
        reader.end(kill or bool(_Running.unanswered))


atexit.register(stop)


def _started() -> Reader:
    ours, theirs = socket.socketpair()
    actions = [
        (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    command = [sys.executable, "-I", "-S", "-c", _START, "\n".join(_search_path())]
    # A group of its own: Ctrl-C at the terminal is for the command, and it can be ended with all its copies.
    process = os.posix_spawn(sys.executable, command, {**os.environ, **_QUIET}, file_actions=actions, setpgroup=0)
    theirs.close()
    return Reader(process, os.getpid(), ours)


def _search_path() -> list[str]:
    """Where modules are found, but for the folder in which somebody happens to stand: a stranger's files may lie there."""
    root = str(Path(__file__).parents[2])
    return [root, *(entry for entry in sys.path if entry not in ("", root, str(Path.cwd())))]


def _read(source: int, seconds: float, more: float, largest: int) -> bytes | None:
    """All that comes, up to a little more than an answer may have. The time runs from the first byte on."""
    data, began = bytearray(), time.monotonic()
    deadline = began + START_SECONDS
    while len(data) <= largest:
        if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        part = os.read(source, 1 << 18)
        if not part:
            break
        if not data:
            began = time.monotonic()
        data += part
        deadline = began + seconds + (min(more, data[1]) if len(data) > 1 else 0)
    return bytes(data)
