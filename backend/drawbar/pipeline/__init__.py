"""A corpus -> a bank: stages, manifests and resume, as ``drawbar build`` runs them."""

from drawbar.pipeline.build import BuildResult, build
from drawbar.pipeline.progress import Progress, ProgressCallback
from drawbar.pipeline.settings import BuildSettings

__all__ = ["BuildResult", "BuildSettings", "Progress", "ProgressCallback", "build"]
