"""Static rules of reshaping, merging and the core layers against Keras."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tests.model.shapes.agreement import Case, assert_agreement, by_class, cases
from tests.model.shapes.tensors import BY_RANK, IMAGE, POLICIES, SEQUENCE, VECTOR, VOLUME

pytestmark = pytest.mark.keras

WHOLE = (*VECTOR, "int32")
FORMATS = ("channels_last", "channels_first")

SIDES = {
    1: (2, [1, 0], 5),
    2: (1, [1, 2], [[1, 2], [3, 0]], 5),
    3: (2, [[1, 0], [1, 1], [2, 0]], 5),
}
EINSUMS = (
    ("abc,cd->abd", [None, 4], "d", SEQUENCE),
    ("ab,bc->ac", [3], None, VECTOR),
    ("...x,xy->...y", [7], "y", (None, 3, 4, 5)),
    ("...x,xy->...y", [7], "y", (2, 3, 4, 5, 6)),
    ("abc,cde->abde", [None, 2, 3], "de", SEQUENCE),
    ("ab...,bc->ac...", [4], "c", SEQUENCE),
    ("abc,cd->abd", [5, 4], "d", SEQUENCE),
    ("abc,cd->abd", [6, 4], "d", SEQUENCE),
)
MERGES = (
    [VECTOR, VECTOR],
    [VECTOR, (None, 1)],
    [SEQUENCE, (None, 5, 1)],
    [SEQUENCE, (None, 6)],
    [VECTOR, (None, 9)],
    [(3, 4), (None, 4)],
    [(3, 4), (2, 4)],
    [(None, None, 3), (None, 4, 3)],
    [SEQUENCE, VECTOR],
    [WHOLE, WHOLE],
)
CONCATENATIONS = (
    (-1, [VECTOR, VECTOR]),
    (-1, [WHOLE, WHOLE]),
    (1, [SEQUENCE, (None, 3, 6)]),
    (1, [SEQUENCE, (None, 3, 5)]),
    (-1, [SEQUENCE, (None, 5, None)]),
    (2, [SEQUENCE, SEQUENCE, SEQUENCE]),
    (-1, [VECTOR, SEQUENCE]),
    (3, [VECTOR, VECTOR]),
    (-1, [(None, None, 3), (None, 5, 3)]),
)
DOTS = (
    (1, [VECTOR, VECTOR]),
    (-1, [SEQUENCE, SEQUENCE]),
    ([2, 1], [SEQUENCE, (None, 6, 3)]),
    (1, [SEQUENCE, (None, 5, 3)]),
    (2, [SEQUENCE, (None, 5, 3)]),
)
RESHAPES = (
    ([5, 2], VECTOR),
    ([5, -1], VECTOR),
    ([3, -1], VECTOR),
    ([5, 3], VECTOR),
    ([-1], IMAGE),
    ([2, -1], (None, None, 4)),
    ([4, 4], (None, None)),
    ([1, 10, 1], WHOLE),
)

CASES = [
    *cases(
        "Dense",
        [[VECTOR], [SEQUENCE], [(3, 4, 5, 6)], [(None, None)], [(5,)]],
        {"units": 3},
        {"units": 3, "use_bias": False},
    ),
    *(
        Case({"EinsumDense": {"equation": equation, "output_shape": shape, "bias_axes": axes}}, (tensor,))
        for equation, shape, axes, tensor in EINSUMS
    ),
    *cases("Embedding", [[(None, 4, "int32")], [(None, "int32")], [(None, None)]], {"input_dim": 9, "output_dim": 3}),
    *cases(
        "ReversibleEmbedding",
        [[(None, 4, "int32")]],
        *({"input_dim": 9, "output_dim": 3, "tie_weights": tie} for tie in (True, False)),
    ),
    *cases("Identity", [[SEQUENCE], [WHOLE]]),
    *cases("Masking", [[SEQUENCE]]),
    *cases(
        "Flatten",
        [[VECTOR], [(None,)], [(None, None, 3)], [IMAGE], [WHOLE]],
        *({"data_format": form} for form in FORMATS),
    ),
    *(Case({"Reshape": {"target_shape": target}}, (tensor,)) for target, tensor in RESHAPES),
    *cases("Permute", [[SEQUENCE], [VECTOR]], {"dims": [2, 1]}),
    *cases("Permute", [[(*IMAGE, "int64")]], {"dims": [3, 1, 2]}),
    *cases("RepeatVector", [[VECTOR], [SEQUENCE]], {"n": 3}),
    *(
        Case({f"ZeroPadding{rank}D": {"padding": sides, "data_format": form}}, (BY_RANK[rank],))
        for rank, form in product((1, 2, 3), FORMATS)
        for sides in SIDES[rank]
    ),
    *(
        Case({f"Cropping{rank}D": {"cropping": sides, **({"data_format": form} if rank > 1 else {})}}, (BY_RANK[rank],))
        for rank, form in product((1, 2, 3), FORMATS)
        for sides in SIDES[rank]
    ),
    *cases("UpSampling1D", [[SEQUENCE]], {"size": 3}),
    *cases("UpSampling2D", [[IMAGE]], *({"size": [2, 3], "data_format": form} for form in FORMATS)),
    *cases("UpSampling3D", [[VOLUME]], *({"size": 2, "data_format": form} for form in FORMATS)),
    *(
        case
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
        for case in cases(name, MERGES)
    ),
    *cases("Add", [[VECTOR, VECTOR, VECTOR], [VECTOR]]),
    *cases("Subtract", [[VECTOR, VECTOR, VECTOR]]),
    *(Case({"Concatenate": {"axis": axis}}, tuple(tensors)) for axis, tensors in CONCATENATIONS),
    *(Case({"Dot": {"axes": axes}}, tuple(tensors)) for axes, tensors in DOTS),
    *(
        Case({name: {**config, "dtype": policy}}, (tensor,))
        for policy in POLICIES
        for name, config, tensor in (
            ("Dense", {"units": 3}, VECTOR),
            ("Embedding", {"input_dim": 9, "output_dim": 3}, (None, 4, "int32")),
            ("Flatten", {}, IMAGE),
            ("Reshape", {"target_shape": [5, 2]}, VECTOR),
            ("Identity", {}, WHOLE),
            ("ZeroPadding2D", {}, IMAGE),
        )
    ),
]


BY_CLASS = by_class(CASES)


@pytest.mark.parametrize("class_name", BY_CLASS)
def test_agrees_with_keras(class_name: str, tmp_path: Path) -> None:
    assert_agreement(BY_CLASS[class_name], tmp_path)
