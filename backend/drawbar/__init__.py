"""Finds, labels, proves and plays the concepts inside music generators. Importing this loads neither torch nor Qt."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drawbar.audio_analysis.descriptors import descriptors
    from drawbar.audio_analysis.detectors import Detectors
    from drawbar.bank.library import find_bank, install_bank, open_bank
    from drawbar.bank.records import Feature, FeatureRow
    from drawbar.bank.search import Query
    from drawbar.bank.sharing import pack_bank
    from drawbar.bank.store import Bank
    from drawbar.contrast.examples import from_examples
    from drawbar.corpus.audio import read_audio
    from drawbar.corpus.composer.compose import compose
    from drawbar.corpus.composer.prompt_rules import normalise_prompt
    from drawbar.corpus.composer.render import render_audio
    from drawbar.errors import DrawbarError
    from drawbar.live.audio_out.output import NullOutput
    from drawbar.live.engine import Engine, Snapshot
    from drawbar.live.rendering import render
    from drawbar.live.takes.take import Take, TakeSettings
    from drawbar.musicgen.model import Model, load_model
    from drawbar.musicgen.spec import ModelSpec
    from drawbar.pipeline.build import build
    from drawbar.pipeline.plan import plan_build
    from drawbar.pipeline.settings import BuildSettings
    from drawbar.residuals.harvest import Clip, harvest
    from drawbar.residuals.mixing import MixedBatches
    from drawbar.residuals.rows import MemoryRows
    from drawbar.sae.checkpoint import load_sae, save_sae
    from drawbar.sae.metrics import measure
    from drawbar.sae.settings import SaeSettings
    from drawbar.sae.topk import SAE
    from drawbar.sae.train import train_sae
    from drawbar.steering.automation import Automation, Lane
    from drawbar.steering.directions import Direction, directions_from_bank
    from drawbar.steering.mixer import Mixer
    from drawbar.steering.own import OwnDirection, OwnDirections

__version__ = "0.1.0"

__all__ = [
    "SAE",
    "Automation",
    "Bank",
    "BuildSettings",
    "Clip",
    "Detectors",
    "Direction",
    "DrawbarError",
    "Engine",
    "Feature",
    "FeatureRow",
    "Lane",
    "MemoryRows",
    "MixedBatches",
    "Mixer",
    "Model",
    "ModelSpec",
    "NullOutput",
    "OwnDirection",
    "OwnDirections",
    "Query",
    "SaeSettings",
    "Snapshot",
    "Take",
    "TakeSettings",
    "__version__",
    "build",
    "compose",
    "descriptors",
    "directions_from_bank",
    "find_bank",
    "from_examples",
    "harvest",
    "install_bank",
    "load_model",
    "load_sae",
    "measure",
    "normalise_prompt",
    "open_bank",
    "pack_bank",
    "plan_build",
    "read_audio",
    "render",
    "render_audio",
    "save_sae",
    "train_sae",
]

_WHERE = {
    "audio_analysis.descriptors": ("descriptors",),
    "audio_analysis.detectors": ("Detectors",),
    "bank.library": ("find_bank", "install_bank", "open_bank"),
    "bank.records": ("Feature", "FeatureRow"),
    "bank.search": ("Query",),
    "bank.sharing": ("pack_bank",),
    "bank.store": ("Bank",),
    "contrast.examples": ("from_examples",),
    "corpus.audio": ("read_audio",),
    "corpus.composer.compose": ("compose",),
    "corpus.composer.prompt_rules": ("normalise_prompt",),
    "corpus.composer.render": ("render_audio",),
    "errors": ("DrawbarError",),
    "live.audio_out.output": ("NullOutput",),
    "live.engine": ("Engine", "Snapshot"),
    "live.rendering": ("render",),
    "live.takes.take": ("Take", "TakeSettings"),
    "musicgen.model": ("Model", "load_model"),
    "musicgen.spec": ("ModelSpec",),
    "pipeline.build": ("build",),
    "pipeline.plan": ("plan_build",),
    "pipeline.settings": ("BuildSettings",),
    "residuals.harvest": ("Clip", "harvest"),
    "residuals.mixing": ("MixedBatches",),
    "residuals.rows": ("MemoryRows",),
    "sae.checkpoint": ("load_sae", "save_sae"),
    "sae.metrics": ("measure",),
    "sae.settings": ("SaeSettings",),
    "sae.topk": ("SAE",),
    "sae.train": ("train_sae",),
    "steering.automation": ("Automation", "Lane"),
    "steering.directions": ("Direction", "directions_from_bank"),
    "steering.mixer": ("Mixer",),
    "steering.own": ("OwnDirection", "OwnDirections"),
}
"""Module -> the names that it is asked for, when they are first asked for."""
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'drawbar' has no attribute {name!r}")
    return getattr(importlib.import_module(f"drawbar.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, *globals()]
