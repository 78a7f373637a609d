"""Checks a one-key map of a recipe against the catalogue: the class, its arguments, their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from surgery.model import catalogue
from surgery.model.arguments import (
    NAMED,
    OBJECTS,
    TYPES,
    VALUE,
    expected,
    fits,
    is_type,
    plain_schema,
    types_of,
    with_article,
)
from surgery.model.catalogue import Argument, KerasClass
from surgery.model.nearest import did_you_mean
from surgery.model.path_text import path_problem

NOUNS = {
    "callbacks": "callback",
    "constraints": "constraint",
    "initializers": "initializer",
    "layers": "layer",
    "losses": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "regularizers": "regularizer",
    "schedules": "learning rate schedule",
}


SERIALIZED = frozenset({"class_name", "config", "module", "registered_name"})
"""The keys by which Keras tells a serialized object; they have no place in a recipe."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `code` is that of a class of `surgery.errors`, `at` the keys below the checked value."""

    code: str
    what: str
    expected: str | None = None
    fix: str | None = None
    at: tuple[str | int, ...] = ()
    mark: str = "value"

    def below(self, *keys: str | int) -> Problem:
        return replace(self, at=(*keys, *self.at))


def check_object(kind: str, value: Any, partial: bool = False) -> Iterator[Problem]:
    """Every mistake of a one-key map, or of a bare name where the kind has some.

    Args:
        partial: Whether required arguments may be left out, as when a config is inherited.
    """
    noun = NOUNS[kind]
    if isinstance(value, str) and catalogue.bare_names(kind):
        yield from _check_name(kind, value)
    elif not isinstance(value, Mapping):
        yield Problem(
            "wrong-type", f"{with_article(noun)} is a map of its class to its arguments", _form(kind), _fix(kind, value)
        )
    elif len(value) != 1:
        yield Problem("invalid-value", f"{with_article(noun)} is a map with one key, not {len(value)}", _form(kind))
    else:
        ((key, given),) = value.items()
        yield from check_class(kind, key, given, partial)


def check_class(kind: str, key: Any, given: Any, partial: bool = False) -> Iterator[Problem]:
    """Every mistake of a class and its arguments."""
    if not isinstance(key, str):
        yield Problem("wrong-type", "a class is named by a string", _form(kind), at=(key,), mark="key")
        return
    if not isinstance(given, Mapping | None):
        yield Problem("wrong-type", f"{key} takes a map of arguments", f"{key}: {{}}", at=(key,))
        return
    if ">" in key:
        yield from _check_custom(key)
        yield from (problem.below(key) for problem in check_plain(given or {}))
        return
    known = catalogue.find(kind, key)
    if known is None:
        yield _unknown(kind, key)
    elif known.unsafe:
        yield Problem("unknown-class", f"{key} cannot be used in a recipe: {known.unsafe}", at=(key,), mark="key")
    else:
        yield from (problem.below(key) for problem in check_arguments(known, key, given or {}, partial))


def check_arguments(known: KerasClass, key: str, given: Mapping[str, Any], partial: bool = False) -> Iterator[Problem]:
    """Every mistake of the arguments of a class, with `at` below the class."""
    for name, value in given.items():
        argument = known.arguments.get(name)
        if argument is None:
            what = f"{key} takes no argument {name!r}"
            fix = did_you_mean(str(name), known.arguments)
            yield Problem("unknown-argument", what, f"one of {', '.join(known.arguments)}", fix, (name,), "key")
        else:
            yield from (problem.below(name) for problem in check_value(key, argument, value))
    missing = [] if partial else [name for name in known.required if name not in given]
    for name in missing:
        example = expected(known.arguments[name])
        yield Problem("missing-key", f"{key} needs {name!r}", example, f"add: {name}: ...", mark="key")
    if known.kind == "layers" and known.name == "InputLayer" and not partial:
        shapes = [name for name in ("shape", "batch_shape") if given.get(name) is not None]
        if len(shapes) != 1:
            what = f"{key} takes one of 'shape' and 'batch_shape'" if shapes else f"{key} needs 'shape'"
            fix = "keep one of the two" if shapes else "add: shape: [4] with the sizes of an example"
            yield Problem("missing-key", what, "shape: the sizes of one example, without the batch", fix, mark="key")


