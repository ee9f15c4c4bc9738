"""Where things live -> every file name inside the assets, a run folder and the user's own folder."""

import os
from pathlib import Path

import platformdirs

FIRST_LAYER_BANK = "bank-first"
"""In a run folder: the bank of the first layer, from when that is ready until the whole bank is."""


def assets_dir() -> Path:
    """The folder that ships the embedded model and bank (``DRAWBAR_ASSETS`` overrides it)."""
    override = os.environ.get("DRAWBAR_ASSETS")
    return Path(override) if override else Path(__file__).resolve().parents[2] / "assets"


def embedded_model_dir() -> Path:
    """The embedded model, in the Hugging Face MusicGen layout."""
    return assets_dir() / "model"


def embedded_bank_dir() -> Path:
    """The bank that belongs to the embedded model."""
    return assets_dir() / "bank"


def installed_banks_dir() -> Path:
    """Banks that ``drawbar bank install`` unpacked, one folder each."""
    return user_dir() / "installed"


def own_directions_dir() -> Path:
    """Directions that the user made from examples."""
    return user_dir() / "directions"


def user_dir() -> Path:
    """Takes, settings, logs and downloaded banks (``DRAWBAR_HOME`` overrides it)."""
    override = os.environ.get("DRAWBAR_HOME")
    return Path(override) if override else Path(platformdirs.user_data_dir("Drawbar", appauthor=False))
