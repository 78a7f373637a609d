from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from surgery.reporting.run_curves import curves_of, curves_svg, sparkline
from surgery.reporting.run_words import metric, seconds
from tests.reporting.run_document import document, epoch, stage


def test_curves_go_on_over_the_stages_with_the_loss_first() -> None:
    loss, accuracy = curves_of(document())
    assert (loss.name, loss.training) == ("loss", (1.5, 1.0, 0.5))
    assert accuracy.validation == pytest.approx((0.4, 0.65, 0.775))


def test_the_image_is_well_formed_whatever_a_metric_is_called() -> None:
    odd = document(stages=[stage("a", 1, epoch(1, math.nan, 0.5) | {"metrics": {"<&>": 0.5, "loss": math.nan}})])
    for one in (document(), odd):
        image = curves_svg(one)
        assert image is not None
        root = ElementTree.fromstring(image)
        assert root.tag.endswith("svg")
    assert "nan" not in image


def test_three_points_make_a_line_of_three() -> None:
    image = curves_svg(document())
    assert image is not None
    assert image.count("<circle") == 2 * 2 * 3
    assert image.count("stroke-dasharray") == 2


def test_nothing_trained_nothing_drawn() -> None:
    assert curves_svg(document(stages=[])) is None


@pytest.mark.parametrize(
    ("values", "line"),
    [([1.0, 2.0, 3.0], "▁▅█"), ([2.0, None, 2.0], "▁ ▁"), ([math.nan], ""), ([0.0, math.inf, 7.0], "▁ █")],
)
def test_a_line_of_blocks(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


def test_numbers_in_words() -> None:
    assert [metric(value) for value in (None, math.nan, 0.0, 1e-9, 0.5)] == [
        "",
        "not a number",
        "0.0000",
        "1.000e-09",
        "0.5000",
    ]
    assert [seconds(value) for value in (0.04, 12.3, 200, 7500)] == ["0.0 s", "12 s", "3 min 20 s", "2 h 5 min"]
