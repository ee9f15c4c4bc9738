"""Devices, MIDI ports, models, banks and memory of this computer -> what the settings' pages show."""

from dataclasses import dataclass, field
from pathlib import Path

from drawbar_desktop.state.models import BankEntry, ModelEntry
from drawbar_desktop.state.observable import Value


@dataclass
class Machine:
    """What is plugged in, installed and loaded."""

    models: Value[tuple[ModelEntry, ...]] = field(default_factory=lambda: Value(()))
    banks: Value[tuple[BankEntry, ...]] = field(default_factory=lambda: Value(()))
    memory: Value[str] = field(default_factory=lambda: Value(""))
    midi_ports: Value[tuple[str, ...]] = field(default_factory=lambda: Value(()))
    midi_trouble: Value[str] = field(default_factory=lambda: Value(""))
    download: Value[tuple[str, float] | None] = field(default_factory=lambda: Value(None))
    """(words, share done) while a model is fetched; a negative share is not known."""


@dataclass(frozen=True)
class About:
    """The program itself."""

    words: str = ""
    licences: str = ""
    """Of everything that is shipped, as Markdown."""
    log_file: Path | None = None
