"""Nothing -> an engine and a bank that need neither weights nor sound: they obey the same interface."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.kinds import KINDS
from drawbar.bank.records import Example, Facets, Feature, FeatureRow, Histogram, Label, Page, Quantiles
from drawbar.bank.search import Query
from drawbar.errors import BadInputError
from drawbar.live.takes.take import Take, TakeSettings
from drawbar_desktop.services.feature_listener import HeardFile
from drawbar_desktop.services.interfaces import Loaded
from drawbar_desktop.state.interfaces import BankPort

RATE = 32_000
LABELS = (
    ("drums", "truth", 0.97), ("bass: fingered", "truth", 0.95), ("chords: piano", "truth", 0.93),
    ("lead: flute", "truth", 0.91), ("pattern: arpeggio", "truth", 0.88), ("mode: minor", "truth", 0.84),
    ("drums: rock", "truth", 0.83), ("loudness", "descriptors", 0.79), ("swing", "truth", 0.76),
    ("tempo: fast", "truth", 0.74), ("register: high", "truth", 0.72), ("bright", "descriptors", 0.70),
    ("chords: strings", "truth", 0.69), ("lead: brass", "truth", 0.66), ("onsets", "descriptors", 0.63),
    ("density: busy", "truth", 0.61), ("motif: return", "truth", 0.58), ("dynamics: soft", "truth", 0.55),
)  # fmt: skip


CARD: dict[str, Any] = {
    "format": 1, "measure": "detector:drums", "judge": "detector", "unit": "sd between takes", "label_judged": True,
    "side": "up",
    "doses": [
        {"amount": a, "effect": e, "low": e - 0.4, "high": e + 0.4}
        for a, e in ((-2, -1.1), (-1, -0.9), (-0.5, -0.3), (0.5, 0.8), (1, 1.7), (2, 2.1))
    ],
    "slope": 1.31, "interval": [0.94, 1.68], "p": 0.005, "q": 0.021,
    "up": {"slope": 1.31, "interval": [0.94, 1.68], "p": 0.005, "q": 0.021, "usable": 1.5, "noticeable": 0.76,
           "saturation": 1.0, "seeds_needed": 4},
    "down": {"slope": 0.7, "interval": [-0.1, 1.2], "p": 0.3, "q": 0.44, "usable": 1.25, "noticeable": None,
             "saturation": None, "seeds_needed": 31},
    "controls": {
        "random directions": {"doses": [
            {"amount": a, "effect": 0.0, "low": -0.3 * abs(a), "high": 0.3 * abs(a)} for a in (-2, -1, 1, 2)
        ]},
        "wrong layer": {"doses": [{"amount": 1, "effect": 0.1, "low": -0.2, "high": 0.3}]},
        "difference in means": {"doses": [
            {"amount": a, "effect": 1.2 * a, "low": a, "high": 1.5 * a} for a in (-1, 1)
        ]},
    },
    "side_effects": {"descriptor:loudness_db": 0.2, "descriptor:centroid_hz": -0.4},
    "specificity": 3.4,
    "second_judge": {"judge": "descriptor", "measure": "descriptor:onset_strength", "slope": 0.6, "agrees": True},
    "guards": [
        {"amount": a, "ce_ratio": [1.0, 1.0, 1.0, 1.0], "loudness_db": 0.1, "silent_share": 0.0, "clipped_share": 0.0,
         "repetition": 0.0, "holds": a != 2, "broken": ["cross-entropy"] if a == 2 else []}
        for a in (-1, -0.5, 0.5, 1, 2)
    ],
    "auc": {"effect_preservation": 1.4, "difference_in_means": 1.1},
    "notes": ["no side effect, nearly the same measure: detector:hit:kick"],
}  # fmt: skip


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
        self.hidden: set[str] = set()
        self.shelves: dict[str, set[str]] = {}
        self.own: dict[str, list[tuple[str, str]]] = {}

    def _match(self, query: Query) -> list[FeatureRow]:
        rows = [r for r in self.rows if query.text.lower() in f"{r.label} {r.id}".lower()]
        shelf = query.shelf
        rows = [r for r in rows if (r.id in self.hidden) == (shelf == "hidden")]
        if query.author is not None:
            rows = [r for r in rows if r.label_author == query.author]
        if query.kind is not None:
            rows = [r for r in rows if any(r.label.startswith(w) for w in KINDS[query.kind])]
        if query.max_density is not None:
            rows = [r for r in rows if r.density < query.max_density]
        if shelf in ("hidden", None):
            return rows
        if shelf in self.shelves:
            rows = [r for r in rows if r.id in self.shelves[shelf]]
        elif shelf == "starred":
            rows = [r for r in rows if r.starred]
        elif shelf == "named":
            rows = [r for r in rows if r.label]
        elif shelf:
            rows = [r for r in rows if r.shelf == shelf]
        return rows

    def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
        self.searches += limit > 0
        rows = self._match(query)
        return Page(rows[offset : offset + limit], len(rows))

    def nearest(self, text: str, limit: int = 5) -> list[FeatureRow]:
        return self.rows[:limit]

    def facets(self) -> Facets:
        shelves = {"all": len(self.rows), "proven": 3, "named": 15, "unnamed": 382, "starred": 1, "hidden": 0}
        shelves |= {name: len(ids) for name, ids in self.shelves.items()}
        return Facets(
            {3: len(self.rows)}, {"truth": 13, "descriptors": 5}, {"proven": 3, "untested": 397}, shelves
        )

    def _replace(self, id: str, **changes: Any) -> None:
        self.rows = [replace(r, **changes) if r.id == id else r for r in self.rows]

    def star(self, feature: str, on: bool = True) -> None:
        self._replace(feature, starred=on)

    def hide(self, feature: str, on: bool = True) -> None:
        (self.hidden.add if on else self.hidden.discard)(feature)

    def add_label(self, feature: str, text: str, author: str = "me") -> None:
        if not text.strip():
            raise BadInputError("a label needs a letter")
        self.own.setdefault(feature, []).insert(0, (text, author))
        self._replace(feature, label=text, label_author=author)

    def remove_label(self, feature: str, text: str) -> None:
        self.own[feature] = [pair for pair in self.own.get(feature, []) if pair[0] != text]

    def shelve(self, feature: str, shelf: str, on: bool = True) -> None:
        (self.shelves.setdefault(shelf, set()).add if on else self.shelves[shelf].discard)(feature)

    def vectors(self, ids: Sequence[str]) -> dict[str, Any]:
        rng = np.random.default_rng(5)
        rows = {r.id: rng.normal(size=32) for r in self.rows[:80]}
        rows[self.rows[6].id] = rows[self.rows[0].id] + 0.01
        return {"W_dec": np.array([rows.get(id, rng.normal(size=32)) for id in ids])}

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
        labels = [Label(text, author, "people", None) for text, author in self.own.get(id, [])] + labels
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
            CARD if row.verdict == "proven" else None,
        )

    def examples(self, id: str, bin: str | None = None) -> list[Example]:
        rng = np.random.default_rng(len(id))
        result = []
        for name in ("top", "q75", "q50", "q25"):
            wave = np.convolve(rng.random(250) ** 6, np.ones(12) / 12, "same").astype(np.float32)
            result.append(Example(np.zeros((4, 250), np.uint16), 0, 250, wave, name, f"piece-{name}"))
        return [e for e in result if bin in (None, e.bin)]


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
    device_lost: str = ""
    output_name: str = "Null output (no sound device was found)"
    output_reason: str = ""
    buffer_ms: int = 40
    loops: bool = False
    amounts: dict[str, float] = field(default_factory=dict)
    take_id: int = 0
    paused: bool = False
    waits: bool = False
    ready_s: float = 0.0


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

    def steered(self, since_sample: int = 0) -> NDArray[np.float32]:
        return self.audio(since_sample)

    def twin(self, since_sample: int = 0) -> NDArray[np.float32]:
        return np.asarray(0.5 * self.audio(since_sample), np.float32)

    def tokens(self) -> NDArray[np.uint16]:
        return np.zeros((4, self.frame), np.uint16)

    def activations(self, since_frame: int = 0) -> tuple[Sequence[str], NDArray[np.float32]]:
        t = np.arange(since_frame, self.frame) / 50
        rows = []
        for i, _ in enumerate(self.ids):
            rate, phase = 0.25 + (i * 0.37) % 2.2, i * 0.31
            gate = np.sin(t * (0.35 + i * 0.05) + i) > (-0.4 + 0.055 * i)
            rows.append(np.exp(-((t * rate + phase) % 1.0) * (1.5 + i % 5)) * gate * (7 - 0.2 * i))
        return self.ids, np.array(rows, np.float32).reshape(len(self.ids), max(0, self.frame - since_frame))


class FakePlayer:
    """Plays nothing; the position is turned by hand."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.playing = False
        self.position_s = 0.0

    def play(self, audio: NDArray[np.float32], start: int = 0, loop: tuple[int, int] | None = None) -> None:
        self.calls.append(
            ("play", len(audio), start, loop, float(np.abs(audio).max()) if len(audio) else 0.0)
        )
        self.playing, self.position_s = True, start / RATE

    def stop(self) -> None:
        self.calls.append(("stop",))
        self.playing = False


