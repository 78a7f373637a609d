"""A reader of digits 0-4 learns 5-9 without the old images: by plain fine-tuning, and under each guard against forgetting.

`python benchmarks/forgetting.py [--write docs/forgetting.md]` prints one table, and puts it between the markers of a page. Each
row is a run of a recipe, whose `max_drop` is the bound that the row states: a guard that loses more ends the script with an
error, and so does one under which the new digits are not learned.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np

import surgery

QUICKSTART = Path(__file__).parent.parent / "recipes" / "quickstart"
BEGIN, END = "<!-- printed by benchmarks/forgetting.py -->", "<!-- end -->"
OLD_DATA = "data: {npz: old.npz, x: x, y: y}"
ANY, AMONG, NEW = "0-4, any of ten", "0-4, among 0-4", "5-9, any of ten"
HEAD = ("guards", ANY, AMONG, NEW, "states")

RECIPE = """\
surgery: 1
name: forgetting
seed: 7
model: {{path: {quickstart}/base.keras}}
operations:
  - op: replace
    layers: predictions
    with: [{{Dense: {{units: 10, activation: softmax, name: digits}}}}]
    weights: overlap
training:
  data: {{train: {{npz: new.npz, x: x, y: y}}}}
  guards: [{guards}]
  stages:
    - name: new
      epochs: {epochs}
      optimizer: {{Adam: {{learning_rate: 0.001}}}}
      loss: sparse_categorical_crossentropy
evaluation:
  - {{name: "{any}", data: {{npz: {quickstart}/digits.npz, x: x_old, y: y_old}}, {any_drop}}}
  - {{name: "{among}", data: {{npz: {quickstart}/digits.npz, x: x_old, y: y_old}}, classes: [0, 1, 2, 3, 4], {among_drop}}}
  - {{name: "{new}", data: {{npz: {quickstart}/digits.npz, x: x_new, y: y_new}}, metrics: [accuracy]}}
"""


@dataclass(frozen=True)
class Row:
    """Guards, and what they state.

    Args:
        title: What the row is called.
        guards: As a recipe writes them.
        drops: How much of the accuracy on the old digits may be lost, by evaluation.
        learned: The accuracy on the new digits, at least.
    """

    title: str
    guards: tuple[str, ...] = ()
    drops: Mapping[str, float] | None = None
    learned: float = 0.0

    @property
    def stated(self) -> str:
        lost = [f"{name}: at most {drop:g} lost" for name, drop in (self.drops or {}).items()]
        return "; ".join([*lost, f"5-9: at least {self.learned:g}"]) if lost else "-"


ROWS = (
    Row("none"),
    Row("`l2_sp: {strength: 2}`", ("{l2_sp: {strength: 2}}",), {AMONG: 0.03}, 0.85),
    Row("`ewc: {strength: 3000000}`", (f"{{ewc: {{strength: 3000000, {OLD_DATA}}}}}",), {AMONG: 0.03}, 0.9),
    Row("`distill: {weight: 1}`", ("{distill: {weight: 1.0}}",), {AMONG: 0.03}, 0.9),
    Row("`replay: {share: 0.25}`", (f"{{replay: {{{OLD_DATA}, share: 0.25}}}}",), {ANY: 0.04, AMONG: 0.03}, 0.9),
)


def measured(row: Row, folder: Path, epochs: int) -> dict[str, float]:
    """The accuracies of a run, by evaluation; the first of the source model too, by `before`."""
    drops = row.drops or {}
    asked = {
        name: f"max_drop: {{accuracy: {drops[name]}}}" if name in drops else "metrics: [accuracy]"
        for name in (ANY, AMONG)
    }
    path = folder / "forgetting.yaml"
    text = RECIPE.format(
        quickstart=QUICKSTART,
        guards=", ".join(row.guards),
        epochs=epochs,
        any=ANY,
        among=AMONG,
        new=NEW,
        any_drop=asked[ANY],
        among_drop=asked[AMONG],
    )
    path.write_text(text, encoding="utf-8")
    document = surgery.run(surgery.load_recipe(path)).document
    found = {one["evaluation"]: one["after"] for one in document["evaluation"]}
    if found[NEW] < row.learned:
        raise SystemExit(f"{row.title}: 5-9 at {found[NEW]:.3f}, and {row.learned} is stated")
    return found | {"before": document["evaluation"][0]["before"]}


def split(folder: Path) -> None:
    """Writes the training images of the quickstart: the new digits, which are trained on, and the old ones for the guards."""
    with np.load(QUICKSTART / "digits.npz") as data:
        x, y = data["x_train"], data["y_train"]
    for name, chosen in (("new", y >= 5), ("old", y < 5)):
        np.savez(folder / f"{name}.npz", x=x[chosen], y=y[chosen])


def table(epochs: int = 20) -> Iterator[str]:
    """The lines of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split(folder)
        os.environ["XDG_CACHE_HOME"] = name
        rows = [(row, measured(row, folder, epochs)) for row in ROWS]
    yield f"| {' | '.join(HEAD)} |"
    yield "| --- | --: | --: | --: | --- |"
    before = rows[0][1]["before"]
    yield f"| before training | {before:.3f} | {before:.3f} | - | |"
    for row, found in rows:
        numbers = " | ".join(f"{found[column]:.3f}" for column in (ANY, AMONG, NEW))
        yield f"| {row.title} | {numbers} | {row.stated} |"


def put(page: Path, lines: list[str]) -> None:
    """Puts the table between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", type=Path, help="a page with the markers")
    arguments = parser.parse_args()
    lines = list(table())
    print("\n".join(lines))
    if arguments.write is not None:
        put(arguments.write, lines)


if __name__ == "__main__":
    main()
