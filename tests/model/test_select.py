"""Every form of the selector language against small models, and the errors of those that match nothing."""

from __future__ import annotations

from typing import Any

import pytest

from surgery.errors import InvalidValue, UnknownLayer
from surgery.model.select import read_selector, select
from surgery.model.spec import Call, LayerSpec, ModelSpec, TensorRef
from tests.model.graphs import classifier, layer, model

TOP = ["x", "encoder", "left", "right", "logits", "probabilities"]
INSIDE = ["encoder/image", "encoder/conv1", "encoder/norm", "encoder/conv2"]
ALL = ["x", "encoder", *INSIDE, "left", "right", "logits", "probabilities"]


def choose(value: Any, spec: ModelSpec | None = None, **options: Any) -> list[str]:
    return list(select(spec or classifier(), read_selector(value), **options))


FORMS: list[tuple[Any, list[str]]] = [
    ("left", ["left"]),
    ("encoder", ["encoder"]),
    ("encoder/conv1", ["encoder/conv1"]),
    ("*", TOP),
    ("**", ALL),
    ("l*", ["left", "logits"]),
    ("?eft", ["left"]),
    ("[lr]*", ["left", "right", "logits"]),
    ("[!lr]*", ["x", "encoder", "probabilities"]),
    ("encoder/*", INSIDE),
    ("encoder/conv?", ["encoder/conv1", "encoder/conv2"]),
    ("*/conv*", ["encoder/conv1", "encoder/conv2"]),
    ("**/conv*", ["encoder/conv1", "encoder/conv2"]),
    ("**/left", ["left"]),
    ("enc**", ["encoder", *INSIDE]),
    (0, ["x"]),
    (-1, ["probabilities"]),
    (-6, ["x"]),
    ({"from": "left", "to": "logits"}, ["left", "right", "logits"]),
    ({"from": "logits"}, ["logits", "probabilities"]),
    ({"to": "encoder"}, ["x", "encoder"]),
    ({"from": 1, "to": 2}, ["encoder", "left"]),
    ({"from": -2}, ["logits", "probabilities"]),
    ({"from": "left", "to": -1}, ["left", "right", "logits", "probabilities"]),
    ({"from": -100, "to": 1}, ["x", "encoder"]),
    ({"to": 100}, TOP),
    ({"from": "encoder/conv1", "to": "encoder/norm"}, ["encoder/conv1", "encoder/norm"]),
    ({"from": "encoder/norm"}, ["encoder/norm", "encoder/conv2"]),
    ({"from": "encoder/norm", "to": -1}, ["encoder/norm", "encoder/conv2"]),
    ({"to": "[lr]*"}, ["x", "encoder", "left", "right", "logits"]),
    ({"from": "left", "of": {"class": "Dense"}}, ["left", "right", "logits"]),
    ({"from": 1, "to": 2, "of": {"class": "Dense"}}, ["right", "logits"]),
    ({"first": 2}, ["x", "encoder"]),
    ({"last": 2}, ["logits", "probabilities"]),
    ({"last": 100}, TOP),
    ({"first": 2, "of": "encoder/*"}, ["encoder/image", "encoder/conv1"]),
    ({"last": 2, "of": {"to": "right"}}, ["left", "right"]),
    ({"last": 1, "of": {"first": 3, "of": {"class": ["Dense", "Conv2D"]}}}, ["left"]),
    ({"class": "Conv2D"}, ["encoder/conv1", "encoder/conv2"]),
    ({"class": ["Softmax", "InputLayer"]}, ["x", "encoder/image", "probabilities"]),
    ({"regex": "^encoder/conv"}, ["encoder/conv1", "encoder/conv2"]),
    ({"regex": "t$"}, ["left", "right"]),
    ({"config": {"activation": "relu"}}, ["encoder/conv1", "left"]),
    ({"config": {"kernel_size": 3}}, ["encoder/conv1"]),
    ({"config": {"activation": "linear", "units": 2}}, ["logits"]),
    ({"config": {"trainable": False}}, ["logits"]),
    ({"upstream_of": "left"}, ["x", "encoder", "left"]),
    ({"upstream_of": "logits"}, ["x", "encoder", "left", "right", "logits"]),
    ({"downstream_of": "left"}, ["left", "logits", "probabilities"]),
    ({"upstream_of": "encoder/norm"}, ["encoder/image", "encoder/conv1", "encoder/norm"]),
    ({"upstream_of": {"class": "Conv2D"}}, INSIDE),
    ({"between": ["x", "left"]}, ["x", "encoder", "left"]),
    ({"between": ["encoder", "logits"]}, ["encoder", "left", "right", "logits"]),
    ({"between": ["left", "left"]}, ["left"]),
    (["right", "left", "left"], ["left", "right"]),
    ({"any": ["x", {"class": "Softmax"}]}, ["x", "probabilities"]),
    ({"all": [{"class": "Dense"}, {"config": {"activation": "relu"}}]}, ["left"]),
    ({"all": [{"class": ["Dense", "Conv2D"]}, {"not": "encoder"}]}, ["left", "right", "logits"]),
    ({"all": [{"class": ["Dense", "Conv2D"]}, {"not": "left"}]}, ["encoder/conv1", "encoder/conv2", "right", "logits"]),
    ({"not": "x"}, TOP[1:]),
    ({"not": {"last": 2}}, TOP[:-2]),
    ({"not": {"not": "left"}}, ["left"]),
    ({"not": "encoder/norm"}, ["x", "encoder/image", "encoder/conv1", "encoder/conv2", *TOP[2:]]),
    ({"not": {"class": "Dropout"}}, ALL),
    ({"not": {"class": "Conv2D"}}, ["x", "encoder/image", "encoder/norm", *TOP[2:]]),
    ({"not": {"any": ["left", "nothing*"]}}, ["x", "encoder", "right", "logits", "probabilities"]),
    ({"any": [{"not": ["left", "x"]}, "left"]}, TOP[1:]),
]


