"""Mutated model files: `python -m tests.fuzz.models --count 20000 --seed 0`.

Each file is a genuine or hostile one with some bytes, JSON values or HDF5 words changed. Whatever it has become, the scan must
end in time with a verdict, each finding with a code of the catalogue, and nothing may raise.

The reading happens in a worker with the same kernel limits as the scanner's child, so that a hang or crash inside libhdf5 ends a
worker and not the fuzzing. One worker reads many files: 20,000 take minutes.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from surgery.model.scan import catalogue, limits
from tests.hostile import HOSTILE
from tests.hostile.model import functional, members, weights, write_hdf5, write_zip

WORKER = "from tests.fuzz.models import work; work()"
INTERESTING = (0, 1, 2, 3, 7, 8, 0x10, 0x20, 0x40, 0x41, 0x7F, 0x80, 0xFE, 0xFF)
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 10**18, 1.5, "", "..", "a/b", "Lambda", "function", "__lambda__", "keras.layers", [], {}, [[]],
    {"class_name": "Lambda", "config": {}}, {"class_name": "__numpy__", "config": {"value": [1], "dtype": "float32"}},
)  # fmt: skip


@dataclass
class Tally:
    """What became of the mutated files."""

    verdicts: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0


def seeds(folder: Path) -> list[bytes]:
    """The files that are mutated: one of each kind, and the hostile ones that are small."""
    found = [write_zip(folder / "g.keras", members()).read_bytes(), write_hdf5(folder, functional()).read_bytes()]
    found.append(write_zip(folder / "d.keras", members(), zipfile.ZIP_DEFLATED).read_bytes())
    for index, case in enumerate(HOSTILE.values()):
        place = folder / str(index)
        place.mkdir()
        path = case.build(place)
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 64 << 10 and case.code != "scan-timeout":
            found.append(path.read_bytes())
    return found


def mutants(count: int, seed: int, originals: list[bytes]) -> Iterator[bytes]:
    """`count` mutated files; the same ones for the same seed."""
    for index in range(count):
        chance = random.Random(f"{seed}:{index}")
        kind = chance.randrange(4)
        if kind == 0:
            yield bytes_changed(chance.choice(originals), chance)
        elif kind == 1:
            yield zipped(functional_changed(chance), weights())
        elif kind == 2:
            yield zipped(json.dumps(functional()).encode(), bytes_changed(weights(), chance))
        else:
            yield bytes_changed(originals[chance.randrange(3)], chance)


def bytes_changed(data: bytes, chance: random.Random) -> bytes:
    """Some bytes set, words doubled, pieces cut out, copied or dropped from the end."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        if not changed:
            break
        at = chance.randrange(len(changed))
        size = chance.choice((1, 2, 4, 8, 32))
        match chance.randrange(6):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1 | 2:
                changed[at] = chance.choice(INTERESTING)
            case 3:
                changed[at : at + size] = bytes([chance.choice(INTERESTING)]) * size
            case 4:
                other = chance.randrange(len(changed))
                changed[at : at + size] = changed[other : other + size]
            case _:
                del changed[at : at + (size if chance.random() < 0.9 else len(changed))]
    return bytes(changed)


def functional_changed(chance: random.Random) -> bytes:
    """The genuine config with some of its values exchanged, or its text with some bytes changed."""
    config: Any = functional()
    for _ in range(chance.choice((1, 1, 2, 5))):
        places = list(_places(config))
        container, key = chance.choice(places)
        container[key] = copy.deepcopy(chance.choice(VALUES))
    text = json.dumps(config).encode()
    return bytes_changed(text, chance) if chance.random() < 0.3 else text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(child, dict | list):
            yield from _places(child)


def zipped(config: bytes, stored: bytes) -> bytes:
    import io

    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in members(config, stored).items():
            archive.writestr(name, data)
    return memory.getvalue()


class Worker:
    """A process that scans file after file as the scanner's child would, and is replaced when it hangs or dies."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path, seconds: float) -> dict[str, Any] | str:
        """The answer on a file, or how the worker ended."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        source, sink = _pipes(self.process)
        sink.write(f"{path}\n".encode())
        sink.flush()
        ready, _, _ = select.select([source], [], [], seconds)
        line = source.readline() if ready else b""
        if line:
            return dict(json.loads(line))
        return self._end("crash" if ready else "hang")

    def _end(self, how: str) -> str:
        assert self.process
        self.process.kill()
        self.process.communicate()
        self.process = None
        return how

    def close(self) -> None:
        if self.process:
            self._end("closed")


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin
    assert process.stdout
    return process.stdout, process.stdin


def work() -> None:
    """Reads paths from standard input and answers each with one line of JSON."""
    import resource

    from surgery.model.scan.child import _load_everything
    from surgery.model.scan.examine import examine, opened

    _load_everything()
    resource.setrlimit(resource.RLIMIT_DATA, (limits.DATA_BYTES, limits.DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    for line in sys.stdin:
        descriptor = os.open(line.rstrip("\n"), os.O_RDONLY)
        try:
            findings = examine(opened(descriptor), ())
            answer: dict[str, Any] = {"codes": [finding.code for finding in findings]}
        except MemoryError:
            answer = {"codes": ["scan-memory"]}
        except Exception as error:  # noqa: BLE001  the fuzzing is there to find these
            answer = {"raised": repr(error)}
        finally:
            os.close(descriptor)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def fuzz(count: int, seed: int, keep: Path | None = None, seconds: float = limits.COMPUTING_SECONDS) -> Tally:
    """Scans `count` mutated files; files that raise something are kept in `keep`."""
    tally, codes, worker = Tally(), set(catalogue()), Worker()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "mutant"
        for index, data in enumerate(mutants(count, seed, seeds(Path(name)))):
            path.write_bytes(data)
            start = time.monotonic()
            answer = worker.ask(path, seconds)
            tally.slowest = max(tally.slowest, time.monotonic() - start)
            if isinstance(answer, str):
                tally.ended[answer] += 1
                tally.verdicts["could not check"] += 1
                continue
            fault = answer.get("raised") or ", ".join(sorted({*answer.get("codes", ()), "scan-failed"} - codes))
            if fault:
                tally.faults.append(f"{seed}:{index}: {fault}")
                if keep:
                    (keep / f"{seed}-{index}").write_bytes(data)
            tally.verdicts["not accepted" if answer.get("codes") else "accepted"] += 1
    worker.close()
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=limits.COMPUTING_SECONDS)
    parser.add_argument("--keep", type=Path, help="a folder for the files that raise something")
    options = parser.parse_args()
    tally = fuzz(options.count, options.seed, options.keep, options.seconds)
    sys.stdout.write(
        f"{dict(tally.verdicts)}; workers ended by {dict(tally.ended) or 'nothing'}; slowest {tally.slowest:.2f} s\n"
    )
    sys.stdout.write("".join(f"{fault}\n" for fault in tally.faults) or "no uncaught exception\n")
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
