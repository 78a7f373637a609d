from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from surgery.planning.teaching import Answer, Taught
from surgery.training.data.examples import ArrayExamples
from surgery.training.data.order import Batches
from surgery.training.guards.distill import Teacher, answer, distance, taught_by, with_answers
from surgery.training.outputs import Learner
from tests.training import small

pytestmark = pytest.mark.keras


def lesson(
    answer: Answer = "classes", columns: tuple[tuple[int, int], ...] = ((0, 0), (1, 1)), **changes: Any
) -> Taught:
    activations = {"classes": "softmax", "yes or no": "sigmoid", "values": "linear"}[answer]
    parts = {"output": 0, "teacher": 0, "name": "head", "source": "head", "units": 3, "columns": columns}
    return Taught(**(parts | {"answer": answer, "activations": (activations, activations)} | changes))


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def number(tensor: Any) -> float:
    return float(keras.ops.convert_to_numpy(tensor))


LOGITS = np.array([[1.0, -0.5, 0.25], [0.0, 2.0, -1.0]], "float32")
OTHERS = np.array([[0.5, 0.5, 3.0], [1.0, -1.0, 0.0]], "float32")


def test_classes_are_compared_as_softened_probabilities() -> None:
    said, given = softmax(LOGITS[:, [1, 0]] / 2), softmax(OTHERS[:, [2, 0]] / 2)
    wanted = 4 * (said * np.log(said / given)).sum(axis=1).mean()
    one = lesson(columns=((2, 1), (0, 0)))
    found = distance(one, answer(softmax(LOGITS), [1, 0], "softmax"), keras.ops.convert_to_tensor(softmax(OTHERS)), 2.0)
    assert number(found) == pytest.approx(wanted, abs=1e-6)


def test_logits_and_probabilities_say_the_same() -> None:
    both = lesson()
    logits = lesson(activations=("linear", "softmax"))
    said = answer(softmax(LOGITS), [0, 1], "softmax")
    one = distance(both, said, keras.ops.convert_to_tensor(softmax(OTHERS)), 3.0)
    other = distance(logits, said, keras.ops.convert_to_tensor(OTHERS), 3.0)
    assert number(one) == pytest.approx(number(other), abs=1e-6)


def test_old_classes_that_are_all_but_ruled_out_still_have_a_gradient() -> None:
    logits = np.array([[-40.0, -42.0, 5.0]], "float32")
    said = answer(softmax(LOGITS[:1]), [0, 1], "softmax")
    first, second = (
        number(distance(lesson(), said, keras.ops.convert_to_tensor(softmax(one)), 1.0))
        for one in (logits, logits + np.array([1.0, 0.0, 0.0], "float32"))
    )
    odds = softmax(LOGITS[0, :2])
    wanted = [(odds * np.log(odds / softmax(np.array([gap, 0.0])))).sum() for gap in (2.0, 3.0)]
    assert [first, second] == pytest.approx(wanted, abs=1e-4)


def test_yes_or_no_is_compared_unit_by_unit() -> None:
    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    said, given = sigmoid(LOGITS[:, :2] / 2), sigmoid(OTHERS[:, :2] / 2)
    wanted = 4 * (said * np.log(said / given) + (1 - said) * np.log((1 - said) / (1 - given))).mean()
    found = distance(
        lesson("yes or no"),
        answer(sigmoid(LOGITS), [0, 1], "sigmoid"),
        keras.ops.convert_to_tensor(sigmoid(OTHERS)),
        2.0,
    )
    assert number(found) == pytest.approx(wanted, abs=1e-6)


def test_values_are_compared_by_their_squared_difference() -> None:
    found = distance(lesson("values"), LOGITS[:, :2], keras.ops.convert_to_tensor(OTHERS), 2.0)
    assert number(found) == pytest.approx(((LOGITS - OTHERS)[:, :2] ** 2).mean(), abs=1e-6)


