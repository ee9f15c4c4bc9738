"""Sounds that would be wrong without an error: overflowing, cancelling, without a length, in hidden files."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from drawbar.contrast.examples import sound_files
from drawbar.corpus import read_table, recordings_in
from drawbar.corpus.audio import read_audio
from drawbar.errors import AudioFileError, BadInputError

RATE = 32_000


def tone(seconds: float = 1.0, rate_hz: int = RATE) -> NDArray[np.float32]:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    wave: NDArray[np.float32] = (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    return wave


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_samples_too_large_to_be_resampled_are_refused(tmp_path: Path, rate_hz: int) -> None:
    wave = np.where(np.arange(rate_hz) % 2, 3e38, -3e38).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, rate_hz, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"a\.wav: its samples are too large"):
        read_audio(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize("gain", [1.0, 0.999])
def test_channels_that_cancel_each_other_are_not_silence(tmp_path: Path, gain: float) -> None:
    wave = np.concatenate([np.zeros(RATE * 40, np.float32), tone()])  # the first block is silent
    soundfile.write(tmp_path / "a.wav", np.stack([wave, -gain * wave], 1), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", RATE), wave)


def test_ordinary_stereo_is_still_the_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    both = rng.uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", both, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav", RATE), both.mean(1, dtype=np.float32))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_without_a_length_is_read_to_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, subtype: str, size: int
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone()] * 2, 1), RATE, subtype=subtype)
    whole = read_audio(path, RATE)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = struct.pack("<I", size)
    path.write_bytes(data)
    np.testing.assert_array_equal(read_audio(path, RATE), whole)
    assert "does not say how long it is" in caplog.text


def test_a_wav_that_really_holds_nothing_is_still_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0, np.float32), RATE)
    with pytest.raises(AudioFileError, match="too little"):
        read_audio(tmp_path / "a.wav", RATE)


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret", "/tmp/other"])
def test_a_table_of_musiccaps_reads_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    table = tmp_path / "in" / "caps.csv"
    table.parent.mkdir()
    table.write_text(f"ytid,start_s,end_s,aspect_list,caption\n{name},0,10,[],x\n")
    with pytest.raises(BadInputError, match="outside"):
        read_table(table)


def test_every_command_that_reads_a_folder_leaves_out_the_same(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", tone(), RATE)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._song.wav").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".trash").mkdir()
    (tmp_path / ".trash" / "old.wav").write_bytes(b"x")
    (tmp_path / "folder.wav").mkdir()
    assert [r.path.name for r in recordings_in(tmp_path)] == ["song.wav"]
    assert [p.name for p in sound_files([tmp_path])] == ["song.wav"]
