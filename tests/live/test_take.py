"""A take on disk restores exactly what made it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from drawbar.errors import BadInputError
from drawbar.live import TakeSettings
from drawbar.live.takes.take import Take, load_record, load_settings, stored_tokens

SETTINGS = TakeSettings("Café in a minor, 'slow'", 7, 1.0, 2.5, 0.9, 100, {"3/12": 1.5, "3/9": -0.25}, True)


@pytest.fixture
def take() -> Take:
    rng = np.random.default_rng(1)
    return Take(
        audio=rng.uniform(-0.9, 0.9, 32_001).astype(np.float32),
        sample_rate_hz=32_000,
        tokens=rng.integers(0, 1024, (4, 50)).astype(np.uint16),
        settings=SETTINGS,
        automation={"lanes": {"3/12": [[0, 1.5], [10, 1.5], [12, None]]}, "kept": [[1, 9, 77]]},
        bank="embedded",
        site="ab" * 32,
        twin_audio=rng.uniform(-0.9, 0.9, 32_001).astype(np.float32),
        bypass=((640, True),),
    )


@pytest.mark.parametrize("name", ["a take.wav", "take.flac", "TAKE.WAV"])
def test_settings_come_back_from_sound_and_json(take: Take, tmp_path: Path, name: str) -> None:
    path = take.save(tmp_path / "new folder" / name)
    assert load_settings(path) == SETTINGS
    assert load_settings(path.with_suffix(".json")) == SETTINGS
    record = load_record(path)
    assert record["automation"] == take.automation
    assert (record["bank"], record["site"]) == ("embedded", "ab" * 32)
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == 32_000
    np.testing.assert_allclose(audio, take.audio, atol=2**-22)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_the_same_take_gives_the_same_bytes(take: Take, tmp_path: Path, ending: str) -> None:
    one, two = take.save(tmp_path / "1" / f"t.{ending}"), take.save(tmp_path / "2" / f"t.{ending}")
    assert one.read_bytes() == two.read_bytes()
    assert one.with_suffix(".json").read_bytes() == two.with_suffix(".json").read_bytes()


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_long_automation_fits(take: Take, tmp_path: Path, ending: str) -> None:
    points = [[frame, round(0.001 * frame, 3)] for frame in range(50_000)]
    path = dataclasses.replace(take, automation={"lanes": {"3/12": points}}).save(tmp_path / f"t.{ending}")
    assert load_record(path)["automation"]["lanes"]["3/12"] == points
    assert soundfile.info(path).frames == 32_001


def test_the_json_holds_the_tokens(take: Take, tmp_path: Path) -> None:
    import base64
    import zlib

    stored = json.loads(take.save(tmp_path / "t.wav").with_suffix(".json").read_text())["tokens"]
    tokens = np.frombuffer(zlib.decompress(base64.b64decode(stored["zlib_u16"])), "<u2")
    np.testing.assert_array_equal(tokens.reshape(stored["shape"]), take.tokens)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(take: Take, tmp_path: Path) -> None:
    path = take.save(tmp_path / "t.wav")
    before = path.read_bytes()
    broken = dataclasses.replace(take, audio=np.full(10, np.nan, np.float32))
    with pytest.raises(BadInputError, match="not finite"):
        broken.save(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.json", "t.wav"]


def test_the_twin_can_be_saved_beside_the_take(take: Take, tmp_path: Path) -> None:
    audio, _ = soundfile.read(take.save(tmp_path / "t-bypassed.wav", twin=True), dtype="float32")
    assert take.twin_audio is not None
    np.testing.assert_allclose(audio, take.twin_audio, atol=2**-22)
    with pytest.raises(BadInputError, match="twin"):
        dataclasses.replace(take, twin_audio=None).save(tmp_path / "x.wav", twin=True)


@pytest.mark.parametrize("name", ["t.mp3", "t"])
def test_other_formats_are_refused(take: Take, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match=r"\.wav or \.flac"):
        take.save(tmp_path / name)


def foreign(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.wav"
    if kind == "plain":
        soundfile.write(path, np.zeros(100), 8000)
    elif kind == "commented":
        with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC") as out:
            out.comment = '{"settings": 3}'
            out.write(np.zeros(100))
    elif kind == "newer":
        path = path.with_suffix(".json")
        path.write_text('{"format": 99, "settings": {}}')
    elif kind == "wrong":
        path = path.with_suffix(".json")
        path.write_text('{"format": 1, "settings": {"amounts": {"1/2": "loud"}, "seed": "x"}}')
    elif kind == "chunks":
        path.write_bytes(b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\xffINFOICMT\xff\xff\xff\x7f{")
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"hello", "cut": b"RIFF\x10\x00"}[kind])
    return path


@pytest.mark.parametrize(
    "kind", ["plain", "commented", "newer", "wrong", "chunks", "missing", "empty", "text", "cut"]
)
def test_files_without_usable_settings_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = foreign(tmp_path, kind)
    with pytest.raises(BadInputError) as caught:
        load_settings(path)
    assert kind == "wrong" or path.name in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seed": -1},
        {"guidance": float("inf")},
        {"temperature": -1},
        {"top_k": -5},
        {"amounts": {"1/2": float("nan")}},
    ],
)
def test_unusable_settings_are_refused_when_made(change: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        dataclasses.replace(SETTINGS, **change)


def test_the_tokens_of_a_saved_take_come_back_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    tokens = np.arange(24, dtype=np.uint16).reshape(4, 6)
    saved = Take(np.zeros(3840, np.float32), 32_000, tokens, TakeSettings("slow piano", 1, 0.12))
    record = load_record(saved.save(tmp_path / "take.wav").with_suffix(".json"))
    assert np.array_equal(stored_tokens(record), tokens)
    stored = record["tokens"]
    for damaged in (
        None, {}, {**stored, "shape": [4, 7]}, {**stored, "shape": [4, 10**9]}, {**stored, "shape": [24]},
        {**stored, "shape": [-4, -6]}, {**stored, "zlib_u16": "!!"}, {**stored, "zlib_u16": "AAAA"},
    ):  # fmt: skip
        with pytest.raises(BadInputError, match="tokens cannot be read"):
            stored_tokens({**record, "tokens": damaged})
