"""One generation -> its audio, tokens and settings as files that restore it exactly.

A take is a WAV or FLAC with its settings inside, and a JSON of the same name beside it that also holds the
tokens. The same take gives the same bytes: no dates, no paths. Knows nothing of playing.
"""

from __future__ import annotations

import base64
import json
import math
import platform
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.files.reading import json_value, typed
from drawbar.live.audio_out.ring import Floats
from drawbar.live.controls import checked_amount
from drawbar.live.takes import soundfiles
from drawbar.prompts import PromptPart

FORMAT = 1
MAX_FRAME = 1 << 40
Frame = Annotated[int, Field(ge=0, le=MAX_FRAME)]
Amount = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
MOST_TOKENS = 10_000_000
"""Half a day of four codebooks: no take has more, and a damaged file asks for no more memory."""
MOST_TONES = 10_000
"""Pitch classes of a melody; the released models read 235."""
Stored = JsonMapping
"""Automation as `drawbar.steering.Automation.to_json` gives it; empty without steering."""


@dataclass(frozen=True)
class StoredAutomation:
    """What a file may hold of automation."""

    lanes: dict[str, list[tuple[Frame, Amount | None]]] = field(default_factory=dict)
    kept: tuple[tuple[Frame, Frame, Frame], ...] = ()


@dataclass(frozen=True)
class StoredTake:
    """What a take's file must look like where somebody reads it; it may hold more."""

    settings: JsonObject
    format: int = 0
    automation: StoredAutomation | None = None
    bank: str = ""
    site: str = ""
    complete: bool = True


@dataclass(frozen=True)
class TakeSettings:
    """All that decides a take, but for the model. Raises BadInputError for values that cannot be used."""

    prompt: str = ""
    seed: int = 0
    seconds: float | None = 30.0
    """None plays until it is stopped."""
    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int = 250
    amounts: dict[str, float] = field(default_factory=dict)
    """Feature id -> amount when the take begins."""
    twin: bool = False
    """Generate the unsteered stream of the same seed in the same step, for bypass, from the first steered frame on."""
    modes: dict[str, str] = field(default_factory=dict)
    """Feature id -> ``clamp`` or ``mute``, for those that do not ``add``."""
    stacking: str = "none"
    """How sliders that push together are added up (the mixer's default, see drawbar.steering.stacking); takes of
    before it was written down were plain sums."""
    branch: str = "conditional"
    """Guidance branches that sliders which add act on, ``conditional`` or ``both``; takes of before it was written
    down acted on both."""
    nudges: tuple[Frame, ...] = ()
    """Positions from which on a second was drawn a little hotter, to leave a loop."""

    blend: tuple[PromptPart, ...] = ()
    """Several prompts with their weights when the take begins, in the place of ``prompt`` (which stays as its title);
    moves of the weights are in the automation, as ``prompt:0`` for the first and so on."""
    melody: tuple[int, ...] = ()
    """Pitch classes that a melody model follows (`drawbar.live.melody`); none without one."""

    def __post_init__(self) -> None:
        if len(self.melody) > MOST_TONES or any(not 0 <= tone < 12 for tone in self.melody):
            raise BadInputError(
                f"a melody of {len(self.melody)} pitch classes: use at most {MOST_TONES}, each 0..11"
            )
        if self.seconds is not None and not 0 < self.seconds <= 86_400:
            raise BadInputError(
                f"seconds {self.seconds}: use a positive length of at most a day, or none for endless"
            )
        if not 0 <= self.seed < 2**63:
            raise BadInputError(f"seed {self.seed}: use a whole number from 0 to 2^63 - 1")
        if not math.isfinite(self.guidance) or not 0 <= self.guidance <= 100:
            raise BadInputError(f"guidance {self.guidance}: use a number from 0 to 100")
        if not math.isfinite(self.temperature) or not 0 <= self.temperature <= 100:
            raise BadInputError(f"temperature {self.temperature}: use a number from 0 to 100")
        if self.branch not in ("both", "conditional"):
            raise BadInputError(f"branch {self.branch!r}: sliders act on 'conditional' or 'both'")
        if self.top_k < 0:
            raise BadInputError(f"top_k {self.top_k}: use 0 (no limit) or more")
        for id, amount in self.amounts.items():
            checked_amount(id, amount)

    def to_dict(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: JsonMapping) -> TakeSettings:
        """From what `to_dict` gave, types checked. Raises BadInputError."""
        before_they_were_written_down = {"stacking": "none", "branch": "both"}
        try:
            return typed(cls, {**before_they_were_written_down, **values})
        except ValueError as error:
            raise BadInputError(f"stored settings cannot be used: {error}") from error