def check_value(key: str, argument: Argument, value: Any) -> Iterator[Problem]:
    """Every mistake of the value of one argument."""
    if value is None and (argument.is_nullable or argument.type == "activation"):
        return
    if argument.type == "nothing":
        what = f"{key}: {argument.name} cannot be written in a recipe"
        yield Problem("wrong-type", what, "null, which is the default", f"leave {argument.name} out")
    elif argument.type == "layers" and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from (problem.below(index) for problem in check_object("layers", item))
    elif argument.type in OBJECTS and isinstance(value, Mapping):
        yield from check_object(OBJECTS[argument.type], value)
    elif argument.type == "path" and isinstance(value, str) and (wrong := path_problem(value)):
        yield Problem(
            "output-refused",
            f"{key}: {argument.name}: {wrong}",
            expected(argument),
            "write a name such as epoch-{epoch:02d}.keras",
        )
    elif not fits(value, schema := plain_schema(argument)):
        what = f"{key}: {argument.name} takes {expected(argument)}, not {_shown(value)}"
        allowed = types_of(schema)
        code = "invalid-value" if not allowed or any(is_type(value, name) for name in allowed) else "wrong-type"
        yield Problem(code, what, expected(argument), _nearest(argument, value))


def check_plain(value: Any) -> Iterator[Problem]:
    """Every serialized object in what a class of one's own, or one that the catalogue does not know, is given.

    Maps are fine there, as data. But Keras makes an object of each map that says its class, and calls functions for some.
    """
    if isinstance(value, Mapping):
        for key in sorted(SERIALIZED.intersection(value)):
            what = f"{key!r} belongs to Keras' own form of an object, which a recipe does not use"
            yield Problem("invalid-value", what, "plain values", "write the values alone", (key,), "key")
        items: Any = value.items()
    else:
        items = enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield from (problem.below(key) for problem in check_plain(item))


