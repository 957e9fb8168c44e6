"""Entry point of the group `inspect_ai`: importing it registers tasks, solvers, scorer and hook."""

from tertulia.evaluation.plugin import SOLVERS, TASKS, StopEngines, arm_solver, circle

__all__ = ["SOLVERS", "TASKS", "StopEngines", "arm_solver", "circle"]
