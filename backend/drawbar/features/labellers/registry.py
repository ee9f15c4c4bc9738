"""Settings -> the describers that listen to clips and the labellers that use what they say.

Every labeller of the project is listed here; add one by writing its file and a line in each of the two functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from drawbar.audio_analysis.audio_llm import ListenerSettings
from drawbar.audio_analysis.detectors import Detectors
from drawbar.audio_analysis.essentia import EssentiaTags, has_essentia
from drawbar.errors import BadInputError
from drawbar.features.labellers.audio_llm import ListenerLabeller
from drawbar.features.labellers.clap import ClapLabeller, ClapSettings, ClapSounds
from drawbar.features.labellers.compound import CompoundLabeller, CompoundSettings
from drawbar.features.labellers.descriptors import ColumnLabeller, DescriptorLabeller, DescriptorSettings
from drawbar.features.labellers.ground_truth import TruthLabeller, TruthSettings
from drawbar.features.labellers.interface import Labeller
from drawbar.features.labellers.people import PeopleLabeller
from drawbar.features.labellers.sound_windows import (
    Describer,
    DescriptorSounds,
    DetectorSounds,
    EssentiaSounds,
)
from drawbar.features.labellers.track_words import TrackWordLabeller, TrackWordSettings
from drawbar.paths import assets_dir


@dataclass(frozen=True)
class LabelSettings:
    """Which labellers run beside ``truth`` and ``descriptors``, which always do where they can."""

    essentia: Literal["auto", "on", "off"] = "auto"
    """``auto``: where the extra is installed."""
    essentia_models: str = ""
    """A folder of classifiers from essentia.upf.edu; without one its DSP extractors speak."""
    people: str = ""
    """A CSV file with columns feature, label, author."""
    detectors: Literal["auto", "on", "off"] = "auto"
    """Detectors trained on composed music, as a labeller of recordings and takes; ``auto``: where there is no truth."""
    compound: CompoundSettings = field(default_factory=CompoundSettings)
    """Names of several words, where there is no truth."""
    clap: ClapSettings = field(default_factory=ClapSettings)
    track_words: TrackWordSettings = field(default_factory=TrackWordSettings)
    """Words of prompts, captions, tags and folders, where tracks have any."""
    listener: ListenerSettings = field(default_factory=ListenerSettings)
    min_consistency: float = 0.7
    """AUROC from which an unnamed feature counts as consistent and is put into a group."""
    publish_consistency: float = 0.0
    """Features without a label and with a lower consistency are left out of the bank; 0 publishes all."""

    def __post_init__(self) -> None:
        if self.detectors not in ("auto", "on", "off"):
            raise BadInputError(f"detectors={self.detectors!r}: auto, on or off")
        if self.essentia not in ("auto", "on", "off") or not 0.5 <= self.min_consistency <= 1:
            raise BadInputError(f"{self}: essentia is auto, on or off, min_consistency lies in 0.5 to 1")
        if self.essentia_models and not Path(self.essentia_models).is_dir():
            raise BadInputError(
                f"essentia_models={self.essentia_models!r} is no folder; give the models' folder"
            )


def make_describers(
    settings: LabelSettings, descriptors: DescriptorSettings, *, known: bool = True
) -> list[Describer]:
    """Who listens to the clips; ``known``: there is truth. Raises MissingDependencyError, BadInputError."""
    found: list[Describer] = [DescriptorSounds(descriptors.window_frames)]
    if settings.detectors == "on" or (settings.detectors == "auto" and not known):
        folder = assets_dir() / "detectors"
        if settings.detectors == "on" or folder.is_dir():
            found.append(DetectorSounds(descriptors.window_frames, Detectors.load(folder)))
    if settings.essentia == "on" or (settings.essentia == "auto" and has_essentia()):
        tags = EssentiaTags(Path(settings.essentia_models)) if settings.essentia_models else None
        found.append(EssentiaSounds(descriptors.window_frames, tags))
    if settings.clap.weights:
        found.append(ClapSounds(settings.clap))
    return found


def make_labellers(
    settings: LabelSettings,
    truth: TruthSettings,
    descriptors: DescriptorSettings,
    describers: Sequence[Describer],
    *,
    known: bool,
    cache: Path,
    texts: Mapping[str, str] | None = None,
) -> list[Labeller]:
    """Who labels.

    ``known``: the corpus has ground truth; ``cache``: where a listener's answers are kept; ``texts``: what is said of
    tracks, ``prompt`` or ``tags``, and what those words are out of.
    """
    found: list[Labeller] = [TruthLabeller(truth)] if known else []
    found += [TrackWordLabeller(kind, source, settings.track_words) for kind, source in (texts or {}).items()]
    found.append(DescriptorLabeller(descriptors))
    for describer in describers:
        if isinstance(describer, EssentiaSounds):
            method = "classifier's tag" if describer.classifies else "outer third of the figure"
            found.append(
                ColumnLabeller(
                    describer.name, method, describer.columns, descriptors, tags=describer.classifies
                )
            )
        if isinstance(describer, DetectorSounds):
            heard = "heard by detectors of composed music"
            found.append(ColumnLabeller(describer.name, heard, describer.columns, descriptors, tags=True))
        if isinstance(describer, ClapSounds):
            found.append(ClapLabeller(settings.clap, describer))
    if settings.compound.min_auroc and not known:
        # Not the detectors' figures: whoever names a feature may not judge it, and one judge has to be left.
        worded = [d.name for d in describers if isinstance(d, (DescriptorSounds, EssentiaSounds))]
        found.append(CompoundLabeller(settings.compound, worded))
    if settings.listener.endpoint:
        found.append(ListenerLabeller(settings.listener, cache))
    if settings.people:
        found.append(PeopleLabeller(Path(settings.people)))
    return found