@pytest.mark.parametrize(("value", "expected"), FORMS, ids=[str(value) for value, _ in FORMS])
def test_form(value: Any, expected: list[str]) -> None:
    assert choose(value) == expected


ERRORS: list[tuple[Any, str, str, tuple[str | int, ...]]] = [
    ("lft", "no layer matches 'lft'", "did you mean 'left'?", ()),
    ("Left", "no layer matches 'Left'", "did you mean 'left'?", ()),
    ("conv1", "no layer matches 'conv1'", "did you mean 'encoder/conv1'?", ()),
    ("encodr/conv1", "no layer matches 'encodr/conv1'", "did you mean 'encoder/conv1'?", ()),
    ("lefft*", "no layer matches 'lefft*'", "did you mean 'left*'?", ()),
    ("conv*", "no layer matches 'conv*'", "did you mean '**/conv*'?", ()),
    ("encoder/Conv*", "no layer matches 'encoder/Conv*'", "did you mean 'encoder/conv*'?", ()),
    ("add", "no layer matches 'add': it is a bare operation, not a layer", "list them with: surgery inspect MODEL", ()),
    (6, "no layer matches 6", "list them with", ()),
    (-7, "no layer matches -7", "list them with", ()),
    ({"class": "Conv2d"}, "no layer matches {class: Conv2d}", "did you mean 'Conv2D'?", ()),
    ({"regex": "^zz"}, 'no layer matches {regex: "^zz"}', "list them with", ()),
    ({"config": {"activation": "gelu"}}, "no layer matches {config: {activation: gelu}}", "list them with", ()),
    ({"from": "rigt"}, "no layer matches 'rigt'", "did you mean 'right'?", ("from",)),
    ({"from": "logits", "to": "left"}, "no layer matches {from: logits, to: left}", "list them with", ()),
    ({"last": 2, "of": {"to": "lft"}}, "no layer matches 'lft'", "did you mean 'left'?", ("of", "to")),
    (["left", "rigt"], "no layer matches 'rigt'", "did you mean 'right'?", (1,)),
    ({"any": ["left", {"class": "Lstm"}]}, "no layer matches {class: Lstm}", "list them with", ("any", 1)),
    ({"all": ["left", {"upstream_of": "lft"}]}, "no layer matches 'lft'", "'left'", ("all", 1, "upstream_of")),
    ({"between": ["x", "rigt"]}, "no layer matches 'rigt'", "'right'", ("between", 1)),
    ({"between": ["logits", "left"]}, "no layer matches {between: [logits, left]}", "list them with", ()),
    ({"all": ["left", "right"]}, "no layer matches {all: [left, right]}", "list them with", ()),
    ({"not": "lft"}, "no layer matches 'lft'", "did you mean 'left'?", ("not",)),
    ({"not": "**"}, 'no layer matches {not: "**"}', "list them with", ()),
]


