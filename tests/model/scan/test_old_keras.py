"""Archives of Keras 2: every version had its classes in other modules, and none of them is looked for."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from surgery.model.archive import read_model
from surgery.model.scan import Status, scan

KERAS_2 = Path(__file__).parents[1] / "keras2"
SPELLINGS = {
    "2.12": ("keras.engine.functional", "keras"),
    "2.13": ("keras.src.engine.functional", "keras"),
    "tf_keras": ("tf_keras.src.engine.functional", "tf_keras"),
    "internal": ("keras.src.models.functional", "keras.src.engine.sequential"),
}
"""Where a version has Functional, and where Sequential."""


def rewritten(source: Path, target: Path, change: Any, version: str = "2.15.0") -> Path:
    """An archive whose objects have been changed, one by one."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            value = {key: walk(item) for key, item in value.items()}
            return change(value) if "class_name" in value else value
        return [walk(item) for item in value] if isinstance(value, list) else value

    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json":
                data = json.dumps(walk(json.loads(data))).encode()
            if name == "metadata.json":
                data = json.dumps({"keras_version": version}).encode()
            new.writestr(name, data)
    return target


@pytest.mark.parametrize("name", ["nested", "recurrent", "attention"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_models_are_known_wherever_keras_2_had_them(name: str, spelling: str, tmp_path: Path) -> None:
    def spelled(found: dict[str, Any]) -> dict[str, Any]:
        modules = dict(zip(("Functional", "Sequential"), SPELLINGS[spelling], strict=True))
        return {**found, "module": modules.get(found["class_name"], found.get("module"))}

    path = rewritten(KERAS_2 / f"{name}.keras", tmp_path / "m.keras", spelled)
    assert scan(path).status is Status.ACCEPTED, scan(path).findings
    assert read_model(path).class_name == "Functional"


@pytest.mark.parametrize("version", ["3.0.0", "", "1.0"])
def test_only_in_what_keras_2_wrote(version: str, tmp_path: Path) -> None:
    """Of others the module is what Keras 3 would import."""
    verdict = scan(rewritten(KERAS_2 / "nested.keras", tmp_path / "m.keras", lambda found: found, version))
    assert {finding.code for finding in verdict.findings} == {"class-custom"}


@pytest.mark.parametrize(
    ("module", "class_name", "code"),
    [
        ("keras.src.layers.core.lambda_layer", "Lambda", "class-lambda"),
        ("keras.layers", "TFSMLayer", "class-foreign-model"),
        ("keras.src.ops.core", "Switch", "class-control-flow"),
        ("keras.utils", "get_file", "class-not-allowed"),
        ("tf_keras.evil", "Evil", "class-custom"),
        ("evil", "Dense", "class-custom"),
        ("kerasevil", "Dense", "class-custom"),
    ],
)
def test_what_is_no_layer_of_keras_is_refused_in_old_files_too(
    module: str, class_name: str, code: str, tmp_path: Path
) -> None:
    def swapped(found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "module": module, "class_name": class_name} if found["class_name"] == "Dense" else found

    path = rewritten(KERAS_2 / "nested.keras", tmp_path / "m.keras", swapped)
    assert code in {finding.code for finding in scan(path).findings}


def test_names_with_slashes_are_usual_there(tmp_path: Path) -> None:
    assert scan(KERAS_2 / "functional.h5").status is Status.ACCEPTED
    for name, code in (("a\\b", "name-separator"), ("../b", "name-parent")):

        def named(found: dict[str, Any], name: str = name) -> dict[str, Any]:
            is_first = found.get("config", {}).get("name") == "first"
            return {**found, "config": {**found["config"], "name": name}} if is_first else found

        path = rewritten(KERAS_2 / "nested.keras", tmp_path / "m.keras", named)
        assert code in {finding.code for finding in scan(path).findings}
