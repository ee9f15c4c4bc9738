"""A corpus -> a bank: stages, manifests and resume, as ``drawbar build`` runs them."""

from drawbar.pipeline.build import STAGES, BuildResult, Run, build, run_stages
from drawbar.pipeline.grid import SweepSettings
from drawbar.pipeline.plan import Plan, PlannedStage, plan_build
from drawbar.pipeline.progress import Progress, ProgressCallback
from drawbar.pipeline.settings import BuildSettings

__all__ = [
    "STAGES",
    "BuildResult",
    "BuildSettings",
    "Plan",
    "PlannedStage",
    "Progress",
    "ProgressCallback",
    "Run",
    "SweepSettings",
    "build",
    "plan_build",
    "run_stages",
]
