"""Nothing -> an engine and a bank that need neither weights nor sound: they obey the same interface."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.records import Example, Feature, FeatureRow, Histogram, Label, Quantiles
from drawbar.errors import BadInputError
from drawbar_desktop.loading import Loaded

RATE = 32_000
LABELS = (
    ("drums", "truth", 0.97), ("bass: fingered", "truth", 0.95), ("chords: piano", "truth", 0.93),
    ("lead: flute", "truth", 0.91), ("pattern: arpeggio", "truth", 0.88), ("mode: minor", "truth", 0.84),
    ("drums: rock", "truth", 0.83), ("loudness", "descriptors", 0.79), ("swing", "truth", 0.76),
    ("tempo: fast", "truth", 0.74), ("register: high", "truth", 0.72), ("bright", "descriptors", 0.70),
    ("chords: strings", "truth", 0.69), ("lead: brass", "truth", 0.66), ("onsets", "descriptors", 0.63),
    ("density: busy", "truth", 0.61), ("motif: return", "truth", 0.58), ("dynamics: soft", "truth", 0.55),
)  # fmt: skip


def make_rows(count: int = 400) -> list[FeatureRow]:
    """Rows as a small bank would have them: named ones first."""
    rng = np.random.default_rng(1)
    rows = []
    for i in range(count):
        label, author, score = LABELS[i] if i < len(LABELS) else ("", "", None)
        verdict = "proven" if i in (0, 2, 4) else "untested"
        shelf = "proven" if verdict == "proven" else "named" if label else "unnamed"
        index = int(rng.integers(2048)) * 7 + i
        density, p99 = float(rng.uniform(0.002, 0.2)), float(rng.uniform(3, 9))
        rows.append(
            FeatureRow(f"3/{index}", 3, index, label, author, score, density, p99, shelf, i == 1, verdict, ())
        )
    return rows


class FakeBank:
    """Search over a list."""

    def __init__(self, count: int = 400) -> None:
        self.rows = make_rows(count)
        self.searches = 0

    def _match(self, text: str, filters: dict[str, Any]) -> list[FeatureRow]:
        rows = [r for r in self.rows if text.lower() in f"{r.label} {r.id}".lower()]
        shelf = filters.get("shelf")
        if shelf == "starred":
            rows = [r for r in rows if r.starred]
        elif shelf == "named":
            rows = [r for r in rows if r.label]
        elif shelf:
            rows = [r for r in rows if r.shelf == shelf]
        return rows

    def search(
        self, text: str = "", *, limit: int = 100, offset: int = 0, **filters: Any
    ) -> list[FeatureRow]:
        self.searches += 1
        return self._match(text, filters)[offset : offset + limit]

    def count(self, text: str = "", **filters: Any) -> int:
        return len(self._match(text, filters))

    def nearest(self, text: str, limit: int = 5) -> list[FeatureRow]:
        return self.rows[:limit]

    def feature(self, id: str) -> Feature:
        row = next((r for r in self.rows if r.id == id), None)
        if row is None:
            raise BadInputError(f"{id!r} is not in the bank; search for another")
        rng = np.random.default_rng(row.index)
        edges = np.linspace(0, row.p99 * 1.3, 33)
        counts = (4000 * np.exp(-edges[:-1] / row.p99 * 4)).astype(int) + 3
        labels = [Label(row.label, row.label_author, "auroc", row.label_score)] if row.label else []
        if row.label:
            labels.append(Label("percussive, steady", "descriptors", "ridge", 0.41))
        names = ("onset_strength", "loudness_db", "low_band_share", "centroid_hz", "flatness")
        near = [(r.id, float(c)) for r, c in zip(self.rows[3:7], (0.71, 0.55, 0.48, 0.31), strict=True)]
        return Feature(
            row,
            labels,
            Quantiles(row.p99 * 0.3, row.p99 * 0.7, row.p99, row.p99 * 1.2),
            row.density,
            min(1.0, row.density * 6),
            Histogram(tuple(edges), tuple(int(c) for c in counts)),
            dict(zip(names, rng.uniform(-0.6, 0.8, 5).round(3).tolist(), strict=True)),
            near,
            {"type": "sustained"},
            (-1.25, 1.5) if row.label else None,
            None,
        )

    def examples(self, id: str, bin: str | None = None) -> list[Example]:
        rng = np.random.default_rng(len(id))
        result = []
        for name in ("top", "q75", "q50", "q25"):
            wave = np.convolve(rng.random(250) ** 6, np.ones(12) / 12, "same").astype(np.float32)
            result.append(Example(np.zeros((4, 250), np.uint16), 0, 250, wave, name, f"piece-{name}"))
        return [e for e in result if bin in (None, e.bin)]


@dataclass(frozen=True)
class FakeSettings:
    """As `drawbar.live.TakeSettings`."""

    prompt: str = ""
    seed: int = 0
    seconds: float | None = 30.0
    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int = 250
    amounts: dict[str, float] = field(default_factory=dict)
    twin: bool = False


@dataclass(frozen=True)
class FakeSnapshot:
    """As `drawbar.live.Snapshot`."""

    state: str = "idle"
    frame: int = 0
    played_s: float = 0.0
    real_time_factor: float = 0.0
    latency_ms: float = 0.0
    underruns: int = 0
    message: str = ""
    output_name: str = "Null output (no sound device was found)"
    amounts: dict[str, float] = field(default_factory=dict)


class FakeTrace:
    """A drum-like noise and pulsing activations, revealed as the clock runs."""

    def __init__(self, seconds: float = 40.0) -> None:
        rng = np.random.default_rng(3)
        t = np.arange(int(seconds * RATE)) / RATE
        beat = np.exp(-((t * 2.0) % 1.0) * 5) * (0.55 + 0.3 * np.sin(t * 0.9))
        self._wave = (beat * rng.normal(0, 0.32, t.size) + 0.12 * np.sin(2 * np.pi * 110 * t)).clip(
            -0.95, 0.95
        )
        self.frame = 0
        self.ids: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        return self.frame * 640

    def audio(self, since_sample: int = 0) -> NDArray[np.float32]:
        return np.asarray(self._wave[since_sample : self.frame * 640], np.float32)

    def activations(self) -> tuple[Sequence[str], NDArray[np.float32]]:
        t = np.arange(self.frame) / 50
        rows = []
        for i, _ in enumerate(self.ids):
            rate, phase = 0.25 + (i * 0.37) % 2.2, i * 0.31
            gate = np.sin(t * (0.35 + i * 0.05) + i) > (-0.4 + 0.055 * i)
            rows.append(np.exp(-((t * rate + phase) % 1.0) * (1.5 + i % 5)) * gate * (7 - 0.2 * i))
        return self.ids, np.array(rows, np.float32).reshape(len(self.ids), self.frame)

    def peaks(self, width: int) -> NDArray[np.float32]:
        parts = np.array_split(self.audio(), width) if self.frame else []
        return np.array([(p.min(), p.max()) for p in parts if p.size], np.float32).reshape(-1, 2)


@dataclass
class FakeTake:
    """As `drawbar.live.Take`."""

    settings: FakeSettings

    def save(self, path: Path) -> None:
        path.write_bytes(b"RIFF")


class FakeEngine:
    """Records every call; plays against the wall clock, or at once with `step`."""

    def __init__(self, *, real_time: bool = False, factor: float = 2.4) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.trace = FakeTrace()
        self._snapshot = FakeSnapshot()
        self._settings: FakeSettings | None = None
        self._real_time, self._factor, self._since = real_time, factor, 0.0

    def play(self, settings: FakeSettings) -> None:
        self.calls.append(("play", settings))
        self._settings, self._since = settings, time.monotonic()
        self._snapshot = FakeSnapshot("playing", real_time_factor=self._factor, latency_ms=164.0)
        self.trace.frame = 0

    def stop(self) -> None:
        self.calls.append(("stop",))
        self._snapshot = replace(self._snapshot, state="done")

    def step(self, seconds: float, ahead: float = 1.0) -> None:
        """Pretend that time has passed."""
        self.trace.frame = int((seconds + ahead) * 50)
        self._snapshot = replace(self._snapshot, played_s=seconds, frame=self.trace.frame)

    def fail(self, message: str) -> None:
        """Pretend that the take broke."""
        self._snapshot = replace(self._snapshot, state="error", message=message)

    def snapshot(self) -> FakeSnapshot:
        if self._real_time and self._snapshot.state == "playing":
            gone = time.monotonic() - self._since
            self.step(gone, ahead=gone * (self._factor - 1))
        return self._snapshot

    @property
    def take(self) -> FakeTake | None:
        return FakeTake(self._settings) if self._settings else None

    def set_amount(self, id: str, amount: float) -> None:
        self.calls.append(("amount", id, amount))

    def set_bypass(self, on: bool) -> None:
        self.calls.append(("bypass", on))

    def set_gain_db(self, gain_db: float) -> None:
        self.calls.append(("gain", gain_db))

    def add_feature(self, id: str) -> None:
        self.calls.append(("add", id))

    def remove_feature(self, id: str) -> None:
        self.calls.append(("remove", id))

    def watch(self, ids: Sequence[str]) -> None:
        self.trace.ids = tuple(ids)

    def close(self) -> None:
        self.calls.append(("close",))


def fake_load(engine: FakeEngine | None = None, bank: FakeBank | None = None) -> Any:
    """A loader that is done at once."""

    def load(say: Any) -> Loaded:
        say("Loading the model")
        return Loaded(
            engine or FakeEngine(), bank or FakeBank(), FakeSettings,
            lambda text: [w for w in text.lower().split() if w == "kazoo"],
        )  # fmt: skip

    return load
