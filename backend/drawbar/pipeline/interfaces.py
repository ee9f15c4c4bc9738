"""What a build needs of a model -> protocols, so that tests bring a small one of their own."""

from typing import Protocol

from drawbar.musicgen.codec.interface import ClipCodec
from drawbar.musicgen.interfaces import SitedModel
from drawbar.residuals import ResidualModel


class BuildModel(ResidualModel, SitedModel, Protocol):
    """A loaded model; one that has ``logits`` as well gets its SAEs' cross-entropies measured."""

    @property
    def codec(self) -> ClipCodec: ...