def check_values(key: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    """Every argument that holds a map, of a function or class of Keras of whose arguments no more is known."""
    for name, value in given.items():
        if not fits(value, VALUE):
            what = f"{key}: {name} takes a plain value, not {_shown(value)}"
            yield Problem("wrong-type", what, TYPES["value"].words(Argument(name)), None, (name,))


def check_own_keys(key: Any, own: Mapping[str, Any]) -> Iterator[Problem]:
    """Every mistake of `inputs`, `inherit` and `call`, the keys of a layer that belong to the recipe."""
    inputs, inherit = own.get("inputs"), own.get("inherit", False)
    listed = isinstance(inputs, list | tuple) and inputs and all(isinstance(name, str) for name in inputs)
    if "inputs" in own and not (isinstance(inputs, str) or listed):
        what = f"{key}: inputs takes names of layers, not {_shown(inputs)}"
        yield Problem("wrong-type", what, "a list of names of layers", at=(key, "inputs"))
    if not isinstance(inherit, bool):
        what = f"{key}: inherit takes true or false, not {_shown(inherit)}"
        yield Problem("wrong-type", what, "true or false", at=(key, "inherit"))
    if "call" in own:
        known = catalogue.find("layers", key) if isinstance(key, str) else None
        yield from (problem.below(key, "call") for problem in check_call(known, str(key), own["call"]))


def check_call(known: KerasClass | None, key: str, given: Any) -> Iterator[Problem]:
    """Every mistake of the arguments of a call, with `at` below them.

    Args:
        known: The class; None for one whose call nobody knows here: Keras says what it takes.
        key: What to call it.
        given: The arguments as the recipe writes them.
    """
    if not isinstance(given, Mapping) or not given:
        what = f"{key}: call takes a map of arguments, not {_shown(given)}"
        yield Problem("wrong-type", what, "arguments of the call", "write: {training: true}")
        return
    for name, value in given.items():
        if known and name in known.call and name not in known.switches:
            what = f"{key}: {name!r} is a tensor of the call"
            fix = "name what it reads: inputs: [...]"
            yield Problem("invalid-value", what, "an argument that is true or false", fix, (name,), "key")
        elif known and name not in known.switches:
            what = f"{key} is called with no argument {name!r}"
            words = (
                f"one of {', '.join(known.switches)}" if known.switches else "none: it is called on its inputs alone"
            )
            fix = did_you_mean(str(name), known.switches) or "leave it out"
            yield Problem("unknown-argument", what, words, fix, (name,), "key")
        elif not isinstance(value, bool | None if known else bool | int | float | str | None):
            what = f"{key}: {name} takes true or false, or null, which takes it away; not {_shown(value)}"
            yield Problem("wrong-type", what, "true, false or null", f"write: {name}: true", (name,))


def _nearest(argument: Argument, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    if argument.type in NAMED:
        return did_you_mean(value, catalogue.bare_names(NAMED[argument.type]))
    return did_you_mean(value, [choice for choice in argument.choices if isinstance(choice, str)])


def _check_name(kind: str, name: str) -> Iterator[Problem]:
    known = catalogue.bare_names(kind)
    if name not in known and not (kind == "optimizers" and name.lower() in known):
        words = [*known, *catalogue.words(kind)]
        fix = did_you_mean(name, words)
        yield Problem("unknown-class", f"Keras has no {NOUNS[kind]} {name!r}", _form(kind), fix)
    elif kind == "metrics" and (made := catalogue.find(kind, known[name])) and made.required:
        example = f"{made.name}: {{{', '.join(f'{argument}: ...' for argument in made.required)}}}"
        yield Problem("missing-key", f"the metric {name!r} needs {made.required[0]!r}", example, f"write {example}")


def _check_custom(key: str) -> Iterator[Problem]:
    module, _, name = key.partition(">")
    if not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        what = f"{key!r} does not name a class"
        yield Problem("invalid-value", what, "package.module>Class", at=(key,), mark="key")


def _unknown(kind: str, key: str) -> Problem:
    """The error of an unknown class; a class of another kind is said to be one."""
    noun = NOUNS[kind]
    for other in catalogue.KINDS:
        if other != kind and (found := catalogue.find(other, key)) and found.name == key:
            return Problem(
                "unknown-class",
                f"{key} is {with_article(NOUNS[other])}, not {with_article(noun)}",
                _form(kind),
                at=(key,),
                mark="key",
            )
    fix = did_you_mean(key, catalogue.words(kind))
    return Problem("unknown-class", f"Keras has no {noun} {key!r}", _form(kind), fix, (key,), "key")


_FORMS = {
    "callbacks": "{EarlyStopping: {patience: 3}}",
    "constraints": "{MaxNorm: {max_value: 2}}",
    "initializers": "{RandomNormal: {stddev: 0.1}}, or a name such as zeros",
    "layers": "{Dense: {units: 10}}",
    "losses": "{Huber: {delta: 2.0}}, or a name such as sparse_categorical_crossentropy",
    "metrics": "{AUC: {curve: PR}}, or a name such as accuracy",
    "optimizers": "{Adam: {learning_rate: 0.001}}, or a name such as adam",
    "regularizers": "{L2: {l2: 0.01}}, or a name such as l2",
    "schedules": "{CosineDecay: {initial_learning_rate: 0.01, decay_steps: 1000}}",
}


def _form(kind: str) -> str:
    return f"{with_article(NOUNS[kind])} of Keras, such as {_FORMS[kind]}; a class of your own is package.module>Class"


def _fix(kind: str, value: Any) -> str | None:
    if isinstance(value, str) and catalogue.find(kind, value):
        return f"write {value}: {{}}"
    return None


def _shown(value: Any) -> str:
    text = {None: "null", True: "true", False: "false"}.get(value) if _is_plain(value) else None
    text = text or (repr(value) if not isinstance(value, Mapping) else "a map")
    return text if len(text) <= 60 else f"{text[:59]}…"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)
