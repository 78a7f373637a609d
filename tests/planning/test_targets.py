"""What a plan says of outputs without targets."""

from __future__ import annotations

from pathlib import Path

import pytest

import surgery
from surgery.errors import SurgeryError
from surgery.planning import Plan
from tests.networks import classifier
from tests.recipes_text import write_recipe

RECIPE = """\
operations:
  - {{op: branch, from: dense, layers: [Dense: {{units: 2, name: wide}}, Dense: {{units: 2, name: sign}}]}}
training:
  data: {{train: {{npz: data.npz, x: x, y: {y}}}}}
  {guards}
  stages: [{{name: one, epochs: 1, optimizer: SGD, loss: mse}}]
"""


def planned(folder: Path, y: str, guards: str = "") -> Plan:
    (folder / "data.npz").touch()
    return surgery.plan(surgery.load_recipe(write_recipe(folder, RECIPE.format(y=y, guards=guards), classifier())))


def said(plan: Plan) -> list[str]:
    return [note for note in plan.notes if "targets" in note]


def test_what_leads_to_an_output_without_targets_alone_stays(tmp_path: Path) -> None:
    head = planned(tmp_path, "y").spec.refs_out()[0].layer
    assert said(planned(tmp_path, "y")) == []
    assert said(planned(tmp_path, f"{{sign: z, {head}: y}}")) == []
    (note,) = said(planned(tmp_path, "{sign: z}"))
    assert note == f"There are no targets for '{head}': no stage computes it, and {head} stays as it is."
    (note,) = said(planned(tmp_path, f"{{{head}: y}}"))
    assert note == "There are no targets for 'sign': no stage computes it, and sign, wide stay as they are."
    assert said(planned(tmp_path, "{sign: z}", "guards: [{distill: {}}]")) == []


def test_targets_for_an_output_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError) as caught:
        planned(tmp_path, "{sing: z}")
    assert caught.value.what == "the model has no output 'sing'"
    assert caught.value.fix == "did you mean 'sign'?"
    assert caught.value.location is not None
    assert caught.value.location.line == 8
