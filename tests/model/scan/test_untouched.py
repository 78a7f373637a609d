"""A scan opens the file it was given and nothing else: no other file, no socket, no Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import HOSTILE

WATCHED = """
import json, os, sys
from surgery.model.scan.child import _load_everything
from surgery.model.scan.examine import examine, opened
from surgery.model.scan.rule import shown
_load_everything()
shown("\\n")
events = []
watching = [False]
WATCHED = ("open", "socket", "subprocess", "import", "exec", "compile", "marshal", "pickle", "ctypes")
def watch(event, arguments):
    if watching[0] and event.split(".")[0] in WATCHED:
        events.append([event, repr(arguments)[:200]])
sys.addaudithook(watch)
answer = {}
for path in json.load(sys.stdin):
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    parts = opened(descriptor)
    watching[0] = True
    findings = examine(parts, ())
    watching[0] = False
    answer[path] = [findings == [], list(events)]
    events.clear()
    os.close(descriptor)
print(json.dumps([answer, sorted(name for name in sys.modules if name.split(".")[0] in ("keras", "tensorflow", "torch", "jax"))]))
"""

GATE = """
import json, socket, sys
from surgery.model.scan.gate import scan
events = []
sys.addaudithook(lambda event, arguments: events.append([event, arguments]))
paths = json.load(sys.stdin)
verdicts = [scan(path).is_accepted for path in paths]
opened = [a[0] for e, a in events if e == "open" and isinstance(a[0], str)]
# The one socket is a pair that leads to the process which reads the files.
others = sorted({e for e, a in events if e.split(".")[0] in ("exec", "os.system", "urllib", "ctypes")}
                | {e for e, a in events if e in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto")}
                | {e for e, a in events if e == "socket.__new__" and a[1] != socket.AF_UNIX})
backends = sorted(m for m in sys.modules if m.split(".")[0] in ("keras", "tensorflow", "torch", "jax"))
print(json.dumps([verdicts, opened, others, backends]))
"""


def run(program: str, paths: list[str]) -> list[object]:
    result = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return list(json.loads(result.stdout))


def built(tmp_path: Path, name: str) -> str:
    folder = tmp_path / str(list(HOSTILE).index(name))
    folder.mkdir()
    return str(HOSTILE[name].build(folder))


def test_examining_opens_nothing_and_runs_nothing(tmp_path: Path) -> None:
    names = [name for name, case in HOSTILE.items() if case.code not in ("scan-timeout", "file-special")]
    answers, modules = run(WATCHED, [built(tmp_path, name) for name in names])
    assert isinstance(answers, dict)
    assert {path: events for path, (_, events) in answers.items() if events} == {}
    only_gate = {name for name, case in HOSTILE.items() if case.code == "file-extension"}
    accepted = [path for path, (is_accepted, _) in answers.items() if is_accepted]
    assert len(accepted) == len(only_gate)
    assert modules == []


@pytest.mark.parametrize(
    "name", ["external_storage", "vocabulary_file", "saved_model_layer", "zip_parent", "file_pipe"]
)
def test_scanning_opens_the_file_and_no_socket(name: str, tmp_path: Path) -> None:
    path = built(tmp_path, name)
    before = sorted(tmp_path.rglob("*"))
    verdicts, opened, others, modules = run(GATE, [path])
    assert verdicts == [False]
    assert set(opened) <= {path, "/dev/null"}  # type: ignore[call-overload]
    assert others == []
    assert modules == []
    assert sorted(tmp_path.rglob("*")) == before
