"""Model files that a stranger could send, one builder each. Every payload is harmless: a canary that would be seen."""

from tests.hostile.archives import ARCHIVES
from tests.hostile.classes import CLASSES
from tests.hostile.configs import CONFIGS
from tests.hostile.model import Hostile
from tests.hostile.weights import WEIGHTS

HOSTILE: dict[str, Hostile] = {**ARCHIVES, **CLASSES, **CONFIGS, **WEIGHTS}

__all__ = ["HOSTILE", "Hostile"]
