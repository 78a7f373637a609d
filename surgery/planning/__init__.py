"""A recipe and a model in, a plan out: what will be done, in order, and where every weight will come from."""

from surgery.planning.plan import LedgerLine, Plan, Source, StagePlan, Step
from surgery.planning.planner import KerasSide, make_plan

__all__ = ["KerasSide", "LedgerLine", "Plan", "Source", "StagePlan", "Step", "make_plan"]
