"""What a factory streams: how much of it is an epoch, and whose error is whose. Each through the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgery.cli.main import run
from surgery.training.data.order import Batches, permutation
from tests.training import small

pytestmark = pytest.mark.keras

FACTORIES = """\
import keras, numpy as np, tensorflow as tf

x, y = np.zeros((10, 8), "float32"), np.zeros(10, "int64")

def whole(): return tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
def endless(): return whole().repeat()
def unknown(): return whole().filter(lambda *_: True)
def empty(): return whole().take(0)
def generator(): yield x, y
def wrong(): return {}["label"]
def tells(path="here"): open(path + "/not-there")

class Own(keras.utils.PyDataset):
    def __init__(self, bad=None): super().__init__(); self.bad, self.drawn = bad, []
    def __len__(self): return 5
    def __getitem__(self, index):
        if index == self.bad: raise KeyError("no such label")
        return x[:2], y[:2]
class Endless(Own):
    num_batches = None
def own(bad=None): return Own(bad)
def own_endless(): return Endless()

def draws():
    yield x[0], y[0]
    raise KeyError("no such label")
def drawn():
    spec = tf.TensorSpec((8,)), tf.TensorSpec((), tf.int64)
    return tf.data.Dataset.from_generator(draws, output_signature=spec).batch(1)
def halved(a, b): here = "HERE"; return tf.reshape(a, (3, 5)), b
def mapped(): return whole().unbatch().map(halved).batch(2)
"""

RECIPE = """\
surgery: 1
name: streams
imports: [own_streams]
model: {path: base.keras}
operations: []
training:
  data:
    train: DATA
  stages:
    - name: all
      epochs: 3
      optimizer: SGD
      loss: sparse_categorical_crossentropy
      metrics: [accuracy]
outputs: {model: out.keras}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    small.model().save(tmp_path / "base.keras")
    data = small.examples(20)
    np.savez(tmp_path / "data.npz", x=data.x[0], y=data.y[0])
    (tmp_path / "own_streams.py").write_text(
        FACTORIES.replace("HERE", tmp_path.name)
    )  # autograph keeps what is equal but for its file
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_streams", None)


def carried_out(data: str, *lines: str, more: str = "") -> int:
    """`data` may hold further lines of the data; `lines` are further ones of the stage."""
    text = RECIPE.replace("DATA", data).replace(
        "      epochs: 3\n", "      epochs: 3\n" + "".join(f"      {line}\n" for line in lines)
    )
    Path("recipe.yaml").write_text(text + more)
    return run(["run", "recipe.yaml", "--trust", "own_streams"])


def epochs_done() -> int:
    document = json.loads(sorted(Path("runs").rglob("run.json"))[-1].read_text())
    return len(document["stages"][0]["epochs"])


def factory(name: str, **arguments: Any) -> str:
    return f"{{factory: 'own_streams:{name}', arguments: {json.dumps(arguments)}}}"


