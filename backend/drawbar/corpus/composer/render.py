"""A Piece and a General MIDI soundfont -> 32 kHz mono audio.

It knows nothing of how the piece was composed.
"""

import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drawbar.corpus.composer.instruments import KIT_DB, sound_of
from drawbar.corpus.composer.piece import Part, Piece
from drawbar.errors import BadInputError, MissingDependencyError

SAMPLE_RATE_HZ = 32000
DEFAULT_SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
_PEAK, _KNEE = 0.9, 0.6
_TARGET_DB = {"soft": -20.0, "medium": -17.0, "loud": -14.5}
_HEADROOM_DB = 12.0
_DRUM_BANK = 128
_LOCK = threading.Lock()
_CACHE: dict[Path, "Renderer"] = {}


class Renderer:
    """A loaded soundfont; one per process and file (`Renderer.of`), not to be shared between threads."""

    def __init__(self, soundfont: Path) -> None:
        """Load `soundfont` (about 150 MB for FluidR3_GM, under a second)."""
        if not soundfont.is_file():
            raise BadInputError(
                f"there is no soundfont at {soundfont}; install Debian's fluid-soundfont-gm "
                "(apt install fluid-soundfont-gm) or give another General MIDI .sf2 with --soundfont"
            )
        try:
            from tinysoundfont import _tinysoundfont
        except ImportError as error:
            raise MissingDependencyError(
                "rendering composed music needs the package tinysoundfont; install it with "
                "`pip install tinysoundfont`"
            ) from error
        try:
            self._font = _tinysoundfont.SoundFont(str(soundfont))
        except Exception as error:  # the binding raises its own unexported type
            raise BadInputError(f"{soundfont} is not a soundfont that can be read ({error})") from error
        self._font.set_output(_tinysoundfont.OutputMode.Mono, SAMPLE_RATE_HZ, 0.0)
        self._font.set_max_voices(128)

    @classmethod
    def of(cls, soundfont: Path) -> "Renderer":
        """Return this process's renderer for `soundfont`."""
        with _LOCK:
            if soundfont not in _CACHE:
                _CACHE[soundfont] = cls(soundfont)
            return _CACHE[soundfont]

    def dry(self, piece: Piece) -> npt.NDArray[np.float32]:
        """Return the mix before levelling, float32 [N]."""
        self._font.reset()
        self._font.render(memoryview(np.zeros(1024, np.float32).data).cast("B"))  # the last piece's tails
        channels = _channels(piece)
        for part in piece.parts:
            sound = sound_of(part.role, part.instrument)
            for channel, pitch in {c: p for p, c in channels[part.role].items()}.items():
                if part.role == "drums":
                    self._font.channel_set_bank(channel, _DRUM_BANK)
                self._font.channel_set_preset_number(channel, part.program, part.role == "drums")
                gain_db = sound.gain_db + _drum_db(part, pitch) - _HEADROOM_DB
                self._font.channel_set_volume(channel, 10 ** (gain_db / 20))
        total = round(piece.seconds * SAMPLE_RATE_HZ)
        out = np.zeros(total, np.float32)
        view = memoryview(out.data).cast("B")
        done = 0
        for sample, is_on, channel, pitch, velocity in _events(piece):
            at = min(sample, total)
            if at > done:
                self._font.render(view[done * 4 : at * 4])
                done = at
            if is_on:
                self._font.channel_note_on(channel, pitch, velocity / 127.0)
            else:
                self._font.channel_note_off(channel, pitch)
        if done < total:
            self._font.render(view[done * 4 : total * 4])
        return out


def _drum_db(part: Part, pitch: int) -> float:
    return KIT_DB[part.instrument].get(pitch, 0.0) if part.role == "drums" else 0.0


def _channels(piece: Piece) -> dict[str, dict[int, int]]:
    """Return the MIDI channel of every pitch of every role: one per melodic role, one per drum."""
    drums = sorted({note.pitch for note in piece.notes if note.part == "drums"})
    return {
        "drums": {pitch: 4 + i for i, pitch in enumerate(drums)},
        **{role: dict.fromkeys(range(128), i) for i, role in enumerate(("bass", "chords", "lead"))},
    }


def _events(piece: Piece) -> list[tuple[int, bool, int, int, int]]:
    """Return (sample, is note-on, channel, pitch, velocity) in playing order: offs before ons."""
    channels = _channels(piece)
    events = []
    for note in piece.notes:
        channel = channels[note.part][note.pitch]
        start = round(note.start_s * SAMPLE_RATE_HZ)
        stop = max(start + 64, round((note.start_s + note.duration_s) * SAMPLE_RATE_HZ))
        events.append((start, True, channel, note.pitch, note.velocity))
        events.append((stop, False, channel, note.pitch, 0))
    return sorted(events)


def level(audio: npt.NDArray[np.float32], target_db: float) -> npt.NDArray[np.float32]:
    """Scale the sounding part to `target_db` RMS and bend peaks smoothly under 0.9."""
    size = 1600
    blocks = audio[: len(audio) // size * size].reshape(-1, size)
    power = np.mean(np.square(blocks), axis=1) if len(blocks) else np.array([float(np.mean(audio**2))])
    heard = power[power > np.max(power) * 1e-3]
    rms = float(np.sqrt(np.mean(heard))) if len(heard) and np.max(power) > 0 else 0.0
    if rms == 0.0:
        return audio
    scaled = audio * np.float32(10 ** (target_db / 20) / rms)
    size_of = np.abs(scaled)
    room = _PEAK - _KNEE
    bent = np.sign(scaled) * np.minimum(_KNEE + room * np.tanh((size_of - _KNEE) / room), _PEAK)
    result = np.where(size_of > _KNEE, bent, scaled).astype(np.float32)
    fade = min(len(result), 320)
    result[len(result) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return result


def render_audio(piece: Piece, soundfont: str | Path = DEFAULT_SOUNDFONT) -> npt.NDArray[np.float32]:
    """Return the piece as float32 [N] at 32 kHz, N = round(seconds * 32000), peak at most 0.9."""
    return level(Renderer.of(Path(soundfont)).dry(piece), _TARGET_DB[piece.dynamics])
