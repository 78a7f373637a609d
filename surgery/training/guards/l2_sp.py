"""`l2_sp`: weights stay near to where they start. Li et al. 2018, arXiv:1802.01483."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from surgery.model.carried import Rows
from surgery.model.weights import NEW
from surgery.planning.guards import GuardPlan, penalty_strength
from surgery.training.data.examples import Array
from surgery.training.guards.penalty import Penalty, anchor


def l2_sp(plan: GuardPlan, variables: Mapping[tuple[str, str], Any]) -> Penalty:
    """Holds what the plan holds, all alike.

    Args:
        plan: The guard as planned.
        variables: The variables of the model as built, by the path of their layer and their key.
    """
    anchors = tuple(anchor(variables[one.path, one.weight.key], carried_mask(one.rows)) for one in plan.held)
    return Penalty(plan.number, penalty_strength(plan.guard), anchors)


def carried_mask(rows: Rows) -> Array | None:
    """1 for what is carried over and 0 for what begins anew; None where all is carried over."""
    places = [np.flatnonzero(np.array(axis) != NEW) for axis in rows]
    if all(len(found) == len(axis) for found, axis in zip(places, rows, strict=True)):
        return None
    mask = np.zeros([len(axis) for axis in rows], "float32")
    mask[np.ix_(*places)] = 1
    return mask
