"""A corpus -> a bank: stages, manifests and resume, as ``drawbar build`` runs them."""

from drawbar.pipeline.build import BuildResult, build, run_stages
from drawbar.pipeline.grid import SweepSettings
from drawbar.pipeline.inputs.ready_saes import require_licences
from drawbar.pipeline.plan import Plan, plan_build
from drawbar.pipeline.progress import Progress
from drawbar.pipeline.settings import BuildSettings

__all__ = [
    "BuildResult",
    "BuildSettings",
    "Plan",
    "Progress",
    "SweepSettings",
    "build",
    "plan_build",
    "require_licences",
    "run_stages",
]
