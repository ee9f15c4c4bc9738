"""A folder -> short tracks with events, a model that also generates, a bank of its features, a detector."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from drawbar.research.horizon.events import Event, Track, Window, save_events, save_tracks
from drawbar.research.horizon.horizons import Floats, Grid
from drawbar.research.horizon.interventions import InterventionSettings
from drawbar.research.horizon.readouts import ProbeSettings
from drawbar.research.horizon.study.settings import HorizonSettings, InstrumentSettings
from tests.pipeline.fakes import FakeModel

RATE = 16_000
SECONDS = 16.0
_SPLITS = ["train"] * 7 + ["valid", "test", "test"]


class StudyModel(FakeModel):
    """The pipeline's fake with a decoder: tokens at random by seed, moved by whatever steers it."""

    def __init__(self) -> None:
        super().__init__()
        self.played = 0

    def logits(self, tokens: Tensor, prompts: Any = None) -> Tensor:
        return torch.zeros(*tokens.shape, 64).scatter_(-1, tokens[..., None], 2.0)

    def generate(
        self,
        prompts: Any,
        *,
        seeds: Any,
        seconds: float,
        steering: Any,
        automation: Any,
        prefix: Tensor,
        **_: Any,
    ) -> Tensor:
        self.played += 1
        frames = round(seconds * 50)
        run = None if steering is None else steering.start(automation)
        clips = []
        for clip, seed in enumerate(seeds):
            drawn = torch.randint(20, 60, (4, frames), generator=torch.Generator().manual_seed(seed))
            if run is not None:
                added = run.added(0, frames)
                moved = added[1][0].sum(1) if added else torch.zeros(frames)
                drawn = (drawn + moved.round().long()).clamp(0, 63)
            drawn[:, : prefix.shape[2]] = prefix[clip]
            clips.append(drawn)
        return torch.stack(clips)


class FakeBank:
    """Twelve features of layer 1, numbered in sevens."""

    def __init__(self, model: FakeModel) -> None:
        rng = np.random.default_rng(3)
        self._rows = rng.standard_normal((12, 16)).astype(np.float32)
        self.info = SimpleNamespace(
            fingerprint=model.fingerprint, layers=(1,), name="fake", model_name="fake"
        )

    def count(self) -> int:
        return 12

    def search(self, limit: int) -> list[Any]:
        return [SimpleNamespace(id=f"1/{7 * n}", layer=1, label=f"label {n}") for n in range(12)]

    def vectors(self, ids: list[str]) -> dict[str, Any]:
        rows = self._rows[[int(id.partition("/")[2]) // 7 for id in ids]]
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return {
            "W_enc": rows,
            "W_dec": unit,
            "b_enc": np.zeros(len(ids), np.float32),
            "b_dec": {1: np.zeros(16, np.float32)},
            "scale": np.full(len(ids), 3.0, np.float32),
            "threshold": np.zeros(len(ids), np.float32),
        }


def loudness(audio: Floats, rate_hz: int, begins_s: float) -> tuple[float, float]:
    """A detector that calls loud music a return."""
    return float(np.abs(audio[round(begins_s * rate_hz) :]).mean()), 0.0


def write_corpus(folder: Path, tracks: int = 30) -> None:
    """Noise in bursts; two tracks of three have a 'motif' that returns."""
    rng = np.random.default_rng(0)
    rows, events = [], []
    for number in range(tracks):
        name = f"track-{number:02d}"
        level = np.repeat(rng.uniform(0.02, 0.5, 32), RATE // 2)
        sound = (rng.standard_normal(len(level)) * level).clip(-1, 1)
        soundfile.write(folder / f"{name}.wav", sound, RATE, subtype="PCM_16")
        digest = hashlib.sha256((folder / f"{name}.wav").read_bytes()).hexdigest()
        split = _SPLITS[number % 10]
        rows.append(
            Track(name, split, SECONDS, "CC0-1.0", "folder", digest, f"{name}.wav", text="noise in bursts")
        )
        for start in rng.uniform(4, 14, 2 if number % 3 else 0):
            events.append(
                Event(name, Window(0.5, 1.5), Window(float(start), float(start) + 1), "exact", True)
            )
    save_tracks(folder / "tracks.jsonl", rows)
    save_events(folder / "events.jsonl", events)


def settings(folder: Path, out: Path) -> HorizonSettings:
    """A study of seconds."""
    return HorizonSettings(
        out=out,
        corpus=str(folder / "tracks.jsonl"),
        events=str(folder / "events.jsonl"),
        horizons=((0.5, 1.5), (2.0, 4.0), (4.0, 7.0)),
        grid=Grid(first_s=2.0, step_s=1.0, last_s=8.0),
        probes=ProbeSettings(few=3, folds=3, inner=2, strengths=(1.0, 0.1), resamples=200, shortlist=2),
        instrument=InstrumentSettings(strengths=(0.0, 2.0), repeats=1, nulls=2),
        interventions=InterventionSettings(
            features=1, prefixes=3, prefix_s=2.0, seconds=2.0, twins=6, amount=2.0, examples=1
        ),
    )
