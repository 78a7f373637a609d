"""One run at a time for an output, and what a killed run leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from surgery import api
from surgery.cli.main import run
from surgery.errors import Busy
from surgery.model.archive.staging import claimed, leftovers, stage_path
from tests.networks import write_network
from tests.recipes_text import plan_of, write_recipe

FREEZE = "operations:\n  - {op: freeze, layers: conv1}\n"
RUNS = 20

MANY = """
import os, sys
from pathlib import Path
from surgery.cli.main import run
from surgery.execution import commit
checked = commit.verify
def slowly(path, **keywords):
    import time
    Path("winner").touch()
    while not Path("go").exists():
        time.sleep(0.02)
    return checked(path, **keywords)
commit.verify = slowly
children = []
for number in range(int(sys.argv[1])):
    child = os.fork()
    if not child:
        said = os.open(f"said{number}", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = run(["apply", "recipe.yaml", "-o", "build/out.keras"])
        sys.stderr.flush()
        os._exit(status)
    children.append(child)
statuses = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in children[1:]]
Path("go").touch()
statuses.append(os.waitstatus_to_exitcode(os.wait()[1]))
print(*statuses)
"""


def test_of_twenty_runs_exactly_one_wins(tmp_path: Path) -> None:
    write_recipe(tmp_path, FREEZE)
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(RUNS)], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=240
    )
    assert sorted(map(int, done.stdout.split())) == [0] + [6] * (RUNS - 1)
    said = [text for number in range(RUNS) if (text := (tmp_path / f"said{number}").read_text())]
    assert len(said) == RUNS - 1
    assert all("error[busy]: another run is writing build/out.keras: process " in text for text in said)
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["out.keras"]


def test_the_second_run_names_the_first(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, FREEZE)
    with claimed(tmp_path / "out.keras"), pytest.raises(Busy) as caught:
        api.apply_to_file(plan, tmp_path / "out.keras")
    assert f"process {os.getpid()}" in caught.value.what
    assert caught.value.exit_status == 6
    api.apply_to_file(plan, tmp_path / "out.keras")


def test_another_output_is_not_busy(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, FREEZE)
    with claimed(tmp_path / "out.keras"):
        api.apply_to_file(plan, tmp_path / "other.keras")


def test_a_link_to_the_folder_leads_to_the_same_claim(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with claimed(tmp_path / "real/out.keras"), pytest.raises(Busy), claimed(tmp_path / "link/out.keras"):
        pass


HOLD = """
import sys, time
from pathlib import Path
from surgery.model.archive.staging import claimed, open_stage, stage_path
target = Path(sys.argv[1])
with claimed(target):
    stage = open_stage(stage_path(target, ".keras"))
    print("ready", flush=True)
    time.sleep(120)
"""


def test_a_killed_run_holds_nothing_and_gc_removes_what_it_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.keras"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    assert list(leftovers(tmp_path)) == []
    with pytest.raises(Busy, match=f"process {holder.pid}"), claimed(target):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert len(list(leftovers(tmp_path))) == 2

    assert run(["gc", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out.count("would remove") == 2
    assert len(list(leftovers(tmp_path))) == 2
    with claimed(target):
        pass
    assert run(["gc", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("removed") == 1
    assert list(tmp_path.iterdir()) == []


def test_gc_removes_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.networks import classifier

    write_network(tmp_path / "model.keras", classifier())
    for name in (
        ".hidden",
        ".out.keras.12345678",
        ".out.keras.1234567z.surgery-stage.keras",
        "out.surgery-stage.keras",
    ):
        (tmp_path / name).write_text("mine")
    (tmp_path / ".folder.12345678.surgery-stage").mkdir()
    (tmp_path / ".link.12345678.surgery-stage").symlink_to("model.keras")
    os.mkfifo(tmp_path / ".pipe.12345678.surgery-stage")
    before = sorted(tmp_path.iterdir())
    assert run(["gc", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "Nothing to remove.\n"
    assert sorted(tmp_path.iterdir()) == before
    left = stage_path(tmp_path / "text.json")
    left.write_text("half")
    assert run(["gc", str(tmp_path)]) == 0
    assert not left.exists()
    assert run(["gc", str(tmp_path / "nothing")]) == 1
    capsys.readouterr()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_apply_in_order(tmp_path: Path, number: int, status: int) -> None:
    recipe = write_recipe(tmp_path, FREEZE)
    slow = MANY.split("children = []")[0] + "from surgery.cli import main\nmain()\n"
    child = subprocess.Popen(
        [sys.executable, "-c", slow, "apply", str(recipe), "-o", "out.keras"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "winner").exists():
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert child.returncode == status
    assert said.splitlines() == ["interrupted" if number == signal.SIGINT else "terminated"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "recipe.yaml", "winner"]