class FakeEngine:
    """Records every call; plays against the wall clock, or at once with `step`."""

    def __init__(self, *, real_time: bool = False, factor: float = 2.4) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.trace = FakeTrace()
        self.player = FakePlayer()
        self._snapshot = FakeSnapshot()
        self._settings: TakeSettings | None = None
        self._take: Take | None = None
        self._real_time, self._factor, self._since = real_time, factor, 0.0
        self._takes = 0

    def play(self, settings: TakeSettings, automation: Any = None, prefix: Any = None) -> None:
        self.calls.append(("play", settings, automation, prefix))
        self._settings, self._since = settings, time.monotonic()
        self._takes += 1
        self._snapshot = FakeSnapshot(
            "playing", real_time_factor=self._factor, latency_ms=164.0, take_id=self._takes
        )
        self.trace.frame = 0

    @property
    def played(self) -> tuple[TakeSettings, Any, Any]:
        """Settings, automation and prefix of the last take."""
        settings, automation, prefix = next(c[1:] for c in reversed(self.calls) if c[0] == "play")
        return settings, automation, prefix

    def stop(self) -> None:
        self.calls.append(("stop",))
        self._end()

    def _end(self) -> None:
        if self._snapshot.state != "playing":
            return
        self._snapshot = replace(self._snapshot, state="done")
        heard = round(self._snapshot.played_s * RATE)
        if heard and self._settings is not None:
            audio = self.trace.audio()[:heard]
            tokens = (np.arange(4 * (heard // 640)).reshape(4, -1) % 1024).astype(np.uint16)
            twin = np.asarray(0.5 * audio, np.float32) if self._settings.twin else None
            self._take = Take(audio, RATE, tokens, self._settings, twin_audio=twin, site="ab", bank="fake")

    def step(self, seconds: float, ahead: float = 1.0) -> None:
        """Pretend that time has passed."""
        self.trace.frame = int((seconds + ahead) * 50)
        self._snapshot = replace(self._snapshot, played_s=seconds, frame=self.trace.frame)

    def fail(self, message: str) -> None:
        """Pretend that the take broke."""
        self._snapshot = replace(self._snapshot, state="error", message=message)

    def slow(self, factor: float, ready_s: float) -> None:
        """Pretend that it cannot keep up."""
        self._snapshot = replace(self._snapshot, real_time_factor=factor, waits=True, ready_s=ready_s)

    def lose_device(self, reason: str) -> None:
        """Pretend that the sound card was pulled out."""
        self._snapshot = replace(self._snapshot, device_lost=reason)

    def snapshot(self) -> FakeSnapshot:
        if self._real_time and self._snapshot.state == "playing":
            gone = time.monotonic() - self._since
            self.step(gone, ahead=gone * (self._factor - 1))
        return self._snapshot

    @property
    def take(self) -> Take | None:
        return self._take

    def preview(self, tokens: Any) -> None:
        self.calls.append(("preview", tokens.shape))

    def set_output(self, device: str | None) -> None:
        self.calls.append(("output", device))

    def set_buffer(self, buffer_ms: int | None) -> None:
        self.calls.append(("buffer", buffer_ms))

    def nudge(self) -> None:
        self.calls.append(("nudge",))

    def measure_buffer(self) -> None:
        self.calls.append(("measure buffer",))

    def set_mode(self, id: str, mode: str) -> None:
        self.calls.append(("mode", id, mode))

    def pause(self, on: bool) -> None:
        self.calls.append(("pause", on))
        self._snapshot = replace(self._snapshot, paused=on)

    def make_first(self, on: bool) -> None:
        self.calls.append(("make first", on))

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


def start_or_stop(app: Any) -> None:
    """A new take; or the end of what plays."""
    if app.playing.busy:
        app.listening.end_take()
    elif app.listening.playing or app.transport.player.value:
        app.listening.stop()
    else:
        app.listening.new_take()
    app.poll_text()


class FakeEar:
    """Hears the first features of the bank, in falling order."""

    def __init__(self, bank: BankPort) -> None:
        self._bank = bank

    def hear(self, tokens: NDArray[np.uint16]) -> tuple[Sequence[str], NDArray[np.float32]]:
        rows = self._bank.find(Query(), limit=6).rows
        strengths = (0.9, 0.6, 0.4, 0.3, 0.2, 0.1)
        return [r.id for r in rows], np.array(
            [r.p99 * s for r, s in zip(rows, strengths, strict=True)], np.float32
        )

    def listen(self, path: Path, tell: Any, cancel: Any) -> HeardFile:
        from drawbar.corpus.audio import read_audio

        audio = read_audio(path, RATE)
        tell(0.5)
        frames = len(audio) // 640
        heat = np.abs(np.sin(np.arange(frames) / 9))[None] * np.ones((3, 1))
        tokens = np.zeros((4, frames), np.uint16)
        return HeardFile(
            audio,
            tokens,
            tuple(r.id for r in self._bank.find(Query(), limit=3).rows),
            heat.astype(np.float32),
        )


def fake_load(engine: FakeEngine | None = None, bank: BankPort | None = None) -> Any:
    """A loader that is done at once."""
    bank = bank or FakeBank()

    def load(say: Any) -> Loaded:
        say("Loading the model")
        return Loaded(
            engine or FakeEngine(), bank,
            lambda text: [w for w in text.lower().split() if w == "kazoo"], site="ab", ear=FakeEar(bank),
            automation=lambda stored: stored,  # type: ignore[arg-type,return-value]
        )  # fmt: skip

    return load
