"""Sound files as they are in the wild: formats, rates, channels, damage and length."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from drawbar.corpus.audio import read_audio, stream_audio
from drawbar.errors import AudioFileError, BadInputError

RATE = 32_000


def tone(seconds: float, rate_hz: int, hz: float = 440.0) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave: NDArray[np.float32] = (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)
    return wave


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize(("rate_hz", "channels"), [(44_100, 2), (16_000, 1), (48_000, 4)])
def test_any_format_rate_and_channel_count_gives_the_same_tone(
    tmp_path: Path, suffix: str, rate_hz: int, channels: int
) -> None:
    if suffix == "mp3" and channels > 2:
        pytest.skip("MP3 holds at most two channels")
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, np.repeat(tone(1.0, rate_hz)[:, None], channels, axis=1), rate_hz)
    audio = read_audio(path, RATE)
    assert audio.dtype == np.float32
    assert abs(audio.size - RATE) < 0.1 * RATE  # MP3 and Ogg pad
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
    assert spectrum.argmax() * RATE / audio.size == pytest.approx(440, abs=3)
    assert np.sqrt((audio[6400:25600] ** 2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 44_100])
def test_blocks_put_together_are_the_file_resampled_at_once(tmp_path: Path, rate_hz: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (3 * rate_hz + 77, 2)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, rate_hz, subtype="FLOAT")
    blocks = list(stream_audio(tmp_path / "noise.wav", RATE, block_s=0.7))
    assert {b.size for b in blocks[:-1]} == {round(0.7 * RATE)}
    mono = samples.mean(axis=1, dtype=np.float32)
    whole = mono if rate_hz == RATE else soxr.resample(mono, rate_hz, RATE, quality="HQ")
    joined = np.concatenate(blocks)
    assert abs(joined.size - whole.size) <= 1
    n = min(joined.size, whole.size)
    np.testing.assert_allclose(joined[:n], whole[:n], atol=1e-5)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_a_truncated_file_gives_what_is_readable_or_a_clear_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(
        path,
        np.random.default_rng(1).uniform(-0.5, 0.5, 4 * 44_100).astype(np.float32),
        44_100,
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    audio = read_audio(path, RATE)
    assert 1.0 * RATE < audio.size < 4.1 * RATE
    for size in (1, 4, 30, 60, 200):
        path.write_bytes(whole[:size])
        with pytest.raises(AudioFileError, match="cut"):
            read_audio(path, RATE)


def test_what_is_not_audio_is_refused_with_the_reason_and_the_cure(
    tmp_path: Path,
) -> None:
    empty, text, zeros = (
        tmp_path / "empty.wav",
        tmp_path / "notes.mp3",
        tmp_path / "zeros.bin",
    )
    empty.touch()
    text.write_text("this is not music\n" * 500)
    zeros.write_bytes(bytes(5000))
    none = tmp_path / "none.wav"
    soundfile.write(none, np.zeros(0, np.float32), 44_100)
    cases: list[tuple[str | Path, str]] = [
        (empty, "0 bytes"),
        (text, "convert"),
        (zeros, "convert"),
        (none, "too little"),
        (tmp_path, "folder"),
        (tmp_path / "missing.wav", "no such file"),
        ("a\0b.wav", "cannot be opened|no such file"),
    ]
    for path, reason in cases:
        with pytest.raises(AudioFileError, match=reason):
            read_audio(path, RATE)


def test_samples_that_are_not_finite_are_named_by_their_time(tmp_path: Path) -> None:
    samples = tone(1.0, 44_100)
    samples[22_050] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 44_100, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"0\.500 s"):
        read_audio(tmp_path / "nan.wav", RATE)


def test_a_long_file_streams_in_the_memory_of_one_block(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    minute = np.repeat(tone(60.0, 4_000)[:, None], 2, axis=1)
    with soundfile.SoundFile(path, "w", 4_000, 2) as file:
        for _ in range(180):
            file.write(minute)
    tracemalloc.start()
    total = sum(block.size for block in stream_audio(path, 8_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == pytest.approx(3 * 3600 * 8_000, rel=1e-6)
    assert peak < 100e6
    with pytest.raises(AudioFileError, match="longer than 60 s"):
        read_audio(path, RATE, limit_s=60)


def test_a_block_of_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match="block"):
        stream_audio("x.wav", RATE, block_s=0.0)
