"""No value of a recipe is an object in Keras' own serialized form, wherever it stands: each is refused, with its place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from surgery.errors import SurgeryError, flatten
from surgery.model import catalogue
from surgery.model.arguments import TYPES
from surgery.planning import make_plan
from surgery.recipe.loader import parse_recipe
from tests.networks import classifier, write_network

# Builds harmless objects, were it ever given to Keras; a hostile one has the same form.
PAYLOAD = {
    "module": "keras.src.models.functional",
    "class_name": "Functional",
    "registered_name": "Functional",
    "config": {"name": "m", "layers": [], "input_layers": [], "output_layers": []},
}
DEPTHS = (lambda: PAYLOAD, lambda: [PAYLOAD], lambda: [[1.0, {"a": PAYLOAD}]])


def every_argument(kind: str) -> Iterator[tuple[str, str]]:
    for name in catalogue.names(kind):
        known = catalogue.find(kind, name)
        assert known is not None
        yield from ((name, argument) for argument in known.arguments)


def objects(kind: str, depths: int = len(DEPTHS)) -> list[Any]:
    """Each argument of each class of a kind with the payload at each depth, as one-key maps."""
    return [{name: {argument: make()}} for name, argument in every_argument(kind) for make in DEPTHS[:depths]]


def below(kind: str) -> list[Any]:
    """The same for classes that stand in arguments of layers, optimizers and wrappers."""
    match kind:
        case "initializers":
            return [{"Dense": {"units": 2, "kernel_initializer": one}} for one in objects(kind, 1)]
        case "regularizers":
            return [{"Dense": {"units": 2, "kernel_regularizer": one}} for one in objects(kind, 1)]
        case "constraints":
            return [{"Dense": {"units": 2, "kernel_constraint": one}} for one in objects(kind, 1)]
        case _:
            return [{"TimeDistributed": {"layer": one}} for one in objects(kind, 1)]


def stage(**keys: Any) -> dict[str, Any]:
    return {"name": "s", "epochs": 1, "optimizer": "sgd", "loss": "mse"} | keys


def training(one: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {"data": {"train": {"npz": "d.npz", "x": "x", "y": "y"}} | data, "stages": [one]}


def recipes() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("layers",):
        for one in [
            *objects(kind),
            *below(kind),
            *below("initializers"),
            *below("regularizers"),
            *below("constraints"),
        ]:
            yield "append", {"operations": [{"op": "append", "layers": [one]}]}
    for one in objects("layers", 1):
        yield "replace", {"operations": [{"op": "replace", "layers": "head", "with": [one]}]}
        yield "augmentation", {"training": training(stage(), augmentation=[one])}
    for one in objects("optimizers"):
        yield "optimizer", {"training": training(stage(optimizer=one))}
    for one in objects("schedules"):
        yield "schedule", {"training": training(stage(optimizer={"SGD": {"learning_rate": one}}))}
    for one in objects("losses"):
        yield "loss", {"training": training(stage(loss=one))}
        yield "loss by output", {"training": training(stage(loss={"head": one}))}
    for one in objects("metrics"):
        yield "metric", {"training": training(stage(metrics=[one]))}
        yield (
            "evaluation",
            {"evaluation": [{"name": "e", "data": {"npz": "d.npz", "x": "x", "y": "y"}, "metrics": [one]}]},
        )
    for one in objects("callbacks"):
        yield "callback", {"training": training(stage(callbacks=[one]))}
    for make in DEPTHS:
        yield "a class of one's own", {"operations": [{"op": "append", "layers": [{"my.module>Own": {"a": make()}}]}]}
        yield "application", {"model": {"application": "VGG16", "weights": None, "arguments": {"classes": make()}}}
        yield "preset", {"model": {"preset": "p", "arguments": {"dtype": make()}}}
    # Keras' own form in the place of the one-key map itself.
    for keys in ({"operations": [{"op": "append", "layers": [PAYLOAD]}]}, {"training": training(stage(loss=PAYLOAD))}):
        yield "the object itself", keys


def refused(tmp_path: Path, keys: dict[str, Any]) -> list[SurgeryError]:
    document = {"surgery": 1, "model": {"path": "model.keras"}} | keys
    path = tmp_path / "recipe.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(document, file)
    try:
        recipe = parse_recipe(path, path.read_bytes(), {})
        make_plan(recipe)
    except SurgeryError as error:
        return flatten(error)
    return []


def test_the_payload_is_refused_in_every_argument(tmp_path: Path) -> None:
    write_network(tmp_path / "model.keras", classifier())
    count = 0
    for what, keys in recipes():
        errors = refused(tmp_path, keys)
        assert errors, f"{what}: {keys}"
        assert all(error.location and error.location.line for error in errors), f"{what}: {errors}"
        count += 1
    assert count > 6000


@pytest.mark.parametrize("depth", range(len(DEPTHS)))
def test_reconfigure_takes_no_serialized_form(tmp_path: Path, depth: int) -> None:
    """Of every argument of the classes in a model, those of the base class too."""
    write_network(tmp_path / "model.keras", classifier())
    for layer, class_name in (("conv1", "Conv2D"), ("flatten", "Flatten")):
        known = catalogue.find("layers", class_name)
        assert known is not None
        for argument in known.arguments:
            operation = {"op": "reconfigure", "layers": layer, "config": {argument: DEPTHS[depth]()}}
            errors = refused(tmp_path, {"operations": [operation]})
            assert errors, argument
            assert errors[0].location, argument


def test_no_type_of_an_argument_lets_a_map_through_but_those_of_objects() -> None:
    """The types of the catalogue, each with a value of it that a serialized form has been put into."""
    from surgery.model.arguments import fits, plain_schema
    from surgery.model.catalogue import Argument

    for name in TYPES:
        argument = Argument("a", type=name, choices=("x",), size=2)
        for make in DEPTHS:
            assert not fits(make(), plain_schema(argument)), name


def test_plain_values_are_as_welcome_as_before(tmp_path: Path) -> None:
    write_network(tmp_path / "model.keras", classifier())
    layer = {"Rescaling": {"scale": [[0.5, 0.25]], "offset": [0.0, 1.0], "name": "r"}}
    assert [
        e.code() for e in refused(tmp_path, {"operations": [{"op": "insert", "before": "flatten", "layers": [layer]}]})
    ] in (
        [],
        ["shape-mismatch"],
    )


def test_keras_stays_out_while_all_of_this_is_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "model.keras", classifier())
    (tmp_path / "recipe.yaml").write_text(
        "surgery: 1\nmodel: {path: model.keras}\noperations:\n  - op: append\n    layers:\n"
        "      - Dense: {units: 3, quantization_config: {module: keras, class_name: Functional, config: {}}}\n"
    )
    code = (
        "import sys\nfrom surgery.cli.main import run\n"
        "codes = [run([*c, 'recipe.yaml']) for c in (['validate'], ['plan'], ['plan', '--restricted'], ['lock'])]\n"
        "assert codes == [1, 1, 1, 1], codes\nassert not {'keras', 'tensorflow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "recipe.yaml:6:" in done.stderr
