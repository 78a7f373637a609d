"""Public models of Keras 2.0 to 3.9 are accepted."""

from __future__ import annotations

import pytest

from surgery.model.scan import scan
from tests.real_models import REAL_MODELS, real_model

pytestmark = pytest.mark.real


@pytest.mark.parametrize("model", REAL_MODELS)
def test_public_model_is_accepted(model: str) -> None:
    assert [str(finding) for finding in scan(real_model(model)).findings] == []
