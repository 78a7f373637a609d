"""Digests: the same for the same content, another one for any other."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from surgery.errors import FileMissing, FileUnreadable
from surgery.model.fingerprint import (
    canonical,
    canonical_json,
    config_digest,
    file_digest,
    model_digest,
    variable_digest,
    variable_digests,
)
from surgery.model.spec import ModelSpec
from tests.model.graphs import classifier, random_models

POLICY = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}


def test_canonical_has_no_addresses() -> None:
    config: dict[str, Any] = {"dtype": {**POLICY, "shared_object_id": 140_000}, "size": (3, 3), "rate": float("inf")}
    before = copy.deepcopy(config)
    assert canonical(config) == {"dtype": "float32", "size": [3, 3], "rate": "inf"}
    assert config == before


def test_canonical_json_has_one_order() -> None:
    assert canonical_json({"b": 1, "a": [None, True]}) == b'{"a":[null,true],"b":1}'


def test_config_digest_tells_models_apart() -> None:
    spec = classifier()
    left = spec["left"]
    digests = {
        config_digest(other)
        for other in (
            spec,
            spec.with_layer("left", replace(left, config={**left.config, "units": 5})),
            spec.with_layer("left", replace(left, config={**left.config, "trainable": False})),
            spec.with_layer("left", replace(left, calls=spec["right"].calls * 2)),
            spec.with_layer("encoder/conv1", replace(spec["encoder/conv1"], class_name="Conv3D")),
            replace(spec, outputs=spec.inputs),
        )
    }
    assert len(digests) == 6
    assert config_digest(replace(spec, compile_config={"optimizer": "adam"})) == config_digest(spec)


@given(random_models())
def test_config_digest_is_a_function_of_the_content(spec: ModelSpec) -> None:
    assert config_digest(spec) == config_digest(copy.deepcopy(spec))


def test_variable_digest_is_of_values_dtype_and_shape() -> None:
    array = np.arange(12, dtype="f4").reshape(3, 4)
    assert variable_digest(array) == variable_digest(array.copy())
    assert variable_digest(array) == variable_digest(np.asfortranarray(array))
    assert variable_digest(array) == variable_digest(array.astype(">f4"))
    others = [array.T, array.reshape(4, 3), array.astype("f8"), array + 1]
    assert len({variable_digest(other) for other in [array, *others]}) == 5


def test_variable_digest_reads_every_block() -> None:
    array = np.zeros(1_000_000, "f4")
    digests = {variable_digest(array)}
    for place in (0, 500_000, 999_999):
        other = array.copy()
        other[place] = 1
        digests.add(variable_digest(other))
    assert len(digests) == 4


def test_model_digest() -> None:
    values = {("left", "vars/0"): np.ones((2, 2), "f4"), ("left", "vars/1"): np.zeros(2, "f4")}
    turned = dict(reversed(values.items()))
    assert list(variable_digests(values)) == ["left:vars/0", "left:vars/1"]
    assert model_digest(classifier(), values) == model_digest(classifier(), turned)
    assert model_digest(classifier(), values) != model_digest(classifier(), {})


def test_file_digest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    assert file_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(FileMissing):
        file_digest(tmp_path / "other")
    with pytest.raises(FileUnreadable):
        file_digest(tmp_path)
