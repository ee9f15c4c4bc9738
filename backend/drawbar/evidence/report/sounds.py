"""Sliders of a report -> clips to play: bypassed, down, up, a random push; as MP3 text for a page.

The pair (prompt and seed) is the one whose effect is the middle of all that were judged, not the best one. The model's
own sliders make the clips.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.audio_analysis.loudness import SILENT_LUFS, loudness_lufs
from drawbar.bank import Bank
from drawbar.evidence.experiment.preregistration import PROMPTS, random_sources
from drawbar.evidence.report.content import Content, Slider
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono
from drawbar.steering import Direction, Mixer, check_site, directions_from_bank, in_mode

Floats = NDArray[np.float32]
_MOST_LOUDER_DB = 12.0
_PEAK = 0.9


@dataclass(frozen=True)
class Clip:
    """One sound."""

    title: str
    amount: float
    mp3: bytes
    loudness_lufs: float
    gain: float
    """What makes the clips of a set equally loud; never above 1."""

    @property
    def uri(self) -> str:
        """For an ``<audio>`` element."""
        return "data:audio/mpeg;base64," + base64.b64encode(self.mp3).decode()


@dataclass(frozen=True)
class ClipSet:
    """What is offered for one slider."""

    prompt: str
    seed: int
    amount: float
    clips: tuple[Clip, ...]


class SoundMaker:
    """A model and its bank, playing sliders. Raises SiteMismatchError for another model's bank."""

    def __init__(self, model: Model, bank: Bank, content: Content, seconds: float = 8.0) -> None:
        check_site(bank, model)
        self._model, self._bank, self._content, self._seconds = model, bank, content, seconds
        self._settings = content.preregistration.get("settings", {})

    def make(
        self, sliders: Sequence[Slider], told: Callable[[str, float], None] | None = None
    ) -> dict[str, ClipSet]:
        """Id -> clips, for each slider."""
        found = {}
        for number, slider in enumerate(sliders):
            if told:
                told(f"playing {slider.title}", number / max(len(sliders), 1))
            found[slider.id] = self._set(slider)
        return found

    def _set(self, slider: Slider) -> ClipSet:
        prompt, seed = self._pair(slider)
        (own,) = directions_from_bank(self._bank, [slider.id])
        other = self._random(slider, own)
        pushes = (
            ("bypassed", None, 0.0), ("\u22121", own, -1.0), ("+1", own, 1.0), ("random", other, 1.0),
        )  # fmt: skip
        steering = [None if d is None else self._pushed(d, amount) for _, d, amount in pushes]
        tokens = self._model.generate(
            [prompt] * len(pushes),
            [seed] * len(pushes),
            self._seconds,
            guidance=self._settings.get("guidance", 3.0),
            temperature=self._settings.get("temperature", 1.0),
            top_k=self._settings.get("top_k", 250),
            steering=steering,
        )
        rate = int(self._model.spec.sample_rate_hz)
        sounds = _below_full_scale([self._decoded(row) for row in tokens])
        levels = [loudness_lufs(sound, rate) for sound in sounds]
        audible = [level for level in levels if level > SILENT_LUFS]
        floor = max(min(audible, default=0.0), max(audible, default=0.0) - _MOST_LOUDER_DB)
        clips = tuple(
            Clip(title, amount, to_mp3(sound, rate), level, float(min(1.0, 10 ** ((floor - level) / 20))))
            for (title, _, amount), sound, level in zip(pushes, sounds, levels, strict=True)
        )
        return ClipSet(prompt, seed, 1.0, clips)

    def _pair(self, slider: Slider) -> tuple[str, int]:
        """The judged pair whose effect at +1 is the median; without trials the first prompt and a seed of its own."""
        trials = [
            t
            for t in self._bank.trials(kind="feature", id=slider.id)
            if t.stage == "confirm" and t.amount == 1.0
        ]
        measures = self._bank.evidence("measures") or []
        measure = slider.card.get("measure")
        if not trials or measure not in measures:
            return PROMPTS[0], 1
        place = measures.index(measure)
        twins = {
            (t.prompt, t.seed): float(t.values[place])
            for t in self._bank.trials(kind="unsteered")
            if t.stage == "confirm"
        }
        effects = [
            (float(t.values[place]) - twins.get((t.prompt, t.seed), 0.0), t.prompt, t.seed) for t in trials
        ]
        known = sorted(e for e in effects if np.isfinite(e[0]))
        if not known:
            return trials[0].prompt, trials[0].seed
        return known[len(known) // 2][1:]

    def _random(self, slider: Slider, own: Direction) -> Direction:
        """One of the pool's random directions, at the slider's norm."""
        count = int(self._settings.get("pool", 200))
        pool = random_sources(
            "random", own.layer, count, len(own.vector), own.scale, self._settings.get("seed", 0)
        )
        chosen = pool[int(slider.id.partition("/")[2]) % count]
        return Direction("random", own.layer, torch.from_numpy(np.array(chosen.vector)), own.scale)

    def _pushed(self, direction: Direction, amount: float) -> Mixer:
        branch = self._settings.get("branch", "both")  # results of before it was written down
        mixer = Mixer([in_mode(direction, "add", branch)], spec=self._model.spec)
        mixer.set(direction.id, amount)
        return mixer

    @torch.inference_mode()
    def _decoded(self, tokens: torch.Tensor) -> Floats:
        sound: Floats = mono(self._model.codec.decode(tokens[None]))[0, 0].float().cpu().numpy()
        return np.nan_to_num(sound, posinf=0.0, neginf=0.0)


def _below_full_scale(sounds: list[Floats]) -> list[Floats]:
    """All turned down together, so that none is clipped and their levels keep their proportions."""
    peak = max(float(np.abs(sound).max()) for sound in sounds)
    return [sound * np.float32(min(1.0, _PEAK / max(peak, 1e-9))) for sound in sounds]


def to_mp3(sound: Floats, rate_hz: int) -> bytes:
    """Mono samples -> an MP3 of variable bit rate, with 10 ms fades at its ends."""
    import soundfile

    faded = np.clip(sound, -1.0, 1.0).copy()
    count = min(len(faded) // 2, rate_hz // 100)
    ramp = np.linspace(0, 1, count, dtype=np.float32)
    faded[:count] *= ramp
    faded[len(faded) - count :] *= ramp[::-1]
    out = io.BytesIO()
    soundfile.write(out, faded, rate_hz, format="MP3", compression_level=0.6, bitrate_mode="VARIABLE")
    return out.getvalue()
