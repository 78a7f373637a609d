"""Deletes each rule of the scanner in turn and shows which hostile files then pass their test no more.

`python -m tests.model.scan.each_rule_matters` prints, for every rule, how many hostile files lose their code without it, and
how many of those nothing else would refuse.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surgery.model.scan import rule as rules
from surgery.model.scan.examine import examine, opened
from surgery.model.scan.verdict import Finding
from tests.hostile import HOSTILE


@dataclass(frozen=True)
class Loss:
    """What deleting a rule costs: hostile files not refused with their code any more, and those accepted."""

    code: str
    unnamed: tuple[str, ...]
    accepted: tuple[str, ...]


def losses() -> Iterator[Loss]:
    """One for each rule."""
    with tempfile.TemporaryDirectory() as name:
        paths = {key: _built(key, Path(name)) for key, case in HOSTILE.items() if case.code in _codes()}
        for deleted in list(rules.RULES):
            cases = [key for key in paths if HOSTILE[key].code == deleted.code]
            rules.RULES.remove(deleted)
            try:
                found = {key: _examined(paths[key]) for key in cases}
            finally:
                rules.RULES.append(deleted)
            unnamed = tuple(key for key in cases if deleted.code not in {finding.code for finding in found[key]})
            yield Loss(deleted.code, unnamed, tuple(key for key in cases if not found[key]))


def _codes() -> set[str]:
    return {rule.code for rule in rules.RULES}


def _built(key: str, folder: Path) -> Path:
    place = folder / str(abs(hash(key)))
    place.mkdir()
    return HOSTILE[key].build(place)


def _examined(path: Path) -> list[Finding]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return examine(opened(descriptor), ())
    except (RecursionError, MemoryError, ValueError, OSError, AttributeError, TypeError, KeyError) as error:
        return [Finding("scan-failed", rules.Status.UNCHECKED, repr(error))]
    finally:
        os.close(descriptor)


def main() -> int:
    useless = []
    for loss in losses():
        sys.stdout.write(
            f"{loss.code:32} {len(loss.unnamed):3} lose their code, {len(loss.accepted):3} would be accepted\n"
        )
        if not loss.unnamed:
            useless.append(loss.code)
    sys.stdout.write(f"rules that no test needs: {', '.join(useless) or 'none'}\n")
    return int(bool(useless))


if __name__ == "__main__":
    sys.exit(main())
