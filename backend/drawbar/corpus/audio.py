"""A sound file of any format and rate -> float32 mono at one rate, whole or block by block.

Whatever libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF ...) is mixed to mono and resampled statefully, so a
file of hours takes the memory of one block. A file that breaks off is used as far as it goes. It knows
nothing of models.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from drawbar.corpus.wav_header import with_size
from drawbar.errors import AudioFileError, BadInputError

MIN_SECONDS = 0.1
"""Less than this is refused: there is nothing to hear, and a codec frame alone is 0.02 s."""

LIMIT_SECONDS = 3600.0
"""The most that is read into memory at once (460 MB at 32 kHz); longer files are streamed."""

_READ_SAMPLES = 1 << 20  # samples (frames x channels) asked of the file at a time: 4 MB of float32
_RATES_HZ = (1_000, 768_000)

Audio = NDArray[np.float32]


def stream_audio(path: str | Path, rate_hz: int, block_s: float = 10.0) -> Iterator[Audio]:
    """Yield the file as mono blocks at ``rate_hz``: ``round(block_s * rate_hz)`` samples, the last one fewer.

    Raises:
        AudioFileError: missing, a folder, empty, not audio, damaged before 0.1 s, or not finite.
        BadInputError: a block shorter than 0.1 s or a rate that is not positive.
    """
    if rate_hz <= 0 or not block_s >= MIN_SECONDS:
        raise BadInputError(
            f"cannot read blocks of {block_s} s at {rate_hz} Hz: the rate must be positive and a block at "
            f"least {MIN_SECONDS} s; ask for 32000 Hz and 10 s, say"
        )
    return _blocks(_checked(path), rate_hz, round(block_s * rate_hz))


def read_audio(path: str | Path, rate_hz: int, *, limit_s: float = LIMIT_SECONDS) -> Audio:
    """The whole file as float32 mono [N] at ``rate_hz``.

    Raises:
        AudioFileError: as in :func:`stream_audio`, or longer than ``limit_s`` seconds.
    """
    parts: list[Audio] = []
    seconds = 0.0
    for block in stream_audio(path, rate_hz):
        parts.append(block)
        seconds += block.size / rate_hz
        if seconds > limit_s:
            raise AudioFileError(
                f"{path}: longer than {limit_s:g} s, too much to hold in memory; cut it into shorter files"
            )
    return np.concatenate(parts)


def _checked(path: str | Path) -> Path:
    path = Path(path)
    try:
        if path.is_dir():
            raise AudioFileError(f"{path}: this is a folder, not a sound file; name one file in it")
        if not path.exists():
            raise AudioFileError(f"{path}: there is no such file; check the name and the folder")
        if not path.is_file():
            raise AudioFileError(
                f"{path}: this is a device or a pipe, not a sound file; save it to a file first"
            )
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path}: the file is empty (0 bytes); copy or export it again")
    except (OSError, ValueError) as error:
        if isinstance(error, AudioFileError):
            raise
        raise AudioFileError(
            f"{path}: cannot be opened ({error}); check the name and your permissions"
        ) from error
    return path


def _blocks(path: Path, rate_hz: int, size: int) -> Iterator[Audio]:
    """Resampled mono, cut into equal blocks; the shortest acceptable file is checked here."""
    held: list[Audio] = []
    count = yielded = 0
    for piece in _resampled(path, rate_hz):
        held.append(piece)
        count += piece.size
        while count >= size:
            joined = np.concatenate(held)
            yield joined[:size]
            yielded += size
            held, count = [joined[size:]], count - size
    if yielded + count < MIN_SECONDS * rate_hz:
        raise AudioFileError(
            f"{path}: holds {(yielded + count) / rate_hz:.3f} s of readable sound, too little to use "
            f"(at least {MIN_SECONDS} s); the file may be truncated: copy or export it again"
        )
    if count:
        yield np.concatenate(held)


def _resampled(path: Path, rate_hz: int) -> Iterator[Audio]:
    try:
        source = soundfile.SoundFile(with_size(path))
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(
            f"{path}: not a sound file that can be read ({_reason(error)}); "
            "convert it to WAV, FLAC, Ogg or MP3"
        ) from error
    with source:
        if not _RATES_HZ[0] <= source.samplerate <= _RATES_HZ[1]:
            raise AudioFileError(
                f"{path}: a sample rate of {source.samplerate} Hz is outside {_RATES_HZ[0]} to "
                f"{_RATES_HZ[1]} Hz; the header may be damaged: export the file again"
            )
        mono = _mono(path, source)
        if source.samplerate == rate_hz:
            yield from mono
            return
        stream = soxr.ResampleStream(source.samplerate, rate_hz, 1, dtype="float32", quality="HQ")
        for piece in mono:
            yield _finite(path, stream.resample_chunk(piece))
        yield _finite(path, stream.resample_chunk(np.zeros(0, np.float32), last=True))


def _finite(path: Path, piece: Audio) -> Audio:
    """Samples that are finite but huge overflow in the resampler's filter."""
    if not np.isfinite(piece).all():
        raise AudioFileError(
            f"{path}: its samples are too large to be resampled; lower its level, or export the file again"
        )
    return np.asarray(piece, dtype=np.float32)


def _mono(path: Path, source: soundfile.SoundFile) -> Iterator[Audio]:
    """Channel means [n]; a file that breaks off ends quietly (what came before it is used).

    Where the channels cancel each other out (one of them is wired the wrong way round, or a studio effect), the louder
    channel is taken for the whole file: their mean would be silence. The first block with sound decides.
    """
    channel: int | None = None
    heard = source.channels == 1
    buffer = np.empty((max(1, _READ_SAMPLES // source.channels), source.channels), np.float32)
    position, broken = 0, False
    while not broken:
        try:
            block = source.read(dtype="float32", always_2d=True, out=buffer)
        except (
            soundfile.LibsndfileError,
            RuntimeError,
        ):  # truncated or damaged from here on
            broken, block = True, buffer[: _read_before_error(source, position)]
        if not len(block):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            if not heard and block.any():
                heard, channel = True, _louder_if_cancelled(block)
            mono: Audio = (
                block.mean(axis=1, dtype=np.float32) if channel is None else block[:, channel].copy()
            )
        finite = np.isfinite(mono)
        if not finite.all():
            at_s = (position + int(np.argmin(finite))) / source.samplerate
            raise AudioFileError(
                f"{path}: the sample at {at_s:.3f} s is not a finite number; repair or export the file again"
            )
        yield mono
        position += len(block)


def _louder_if_cancelled(block: Audio) -> int | None:
    """The number of the louder channel where the mean of all has less than a ten-thousandth of its power."""
    power = (block.astype(np.float64) ** 2).mean(axis=0)
    mean = float((block.mean(axis=1, dtype=np.float64) ** 2).mean())
    return int(power.argmax()) if mean < 1e-4 * power.max() else None


def _read_before_error(source: soundfile.SoundFile, position: int) -> int:
    """How many frames the failed call had already put into its buffer."""
    try:
        return max(0, int(source.tell()) - position)
    except (soundfile.LibsndfileError, RuntimeError):
        return 0


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).rstrip(". ") or "unknown format"
