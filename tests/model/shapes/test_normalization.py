"""Static rules of normalization, regularization and activation against Keras."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tests.model.shapes.agreement import Case, assert_agreement, by_class, cases
from tests.model.shapes.tensors import IMAGE, POLICIES, SEQUENCE, VECTOR, VOLUME

pytestmark = pytest.mark.keras

WHOLE = (*SEQUENCE, "int32")
SIMPLE = (
    ("Dropout", {"rate": 0.2}),
    ("AlphaDropout", {"rate": 0.2}),
    ("GaussianDropout", {"rate": 0.2}),
    ("GaussianNoise", {"stddev": 0.2}),
    ("ActivityRegularization", {"l1": 0.1}),
    ("ELU", {}),
    ("LeakyReLU", {}),
    ("ReLU", {}),
    ("Softmax", {}),
    ("Softmax", {"axis": [1, 2]}),
    ("PReLU", {}),
    ("PReLU", {"shared_axes": [1]}),
    ("Activation", {"activation": "softmax"}),
    ("UnitNormalization", {}),
    ("RMSNormalization", {}),
    ("LayerNormalization", {}),
    ("BatchNormalization", {}),
    ("Normalization", {}),
)

CASES = [
    *(Case({name: config}, (tensor,)) for (name, config), tensor in product(SIMPLE, (SEQUENCE, WHOLE))),
    *(Case({name: {**config, "dtype": policy}}, (SEQUENCE,)) for (name, config), policy in product(SIMPLE, POLICIES)),
    *cases("SpatialDropout1D", [[SEQUENCE], [VECTOR]], {"rate": 0.2}),
    *cases("SpatialDropout2D", [[IMAGE], [SEQUENCE]], {"rate": 0.2}),
    *cases("SpatialDropout3D", [[VOLUME], [SEQUENCE]], {"rate": 0.2}),
    *cases(
        "BatchNormalization", [[IMAGE]], {"axis": 1}, {"center": False}, {"scale": False}, {"renorm": True}, {"axis": 7}
    ),
    *cases("BatchNormalization", [[(None, None)]]),
    *cases("LayerNormalization", [[IMAGE]], {"axis": [1, 2]}, {"axis": [-1, -2]}, {"center": False}, {"scale": False}),
    *cases("RMSNormalization", [[SEQUENCE]], {"axis": [1, 2]}),
    *cases(
        "GroupNormalization",
        [[IMAGE]],
        *(
            {"groups": 2},
            {"groups": -1},
            {"groups": 3},
            {"groups": 8},
            {"groups": 3, "axis": 1},
            {"groups": 2, "scale": False},
        ),
    ),
    *cases("Normalization", [[SEQUENCE]], {"axis": [1, -1]}, {"axis": -1, "mean": [1.0] * 6, "variance": [1.0] * 6}),
]


BY_CLASS = by_class(CASES)


@pytest.mark.parametrize("class_name", BY_CLASS)
def test_agrees_with_keras(class_name: str, tmp_path: Path) -> None:
    assert_agreement(BY_CLASS[class_name], tmp_path)
