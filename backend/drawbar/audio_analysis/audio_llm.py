"""Clips of one feature and controls -> what an audio language model hears in them, in a budget.

Only clips that the user allowed are sent, by licence or by name; anything else is an error before a byte leaves.
"""

import base64
import fnmatch
import hashlib
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis.chat import ChatSettings, ask
from drawbar.bank.licences import normal_licence
from drawbar.errors import BadInputError, DrawbarError
from drawbar.files.atomic_write import write_json
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import json_value

_RATE_HZ = 16_000  # what such models listen at
_PROMPT = 2
"""Version of the questions; part of the cache's digest."""
_NAME = """You hear clips from music. The first {top} clips (TOP) are where one unit of a music model is most active; \
the last {control} clips (CONTROL) are where it is silent. Say what the TOP clips have in common that the CONTROL \
clips do not have: an instrument, playing technique, rhythm, texture, genre, mood or production trait. Be specific and \
short; prefer what can be heard in every TOP clip. If nothing sets them apart, say so with a confidence near 0."""
_JUDGE = """You hear {count} clips from music, in random order. For each clip in order, say how well this description \
fits it, from 0 (not at all) to 1 (exactly): "{label}"."""
_NAME_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "description", "confidence", "in_controls", "concepts"],
    "properties": {
        "name": {"type": "string", "description": "one to five words"},
        "description": {"type": "string", "description": "one sentence, with caveats"},
        "confidence": {"type": "number"},
        "in_controls": {"type": "boolean", "description": "it is also heard in the CONTROL clips"},
        "concepts": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "confidence"],
                "properties": {"name": {"type": "string"}, "confidence": {"type": "number"}},
            },
        },
    },
}
_JUDGE_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["fits"],
    "properties": {"fits": {"type": "array", "items": {"type": "number"}}},
}


class BudgetSpentError(DrawbarError):
    """The cap on requests or seconds of audio is reached; what was answered is kept."""


@dataclass(frozen=True)
class ListenerSettings:
    """The labeller ``listener``; off without an endpoint. Holds no key."""

    endpoint: str = ""
    """Up to ``/v1``."""
    model: str = ""
    """The name that the endpoint knows it by."""
    key_name: str = "DRAWBAR_LISTENER_KEY"
    """The environment variable (or keyring entry of the service ``drawbar``) with the key."""
    allow_licences: tuple[str, ...] = ()
    """Licences whose clips may be sent, such as ``CC0-1.0``; none are by default."""
    allow_clips: tuple[str, ...] = ()
    """Names of clips that may be sent whatever their licence; ``*`` and ``?`` match."""
    top: int = 4
    """Clips where the feature is strongest."""
    control: int = 3
    """Clips where it is silent."""
    window_frames: int = 250
    """Length of a clip."""
    max_features: int = 200
    """Features asked about in each layer, the strongest separated first."""
    max_requests: int = 500
    """Budget of one run; answers from the cache cost nothing."""
    max_audio_s: float = 20_000.0
    """The same in seconds of audio sent."""
    min_confidence: float = 0.3
    """The model's own confidence below which a feature stays unnamed."""
    check: bool = True
    """Ask a second time, without saying which is which, about held-out clips: that is the label's score."""
    retries: int = 4
    """After a busy server or an answer of the wrong form."""
    timeout_s: float = 120.0
    """For one answer."""

    def __post_init__(self) -> None:
        if min(self.top, self.control) < 1 or self.top + self.control > 16 or self.window_frames < 25:
            raise BadInputError(f"top={self.top}, control={self.control}: 1 or more of each, 16 in all")
        if min(self.max_features, self.max_requests) < 0 or self.max_audio_s < 0:
            raise BadInputError("max_features, max_requests and max_audio_s must not be negative")
        if self.endpoint or self.key_name != "DRAWBAR_LISTENER_KEY":
            self.chat()  # raises for a bad endpoint or name

    def chat(self) -> ChatSettings:
        """The part that the request needs."""
        return ChatSettings(self.endpoint, self.model, self.key_name, self.retries, self.timeout_s)

    def allows(self, name: str, licence: str) -> bool:
        """Whether the user said that this clip may leave the machine."""
        mine = normal_licence(licence)
        by_licence = (
            bool(mine) and mine != "unknown" and mine in {normal_licence(x) for x in self.allow_licences}
        )
        return by_licence or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.allow_clips)


@dataclass(frozen=True)
class Heard:
    """One clip that may be sent."""

    audio: NDArray[np.float32]
    """Mono [N]."""
    rate_hz: int
    name: str
    licence: str


@dataclass(frozen=True)
class Answer:
    """What the model said."""

    name: str
    description: str
    confidence: float
    in_controls: bool
    concepts: tuple[tuple[str, float], ...]


class Budget:
    """Counts what is sent; raises before the cap is passed."""

    def __init__(self, requests: int, audio_s: float) -> None:
        self.requests, self.audio_s = requests, audio_s
        self.sent_requests, self.sent_audio_s = 0, 0.0

    def spend(self, audio_s: float) -> None:
        """One request with so much audio. Raises BudgetSpentError."""
        if self.sent_requests + 1 > self.requests or self.sent_audio_s + audio_s > self.audio_s:
            raise BudgetSpentError(
                f"the listener's budget is spent: {self.sent_requests} of {self.requests} requests, "
                f"{self.sent_audio_s:.0f} of {self.audio_s:.0f} s of audio; raise max_requests or max_audio_s"
            )
        self.sent_requests += 1
        self.sent_audio_s += audio_s


