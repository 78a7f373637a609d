"""What every test stands on: one backend, no GPU, fixed seeds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports Keras. Two workers share two cores, so one thread for each.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# How long an example takes says more about the machine than about the code.
settings.register_profile("surgery", deadline=None)
settings.load_profile("surgery")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the whole project."""
    return REPOSITORY


@pytest.fixture(autouse=True, scope="module")
def _fresh_names(request: pytest.FixtureRequest) -> None:
    """A file that uses Keras starts with fresh layer names. Clearing takes about a second, too much for every test."""
    if request.node.get_closest_marker("keras"):
        import keras

        keras.utils.clear_session()


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    """A test that uses Keras starts from seed 0."""
    if request.node.get_closest_marker("keras"):
        import keras

        keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    """What runs keep for the next one stays out of the user's own cache, and one test does nothing for the other. They share a
    key, as the runs of a user do."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.getbasetemp() / "cache" / name)
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.getbasetemp() / "state")
