"""Nothing -> what the About page says: version, licences, where the log is."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from drawbar.paths import assets_dir
from drawbar_desktop.state.machine import About


def about(log_file: Path | None) -> About:
    try:
        number = version("drawbar")
    except PackageNotFoundError:
        number = "(not installed)"
    words = (
        f"Drawbar {number}. Concepts inside music generators, on sliders.\n"
        "Apache-2.0. What the embedded model plays is yours. MusicGen's released weights are CC-BY-NC-4.0, "
        "and so is what they make."
    )
    return About(words, _licences(), log_file)


def _licences() -> str:
    try:
        return (assets_dir() / "NOTICES.md").read_text(encoding="utf-8")
    except OSError:
        return "The licences are in assets/NOTICES.md of the source."