class Listener:
    """Asks an audio language model; equal questions are asked once."""

    def __init__(
        self, settings: ListenerSettings, cache: Path, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings, self._cache, self._wait = settings, cache, wait
        self.budget = Budget(settings.max_requests, settings.max_audio_s)

    def name(self, top: Sequence[Heard], control: Sequence[Heard]) -> Answer:
        """What the top clips have in common. Raises BadInputError, ChatError, BudgetSpentError."""
        text = _NAME.format(top=len(top), control=len(control))
        marks = [
            *(f"TOP {i + 1}" for i in range(len(top))),
            *(f"CONTROL {i + 1}" for i in range(len(control))),
        ]
        found = self._asked("feature", text, _NAME_SCHEMA, [*top, *control], marks, _plain_answer)
        return Answer(**found | {"concepts": tuple((str(n), float(c)) for n, c in found["concepts"])})

    def judge(self, label: str, clips: Sequence[Heard]) -> list[float]:
        """How well a label fits each clip, 0 to 1. Raises BadInputError, ChatError, BudgetSpentError."""

        def check(answer: Any) -> JsonObject:
            fits = [float(x) for x in answer["fits"]]
            if len(fits) != len(clips) or not np.isfinite(fits).all():
                raise ValueError(f"{len(fits)} figures for {len(clips)} clips")
            return {"fits": [min(max(x, 0.0), 1.0) for x in fits]}

        text = _JUDGE.format(count=len(clips), label=label.replace('"', "'"))
        marks = [f"CLIP {i + 1}" for i in range(len(clips))]
        fits: list[float] = self._asked("fits", text, _JUDGE_SCHEMA, clips, marks, check)["fits"]
        return fits

    def _asked(
        self,
        kind: str,
        text: str,
        schema: JsonObject,
        clips: Sequence[Heard],
        marks: Sequence[str],
        check: Callable[[Any], JsonObject],
    ) -> JsonObject:
        for clip in clips:
            if not self.settings.allows(clip.name, clip.licence):
                raise BadInputError(
                    f"clip {clip.name!r} (licence {clip.licence or 'unknown'!r}) was not allowed to leave this "
                    "machine; name its licence in allow_licences or the clip in allow_clips"
                )
        waves = [_wave(clip) for clip in clips]
        place = self._cache / f"{self._digest(kind, text, waves)}.json"
        if (known := _cached(place)) is not None:
            return known
        parts: list[JsonObject] = [{"type": "text", "text": text}]
        for mark, wave in zip(marks, waves, strict=True):
            sound = {"data": base64.b64encode(wave).decode(), "format": "wav"}
            parts += [{"type": "text", "text": mark}, {"type": "input_audio", "input_audio": sound}]
        form = {"type": "json_schema", "json_schema": {"name": kind, "strict": True, "schema": schema}}
        body = {"messages": [{"role": "user", "content": parts}], "response_format": form, "temperature": 0}
        seconds = sum(len(clip.audio) / clip.rate_hz for clip in clips)
        found: JsonObject = ask(
            self.settings.chat(), body, check, wait=self._wait, sent=lambda: self.budget.spend(seconds)
        )
        write_json(place, found)
        return found

    def _digest(self, kind: str, text: str, waves: Sequence[bytes]) -> str:
        state = hashlib.sha256(
            json.dumps([_PROMPT, self.settings.endpoint, self.settings.model, kind, text]).encode()
        )
        for wave in waves:
            state.update(hashlib.sha256(wave).digest())
        return state.hexdigest()


def _cached(place: Path) -> JsonObject | None:
    try:
        known = json_value(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) else None


def _plain_answer(answer: Any) -> JsonObject:
    """The answer as it is cached. Raises ValueError, KeyError or TypeError for another form."""
    name, description = (" ".join(str(answer[key]).split()) for key in ("name", "description"))
    confidence = float(answer["confidence"])
    if (
        not name
        or len(name) > 120
        or not np.isfinite(confidence)
        or not isinstance(answer["in_controls"], bool)
    ):
        raise ValueError("name, confidence or in_controls cannot be used")
    concepts = [[" ".join(str(c["name"]).split())[:120], float(c["confidence"])] for c in answer["concepts"]]
    found = Answer(name, description[:600], min(max(confidence, 0.0), 1.0), answer["in_controls"], ())
    return asdict(found) | {"concepts": concepts[:12]}


def _wave(clip: Heard) -> bytes:
    """The clip as a 16-bit WAV at 16 kHz."""
    import soundfile
    import soxr

    audio = soxr.resample(clip.audio, clip.rate_hz, _RATE_HZ).astype(np.float32)
    out = io.BytesIO()
    soundfile.write(out, np.clip(audio, -1, 1), _RATE_HZ, format="WAV", subtype="PCM_16")
    return out.getvalue()