@pytest.mark.parametrize("name", ["endless", "own_endless"])
def test_a_dataset_that_never_ends_needs_steps(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried_out(factory(name)) == 1
    said = capsys.readouterr().err
    assert "recipe.yaml:10:" in said
    assert "never ends" in said
    assert "fix:      steps_per_epoch: 100" in said
    assert carried_out(factory(name), "steps_per_epoch: 4") == 0
    assert epochs_done() == 3


@pytest.mark.parametrize("name", ["endless", "own_endless"])
def test_so_does_one_that_validation_or_an_evaluation_looks_at(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"{factory('whole')}\n    validation: {factory(name)}"
    evaluation = f"evaluation:\n  - {{name: old, data: {factory(name)}, metrics: [accuracy]STEPS}}\n"
    assert carried_out(data) == 1
    assert "fix:      validation_steps: 100" in capsys.readouterr().err
    assert carried_out(data, "validation_steps: 2", more=evaluation.replace("STEPS", "")) == 1
    assert "fix:      steps: 100" in capsys.readouterr().err
    assert carried_out(data, "validation_steps: 2", more=evaluation.replace("STEPS", ", steps: 3")) == 0


@pytest.mark.parametrize("name", ["whole", "own", "unknown"])
@pytest.mark.parametrize("steps", [2, 4, 5, 7])
def test_an_epoch_has_the_steps_that_are_asked_for(
    folder: Path, name: str, steps: int, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """Five batches: epochs go on where the one before ended, and none of them is cut short."""
    (folder / "own_counts.py").write_text(
        "import keras\n"
        "class Counts(keras.callbacks.Callback):\n"
        "    def on_epoch_begin(self, epoch, logs=None): self.steps = 0\n"
        "    def on_train_batch_end(self, batch, logs=None): self.steps += 1\n"
        "    def on_epoch_end(self, epoch, logs=None): open('steps', 'a').write(f'{self.steps} ')\n"
    )
    more = "imports: [own_streams, own_counts]\n"
    text = RECIPE.replace("imports: [own_streams]\n", more).replace("DATA", factory(name))
    text = text.replace(
        "      metrics", f"      steps_per_epoch: {steps}\n      callbacks: [own_counts>Counts: {{}}]\n      metrics"
    )
    (folder / "recipe.yaml").write_text(text)
    assert run(["run", "recipe.yaml", "--trust", "own_streams", "--trust", "own_counts"]) == 0, capsys.readouterr().err
    assert (folder / "steps").read_text().split() == [str(steps)] * 3
    sys.modules.pop("own_counts")


def test_what_cannot_be_gone_through_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried_out(factory("empty")) == 1
    assert "has no batches" in capsys.readouterr().err
    assert carried_out(factory("generator")) == 1
    assert "from_generator" in capsys.readouterr().err
    assert carried_out(factory("whole") + "\n    drop_last: true") == 1
    assert "drop_last, and a factory makes its own batches" in capsys.readouterr().err
    assert carried_out(factory("unknown")) == 0
    assert "one that never ends needs steps_per_epoch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "line", "function", "what"),
    [
        (factory("wrong"), 10, "wrong", "KeyError: 'label'"),
        (factory("tells"), 11, "tells", "FileNotFoundError"),
        (factory("own", bad=3), 17, "__getitem__", "KeyError: 'no such label'"),
        (factory("drawn"), 26, "draws", "KeyError: 'no such label'"),
        (factory("mapped"), 30, "halved", "Cannot reshape"),
    ],
)
@pytest.mark.parametrize("part", ["train", "validation", "evaluation"])
def test_an_error_in_a_factory_is_the_users_with_file_and_line(
    folder: Path, part: str, data: str, line: int, function: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "{npz: data.npz, x: x, y: y}"
    more = f"evaluation:\n  - {{name: old, data: {data}, metrics: [accuracy]}}\n" if part == "evaluation" else ""
    train = {"train": data, "validation": f"{other}\n    validation: {data}"}.get(part, other)
    assert carried_out(train, more=more) == 1
    said = capsys.readouterr().err
    assert f"own_streams.py:{line}, in {function}: " in said
    assert what in said
    assert "Traceback" not in said
    assert "bug" not in said
    assert not (folder / "out.keras").exists()


@pytest.mark.parametrize("text", ["import not_there\n", "1 / 0\n", "def f(:\n"])
def test_so_is_one_in_its_module(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "own_streams.py").write_text(f"import os\n{text}")
    assert carried_out(factory("whole")) == 1
    assert "own_streams.py:2" in (said := capsys.readouterr().err), said


def test_so_is_one_in_a_callback_a_loss_or_a_layer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "own_streams.py").write_text(
        "import keras\n"
        "class Late(keras.callbacks.Callback):\n"
        "    def on_epoch_end(self, epoch, logs=None): logs['not there']\n"
        "class Apart(keras.losses.Loss):\n"
        "    def call(self, y_true, y_pred): return {}['not there']\n"
    )
    data = "{npz: data.npz, x: x, y: y}"
    assert carried_out(data, "callbacks: [own_streams>Late: {}]") == 1
    assert "own_streams.py:3, in on_epoch_end: KeyError: 'not there'" in capsys.readouterr().err
    Path("recipe.yaml").write_text(
        RECIPE.replace("DATA", data).replace("sparse_categorical_crossentropy", "{own_streams>Apart: {}}")
    )
    assert run(["run", "recipe.yaml", "--trust", "own_streams"]) == 1
    assert "own_streams.py:5, in call: KeyError: 'not there'" in capsys.readouterr().err


def test_arguments_that_a_factory_does_not_take(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried_out(factory("own", worse=1)) == 1
    assert "own(bad=None)" in capsys.readouterr().err


def test_steps_of_arrays_go_on_behind_the_last_epoch() -> None:
    """Every example is drawn once in each pass, whatever an epoch is."""
    data = small.examples(10)
    for steps in (1, 2, 3, 5):
        batches = Batches(data, 4, lambda number: permutation(3, "head", number, 10), steps=steps)
        drawn: list[np.ndarray] = []
        for epoch in range(6):
            batches.start(epoch)
            drawn += [batches[index][0] for index in range(len(batches))]
            batches.start(epoch, steps - 1)
            assert batches[0][0].tobytes() == drawn[-1].tobytes()
        for number in range(len(drawn) // 3):
            wanted = data.x[0][permutation(3, "head", number, 10)]
            assert np.concatenate(drawn[3 * number : 3 * number + 3]).tobytes() == wanted.tobytes()


def test_the_last_smaller_batch_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [len(Batches(small.examples(10), 4, drop_last=drop)) for drop in (False, True)] == [3, 2]
    data = "{npz: data.npz, x: x, y: y}\n    drop_last: true"
    assert carried_out(f"{data}\n    batch_size: 16") == 0
    assert carried_out(data) == 1
    assert "batch_size is 32, and there are 20 examples" in capsys.readouterr().err


def test_more_steps_than_there_are_to_look_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = "{npz: data.npz, x: x, y: y}"
    assert carried_out(data, "validation_steps: 1") == 1
    assert "the training has no validation examples" in capsys.readouterr().err
    assert carried_out(f"{data}\n    validation: {data}\n    batch_size: 16", "validation_steps: 3") == 1
    assert "the validation has 2 batches" in capsys.readouterr().err
    evaluation = f"evaluation:\n  - {{name: old, data: {data}, metrics: [accuracy], steps: 2}}\n"
    assert carried_out(data, more=evaluation) == 1
    assert "steps is 2, and there are 1 batches of 32" in capsys.readouterr().err