def teacher(model: keras.Model, weight: float = 1.0, *lessons: Taught) -> Teacher:
    return Teacher(0, model, lessons or (lesson(),), weight, 2.0, 4)


def test_a_model_that_answers_like_the_teacher_learns_from_the_labels_alone() -> None:
    model, data = small.model(), small.examples(12)
    one = teacher(model, 5.0)
    assert one.value(model, data) == pytest.approx(0.0, abs=1e-6)


def test_the_loss_is_the_labels_and_the_weighted_distance() -> None:
    model, other, data = small.model(), small.model(), small.examples(4)
    other.get_layer("head").bias.assign([1.0, -1.0, 0.5])
    one = teacher(other, 3.0)
    x, y = data.take(np.arange(4))
    model.compile(loss=small.LOSS)
    plain = float(model.evaluate(x, y, verbose=0))
    with taught_by(one, Learner(model, [0], [0])):
        told = model.compute_loss(x, with_answers(y, one.answers(x)), model(x, training=False), training=True)
        alone = model.compute_loss(x, y, model(x, training=False), training=True)
    assert number(alone) == pytest.approx(plain, abs=1e-6)
    assert number(told) == pytest.approx(plain + one.value(model, data), abs=1e-5)
    assert one.value(model, data) > 0


def test_a_model_is_given_back_as_it_was() -> None:
    model = small.model()
    with taught_by(teacher(small.model()), Learner(model, [0], [0])):
        assert "compute_loss" in vars(model)
    assert "compute_loss" not in vars(model)
    assert "compute_metrics" not in vars(model)


def test_training_learns_from_the_teacher_and_measures_against_labels(tmp_path: Path) -> None:
    model, other, data = small.model(), small.model(), small.examples(32)
    other.get_layer("head").bias.assign([2.0, -2.0, 0.0])
    one = teacher(other, 20.0, lesson(columns=((0, 0), (1, 1), (2, 2))))
    before = one.value(model, data)
    lessons = one.over(data, False)
    batches = Batches(data, 8, answered=lambda indices, x, y: with_answers(y, lessons(indices, x)))
    model.compile(keras.optimizers.Adam(0.03), small.LOSS, metrics=["accuracy"])
    with taught_by(one, Learner(model, [0], [0])):
        history = model.fit(batches, epochs=10, shuffle=False, verbose=0, validation_data=Batches(data, 8)).history
    assert one.value(model, data) < before / 2
    assert history["val_accuracy"][-1] == pytest.approx(model.evaluate(*data.take(np.arange(32)), verbose=0)[1])


def test_answers_are_those_of_the_examples_asked_for_or_of_their_varied_inputs() -> None:
    one, data = teacher(small.model()), small.examples(10)
    indices = np.array([7, 2])
    x = data.take(indices)[0]
    (kept,), (asked,) = one.over(data, False)(indices, None), one.over(data, True)(indices, x)
    np.testing.assert_allclose(kept, asked, atol=1e-6)
    assert kept.shape == (2, 2)
    assert not np.allclose(one.over(data, True)(indices, x + 1)[0], asked)


def test_too_many_answers_are_computed_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    one, data = teacher(small.model()), small.examples(10)
    indices = np.array([7, 2])
    (kept,) = one.over(data, False)(indices, None)
    monkeypatch.setattr("surgery.training.guards.distill.KEPT_AT_ONCE", 10)
    (asked,) = one.over(data, False)(indices, None)
    np.testing.assert_allclose(kept, asked, atol=1e-6)


def test_a_teacher_of_one_of_several_outputs() -> None:
    first = small.model()
    two = keras.Model(first.inputs[0], [first.layers[0].output, *first.outputs])
    data = ArrayExamples(small.examples(6).x, (np.zeros(6), np.zeros(6)), ("x",))
    one = teacher(two, 1.0, lesson(output=1, teacher=1))
    assert one.value(two, data) == pytest.approx(0.0, abs=1e-6)
    assert one.answers(data.take(np.arange(6))[0])[0].shape == (6, 2)
