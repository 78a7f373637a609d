"""What a plan says that guards against forgetting hold, teach and mix in; and what they cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surgery.errors import DataInvalid, GraphUnsupported, InvalidValue, NothingToDo, SurgeryError, UnknownLayer
from surgery.model.spec import ModelSpec
from surgery.planning import Plan
from surgery.planning.facts import data_facts, recipe_facts
from surgery.planning.guards import GuardPlan
from surgery.reporting.plan_markdown import plan_markdown
from surgery.reporting.plan_text import plan_text
from tests.networks import network
from tests.recipes_text import plan_of

OLD = "{npz: old.npz, x: x, y: y}"
WIDER = "{op: replace, layers: head, with: [{Dense: {units: 6, activation: softmax, name: wide}}], weights: overlap}"
BODY = """
imports: [mine]
operations: [{operations}]
training:
  data: {{train: {train}, batch_size: 8, augmentation: [{augmentation}]}}
  guards:
    - {guard}
  stages:
    - {{name: head, epochs: 1, optimizer: Adam, loss: {loss}, operations: [{{op: freeze, layers: first}}]}}
    - {{name: all, epochs: 1, optimizer: Adam, loss: {loss}, operations: [{stage}]}}
"""


def model(activation: str = "softmax") -> ModelSpec:
    return network(
        {"Dense": {"units": 3, "name": "first"}},
        {"BatchNormalization": {"name": "norm"}},
        {"Dense": {"units": 4, "name": "head"}},
        {"Activation": {"activation": activation, "name": "answer"}},
        shape=(2,),
    )


def planned(folder: Path, guard: str, source: ModelSpec | None = None, **changes: Any) -> Plan:
    for name in ("data.npz", "old.npz"):
        (folder / name).touch()
    parts = {
        "operations": "",
        "train": "{npz: data.npz, x: x, y: y}",
        "augmentation": "",
        "loss": "sparse_categorical_crossentropy",
        "stage": "",
    }
    return plan_of(folder, BODY.format(guard=guard, **(parts | changes)), source or model())


def only(folder: Path, guard: str, source: ModelSpec | None = None, **changes: Any) -> GuardPlan:
    (found,) = planned(folder, guard, source, **changes).guards
    return found


def refusal(folder: Path, kind: type[SurgeryError], guard: str, source: ModelSpec | None = None, **changes: Any) -> Any:
    with pytest.raises(kind) as caught:
        planned(folder, guard, source, **changes)
    return caught.value


def test_l2_sp_holds_what_some_stage_trains(tmp_path: Path) -> None:
    found = only(tmp_path, "l2_sp: {strength: 0.01}")
    assert [(held.path, held.weight.name) for held in found.held] == [
        ("norm", "gamma"),
        ("norm", "beta"),
        ("head", "kernel"),
        ("head", "bias"),
    ]
    assert found.parameters == 3 + 3 + 12 + 4
    assert found.described == ("holds 22 of 22 trained parameters, in 4 variables",)
    assert found.setting == "strength 0.01"


def test_what_a_later_stage_unfreezes_is_held_too(tmp_path: Path) -> None:
    found = only(tmp_path, "l2_sp: {strength: 0.01}", stage="{op: unfreeze, layers: first}")
    assert found.parameters == 22 + 9


def test_rows_that_begin_anew_are_free(tmp_path: Path) -> None:
    wide = "{op: resize, layer: head, units: 6}"
    found = only(tmp_path, "l2_sp: {strength: 1}", operations=wide)
    assert [(held.weight.shape, held.size) for held in found.held][-2:] == [((3, 6), 12), ((6,), 4)]
    assert found.described == ("holds 22 of 30 trained parameters, in 4 variables; 8 are free, for they begin anew",)


def test_only_the_chosen_layers_are_held(tmp_path: Path) -> None:
    found = only(tmp_path, "l2_sp: {strength: 1, layers: head}")
    assert {held.path for held in found.held} == {"head"}
    assert found.described[0].endswith("6 are free, for they begin anew or are not chosen")


def test_a_guard_that_holds_nothing_is_an_error_with_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, NothingToDo, "l2_sp: {strength: 1, layers: first}")
    assert "l2_sp holds nothing" in error.what
    assert error.location.line == 10
    fresh = "{op: reinitialize, layers: {not: image}}"
    assert (
        "ewc holds nothing"
        in refusal(tmp_path, NothingToDo, f"ewc: {{strength: 1, data: {OLD}}}", operations=fresh).what
    )


def test_a_selector_that_matches_nothing_is_named_with_its_place(tmp_path: Path) -> None:
    error = refusal(tmp_path, UnknownLayer, "l2_sp: {strength: 1, layers: haed}")
    assert (error.location.line, error.location.column) == (10, 36)


def test_ewc_says_what_its_information_costs(tmp_path: Path) -> None:
    found = only(tmp_path, f"ewc: {{strength: 100, data: {OLD}, samples: 64}}")
    assert found.parameters == 22
    assert found.described[1] == "Fisher information of old.npz: at most 64 gradients of the source model"


def test_the_source_teaches_the_units_that_both_have(tmp_path: Path) -> None:
    labels = "{op: resize, layer: head, labels: {old: [a, b, c, d], new: [d, x, b]}}"
    (lesson,) = only(tmp_path, "distill: {}", operations=labels).taught
    assert (lesson.name, lesson.source) == ("answer", "answer")
    assert lesson.columns == ((0, 3), (2, 1))
    assert lesson.described == "2 of 3 units of answer, from answer"
    assert lesson.answer == "classes"


@pytest.mark.parametrize(
    ("activation", "loss", "answer"),
    [
        ("softmax", "sparse_categorical_crossentropy", "classes"),
        ("linear", "{SparseCategoricalCrossentropy: {from_logits: true}}", "classes"),
        ("sigmoid", "binary_crossentropy", "yes or no"),
        ("linear", "{BinaryCrossentropy: {from_logits: true}}", "yes or no"),
        ("linear", "mse", "values"),
    ],
)
def test_what_an_answer_is_follows_from_activation_and_loss(
    tmp_path: Path, activation: str, loss: str, answer: str
) -> None:
    (lesson,) = only(tmp_path, "distill: {}", model(activation), loss=loss).taught
    assert lesson.answer == answer
    assert lesson.activations == (activation, activation)
    assert lesson.described == "all 4 units of answer, from answer"


def test_a_further_head_is_not_taught_and_the_old_one_is(tmp_path: Path) -> None:
    branch = "{op: branch, from: norm, layers: [{Dense: {units: 2, activation: softmax, name: new}}]}"
    (lesson,) = only(tmp_path, "distill: {}", operations=branch).taught
    assert (lesson.output, lesson.teacher, lesson.name) == (0, 0, "answer")


def test_a_new_head_has_no_teacher(tmp_path: Path) -> None:
    new = "{op: replace, layers: head, with: [{Dense: {units: 4, name: new}}], weights: fresh}"
    error = refusal(tmp_path, GraphUnsupported, "distill: {}", operations=new)
    assert error.location.line == 10
    assert "weights: overlap" in error.fix


def test_a_teacher_that_takes_other_inputs_cannot_teach(tmp_path: Path) -> None:
    wider = "{op: resize, layer: image, input_channels: 3}"
    assert "other inputs" in refusal(tmp_path, GraphUnsupported, "distill: {}", operations=wider).what


def test_augmentation_makes_the_teacher_compute_every_batch(tmp_path: Path) -> None:
    once = only(tmp_path, "distill: {}").described[-1]
    each = only(tmp_path, "distill: {}", augmentation="{GaussianNoise: {stddev: 0.1}}").described[-1]
    assert once == "the source model computes every training sample once"
    assert each == "the source model computes every batch, for augmentation varies the inputs"


def test_replay_says_how_many_old_samples_a_batch_has(tmp_path: Path) -> None:
    found = only(tmp_path, f"replay: {{data: {OLD}, share: 0.25}}")
    assert found.described == ("each batch of 8 has 2 of old.npz: an epoch takes 1.33 times the steps",)


@pytest.mark.parametrize(("share", "what", "fix"), [(0.01, "no sample", "0.125"), (0.99, "all of it", "0.875")])
def test_a_share_that_no_batch_can_have_is_refused(tmp_path: Path, share: float, what: str, fix: str) -> None:
    error = refusal(tmp_path, InvalidValue, f"replay: {{data: {OLD}, share: {share}}}")
    assert error.what == f"a share of {share} of a batch of 8 is {what}"
    assert error.fix == f"share: {fix}"


@pytest.mark.parametrize("guard", ["distill: {}", f"replay: {{data: {OLD}}}"])
def test_samples_that_come_in_batches_of_a_factory_cannot_be_guarded_so(tmp_path: Path, guard: str) -> None:
    error = refusal(tmp_path, DataInvalid, guard, train="{factory: 'mine:data'}")
    assert "the training samples come from a factory" in error.what


@pytest.mark.parametrize(
    "guard", ["ewc: {strength: 1, data: {factory: 'mine:data'}}", "replay: {data: {factory: 'mine:data'}}"]
)
def test_old_samples_cannot_come_in_batches_of_a_factory(tmp_path: Path, guard: str) -> None:
    assert "the old samples come from a factory" in refusal(tmp_path, DataInvalid, guard).what


def test_a_second_teacher_or_share_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, InvalidValue, "distill: {}\n    - distill: {}")
    assert error.what == "training.guards[1]: distill stands here twice"


def test_text_markdown_and_json_say_the_same(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"l2_sp: {{strength: 0.01}}\n    - replay: {{data: {OLD}}}")
    assert (
        "Guards against forgetting, in every stage\n  l2_sp (line 10): strength 0.01\n      holds 22 of 22 trained parameters"
        in plan_text(plan)
    )
    assert "| l2\\_sp (line 10) | strength 0.01 | holds 22 of 22 trained parameters, in 4 variables |" in plan_markdown(
        plan
    )
    first, second = json.loads(json.dumps(plan.to_json()))["guards"]
    assert (first["guard"], first["parameters"], first["held"]) == ("l2_sp", 22, ["norm", "head"])
    assert second == {
        "guard": "replay",
        "line": 11,
        "setting": "share 0.25",
        "does": ["each batch of 8 has 2 of old.npz: an epoch takes 1.33 times the steps"],
        "parameters": 0,
        "held": [],
        "taught": [],
    }


def test_guards_and_their_data_are_facts_of_the_lock(tmp_path: Path) -> None:
    one, other = (planned(tmp_path, f"replay: {{data: {OLD}, share: {share}}}").recipe for share in (0.25, 0.5))
    assert "data npz old.npz" in data_facts(one)
    assert recipe_facts(one)["recipe training guards"] != recipe_facts(other)["recipe training guards"]
