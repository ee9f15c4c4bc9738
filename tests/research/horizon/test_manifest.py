"""Folders, tables and seeds -> verified tracks; what does not verify is refused by its name and with a reason."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.errors import BadInputError
from drawbar.research.horizon.events import PLANTS, split_of
from drawbar.research.horizon.manifest import composed_of_split, composed_tracks, recorded_tracks, verify

RATE = 8000


def _write(path: Path, seconds: float, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    soundfile.write(path, noise, RATE, format="WAV", subtype="PCM_16")
    return path


def test_a_folder_gives_tracks_with_checksum_length_licence_and_split(tmp_path: Path) -> None:
    file = _write(tmp_path / "a" / "one.wav", 30.0)
    tracks, refused = recorded_tracks(tmp_path, licence="CC-BY-4.0")
    assert refused == ()
    assert tracks[0].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (tracks[0].id, tracks[0].path, tracks[0].source) == ("a/one.wav", "a/one.wav", "folder")
    assert tracks[0].duration_s == pytest.approx(30.0, abs=0.01)
    assert tracks[0].licence == "CC-BY-4.0"
    assert tracks[0].split == split_of("a/one.wav")


def test_what_does_not_verify_is_refused_by_name(tmp_path: Path) -> None:
    _write(tmp_path / "good.wav", 30.0)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "good.wav").read_bytes())
    _write(tmp_path / "short.wav", 5.0)
    (tmp_path / "text.wav").write_text("no sound")
    tracks, refused = recorded_tracks(tmp_path, licence="CC0-1.0")
    assert [t.id for t in tracks] == ["copy.wav"]
    reasons = {r.id: r.reason for r in refused}
    assert "same audio as copy.wav" in reasons["good.wav"]
    assert "lasts 5.0 s" in reasons["short.wav"]
    assert "not a sound file" in reasons["text.wav"]


def test_a_folder_without_a_licence_verifies_nothing(tmp_path: Path) -> None:
    _write(tmp_path / "good.wav", 30.0)
    with pytest.raises(BadInputError, match=r"none of 1 tracks verifies \(good.wav: no licence is named"):
        recorded_tracks(tmp_path)


def test_the_layout_that_mtg_jamendo_publishes_is_read_and_its_checksums_are_held(tmp_path: Path) -> None:
    audio, data = tmp_path / "audio", tmp_path / "data"
    names = ("48/948.mp3", "49/949.mp3", "50/950.mp3")
    digests = []
    for n, name in enumerate(names):
        digests.append(hashlib.sha256(_write(audio / name, 30.0, n).read_bytes()).hexdigest())
    data.mkdir()
    table = data / "raw_30s.tsv"
    head = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
    rows = [f"track_{n}\tartist\talbum\t{name}\t30.0\tgenre---rock" for n, name in enumerate(names)]
    table.write_text("\n".join([head, *rows]) + "\n")
    licences = [
        f"{name}\nhttp://www.jamendo.com\nhttp://creativecommons.org/licenses/by-sa/3.0/\n"
        for name in names[:2]
    ]
    (tmp_path / "audio_licenses.txt").write_text("\n".join(licences))
    (data / "raw_30s_audio_sha256_tracks.txt").write_text(f"{digests[0]} {names[0]}\n{'0' * 64} {names[1]}\n")
    tracks, refused = recorded_tracks(table, audio)
    assert [(t.id, t.licence, t.path) for t in tracks] == [("track_0", "CC-BY-SA-3.0", names[0])]
    reasons = {r.id: r.reason for r in refused}
    assert "the list says 000000000000" in reasons["track_1"]
    assert "no licence" in reasons["track_2"]


def test_a_parts_row_and_an_own_checksum_column_are_honoured(tmp_path: Path) -> None:
    good = hashlib.sha256(_write(tmp_path / "one.wav", 30.0).read_bytes()).hexdigest()
    _write(tmp_path / "two.wav", 30.0, 2)
    _write(tmp_path / "three.wav", 60.0, 3)
    (tmp_path / "list.csv").write_text(
        "id,path,licence,sha256,start_s,end_s\n"
        f"a,one.wav,CC0-1.0,{good.upper()},,\nb,two.wav,CC0-1.0,{good},,\nc,three.wav,CC0-1.0,,0,30\n"
    )
    tracks, refused = recorded_tracks(tmp_path / "list.csv")
    assert [t.id for t in tracks] == ["a"]
    assert [r.id for r in refused] == ["b", "c"]
    assert "checksum" in refused[0].reason
    assert "a part of a file" in refused[1].reason


def test_composed_tracks_take_the_kinds_in_turn_and_verify_again() -> None:
    tracks = composed_tracks(10, 30.0, 5)
    assert [t.piece.plant for t in tracks if t.piece] == [PLANTS[seed % 5] for seed in range(5, 15)]
    assert len({t.sha256 for t in tracks}) == 10
    assert verify(tracks, Path()) == ()
    changed = replace(tracks[0], sha256="0" * 64)
    assert [r.id for r in verify([changed, tracks[1]], Path())] == [tracks[0].id]


def test_what_is_said_of_a_composed_track_does_not_tell_whether_something_returns() -> None:
    texts = [track.text for track in composed_tracks(8, 30.0)]
    assert all(texts)
    assert not any("motif" in text or "return" in text for text in texts)


def test_a_file_that_was_changed_or_lost_no_longer_verifies(tmp_path: Path) -> None:
    _write(tmp_path / "one.wav", 30.0)
    _write(tmp_path / "two.wav", 30.0, 1)
    tracks, _ = recorded_tracks(tmp_path, licence="CC0-1.0")
    _write(tmp_path / "one.wav", 30.0, 9)
    (tmp_path / "two.wav").unlink()
    reasons = {r.id: r.reason for r in verify(tracks, tmp_path)}
    assert "was changed" in reasons["one.wav"]
    assert "cannot be read" in reasons["two.wav"]


def test_pieces_of_a_split_are_those_whose_names_fall_into_it() -> None:
    tracks = composed_of_split(4, "test", 30.0, 0)
    assert {t.split for t in tracks} == {"test"}
    assert len({t.id for t in tracks}) == 4