def versions() -> dict[str, str]:
    """What made the take: equal versions on an equal machine give equal tokens."""
    found = {"python": platform.python_version()}
    for name in ("drawbar", "numpy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


class _Lanes(Protocol):
    def to_json(self) -> Mapping[str, object]: ...


def stored(automation: _Lanes | None) -> Stored:
    """An `Automation` of `drawbar.steering`, or None -> its points by feature id."""
    return {} if automation is None else dict(automation.to_json())


@dataclass(frozen=True)
class Take:
    """One finished (or stopped) generation."""

    audio: Floats
    """The steered audio ``[N]``, stereo ``[N, 2]``, before the listener's gain and limiter."""
    sample_rate_hz: int
    tokens: NDArray[np.uint16]
    """The final tokens ``[K, T]``; a stopped take has those that its last samples needed, too."""
    settings: TakeSettings
    automation: Stored = field(default_factory=dict)
    """The amounts as they were applied, ramps included."""
    bank: str = ""
    site: str = ""
    """The model's fingerprint."""
    versions: dict[str, str] = field(default_factory=versions)
    twin_audio: Floats | None = None
    """The unsteered take of the same seed, where there is a twin and anything was steered."""
    bypass: tuple[tuple[int, bool], ...] = ()
    """Sample and new position of the bypass switch, as it was heard."""
    rewinds: tuple[int, ...] = ()
    """Frames from which a slider's move had the rest decided again; those before stood fixed."""
    prefix_frames: int = 0
    """The first tokens that it was given and went on from."""
    complete: bool = True
    """False for a take that was stopped before its length."""
    engine: str = "drawbar"
    """Whose network made the tokens: ours, or audiocraft's (`drawbar render --engine`)."""
    precision: str = "float32"
    """What the network computed in; another precision gives other tokens."""
    source: str = ""
    """``owner/name@COMMIT`` of a model from the Hub, as ``load_model`` takes it; empty for any other."""

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.sample_rate_hz

    def record(self) -> JsonObject:
        """What is embedded in the sound file: everything but audio and tokens."""
        return {
            "format": FORMAT,
            "settings": self.settings.to_dict(),
            "automation": dict(self.automation),
            "bank": self.bank,
            "site": self.site,
            "source": self.source,
            "engine": self.engine,
            "precision": self.precision,
            "versions": self.versions,
            "frames": int(self.tokens.shape[1]),
            "bypass": [list(edge) for edge in self.bypass],
            "rewinds": list(self.rewinds),
            "prefix_frames": self.prefix_frames,
            "complete": self.complete,
        }

    def save(self, path: Path | str, *, twin: bool = False) -> Path:
        """Write ``path`` (.wav or .flac, 24 bit) and a .json beside it, whole or not at all -> the path.

        ``twin`` writes the unsteered audio instead. Raises BadInputError for another ending or a take without
        audio.
        """
        path = Path(path)
        audio = self.twin_audio if twin else self.audio
        if audio is None:
            raise BadInputError("this take has no unsteered twin: play it again with bypass prepared")
        record = self.record()
        comment = json.dumps(record, sort_keys=True, separators=(",", ":"))
        packed = base64.b64encode(zlib.compress(self.tokens.astype("<u2").tobytes(), 9)).decode()
        beside = {
            **record,
            "audio": path.name,
            "tokens": {"shape": list(self.tokens.shape), "zlib_u16": packed},
        }
        with atomic(path) as temporary:
            soundfiles.write(temporary, path.suffix, audio, self.sample_rate_hz, comment)
            text = json.dumps(beside, indent=1, sort_keys=True) + "\n"
            with atomic(path.with_suffix(".json")) as sidecar:
                sidecar.write_text(text, encoding="utf-8")
        return path


def load_record(path: Path | str) -> JsonObject:
    """A saved sound file or its .json -> its record, settings checked. Raises BadInputError."""
    path = Path(path)
    text = soundfiles.read_comment(path)
    try:
        record: JsonObject = json_value(text)
        known = typed(StoredTake, record)
    except ValueError as error:
        raise BadInputError(
            f"{path.name} holds no Drawbar settings ({error}): choose a file that Drawbar exported"
        ) from error
    if known.format > FORMAT:
        raise BadInputError(
            f"{path.name} was written by a newer Drawbar (format {known.format}): update this one"
        )
    record["settings"] = TakeSettings.from_dict(record["settings"])
    return record


def stored_tokens(record: Stored) -> NDArray[np.uint16]:
    """A take's record as its .json has it -> its tokens ``[K, T]``. Raises BadInputError."""
    try:
        stored = record["tokens"]
        shape = tuple(int(n) for n in stored["shape"])
        if len(shape) != 2 or min(shape) < 0 or shape[0] * shape[1] > MOST_TOKENS:
            raise ValueError(f"tokens of shape {shape}")
        size = 2 * shape[0] * shape[1]
        raw = zlib.decompressobj().decompress(base64.b64decode(stored["zlib_u16"]), size + 2)
        return np.frombuffer(raw, "<u2").astype(np.uint16).reshape(shape)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise BadInputError(f"the take's tokens cannot be read ({error}): choose another take") from error


def load_settings(path: Path | str) -> TakeSettings:
    """A saved sound file or its .json -> the settings that made it. Raises BadInputError if it holds none."""
    settings: TakeSettings = load_record(path)["settings"]
    return settings