@pytest.mark.parametrize(("value", "what", "fix", "at"), ERRORS, ids=[str(error[0]) for error in ERRORS])
def test_matching_nothing_is_an_error(value: Any, what: str, fix: str, at: tuple[str | int, ...]) -> None:
    with pytest.raises(UnknownLayer) as caught:
        choose(value)
    assert caught.value.what == what
    assert fix in (caught.value.fix or "")
    assert caught.value.field == at


LENIENT: list[tuple[Any, list[str]]] = [
    ("lft", []),
    (6, []),
    (["left", "rigt"], ["left"]),
    ({"from": "rigt"}, []),
    ({"last": 2, "of": "lft"}, []),
    ({"between": ["x", "rigt"]}, []),
    ({"not": "lft"}, TOP),
    ({"not": "**"}, []),
]


@pytest.mark.parametrize(("value", "expected"), LENIENT, ids=[str(value) for value, _ in LENIENT])
def test_nothing_may_be_allowed(value: Any, expected: list[str]) -> None:
    assert choose(value, allow_empty=True) == expected


def test_error_names_the_file() -> None:
    with pytest.raises(UnknownLayer) as caught:
        choose("convv_*", source="models/my net.keras")
    assert caught.value.expected == "a layer name or a glob over the 6 layers of my net.keras"
    assert (caught.value.fix or "").endswith("surgery inspect 'models/my net.keras'")


def test_index_error_says_which_there_are() -> None:
    with pytest.raises(UnknownLayer) as caught:
        choose(9)
    assert caught.value.expected == "an index from -6 to 5: classifier has 6 layers"


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ({"from": "encoder/conv1", "to": "left"}, ()),
        ({"between": ["encoder/conv1", "left"]}, ("between",)),
        ({"from": "left", "of": {"class": "Conv2D"}}, ("from",)),
    ],
)
def test_ends_that_cannot_go_together(value: Any, at: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValue) as caught:
        choose(value)
    assert caught.value.field == at


def test_a_name_with_wildcards_in_it_wins() -> None:
    spec = model("m", layer("a", "InputLayer"), layer("[ab]*", "Dense", "a"), layer("b", "Dense", "[ab]*"))
    assert choose("[ab]*", spec) == ["[ab]*"]
    assert choose("[ab]", spec) == ["a", "b"]


def test_shared_layer_is_not_taken_for_a_way() -> None:
    """Two towers use one encoder; what feeds the left one does not feed the right one."""
    shared = LayerSpec("shared", "Dense", calls=(Call(args=(TensorRef("a"),)), Call(args=(TensorRef("b"),))))
    spec = model(
        "towers",
        layer("a", "InputLayer"),
        layer("b", "InputLayer"),
        shared,
        layer("left", "Dense", TensorRef("shared", 0)),
        layer("right", "Dense", TensorRef("shared", 1)),
    )
    assert choose({"upstream_of": "left"}, spec) == ["a", "shared", "left"]
    assert choose({"between": ["a", "right"]}, spec, allow_empty=True) == []
    assert choose({"downstream_of": "shared"}, spec) == ["shared", "left", "right"]


def test_sequential_hides_its_input() -> None:
    spec = model(
        "s", layer("in", "InputLayer"), layer("a", "Dense", "in"), layer("b", "Dense", "a"), class_name="Sequential"
    )
    assert choose(0, spec) == ["a"]
    assert choose({"upstream_of": "b"}, spec) == ["a", "b"]
    with pytest.raises(UnknownLayer, match="input of a Sequential"):
        choose("in", spec)


def test_long_chain_needs_no_recursion() -> None:
    layers = [layer("l0", "InputLayer"), *(layer(f"l{n}", "Dense", f"l{n - 1}") for n in range(1, 5000))]
    assert len(choose({"upstream_of": -1}, model("long", *layers))) == 5000
