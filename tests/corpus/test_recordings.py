"""Folders and tables in three layouts -> the same kind of rows; what is wrong in a table is named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.corpus import read_table, recordings_in
from drawbar.errors import BadInputError

JAMENDO = (
    "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
    "track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\n"
    "track_0000382\tartist_000020\talbum_000046\t82/382.mp3\t211.1\tgenre---classical\tinstrument---voice\n"
)
LICENCES = (
    "14/214.mp3\nA Song by Somebody from Jamendo: http://www.jamendo.com/track/214\n"
    "Available under a Creative Commons license: http://creativecommons.org/licenses/by-nc-sa/2.0/\n\n"
)
MUSICCAPS = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,"
    "is_balanced_subset,is_audioset_eval\n"
    "-0Gj8-vB1q4,30,40,\"/m/0140xf,/m/02cjck\",\"['low quality', 'ballad']\","
    '"A slow ballad,\nsung softly",4,False,True\n'
    "0AbCdEfGhIj,1,3,/m/04rlf,\"['drums']\",drums alone,4,False,False\n"
)


def sound(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * 8000), 0.1), 8000)
    return path


def test_every_sound_file_below_a_folder_is_a_track(tmp_path: Path) -> None:
    for name in ("a.wav", "deep/er/b.FLAC", "c.ogg", "d.aiff", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [r.id for r in recordings_in(tmp_path)] == ["a.wav", "c.ogg", "d.aiff", "deep/er/b.FLAC"]
    with pytest.raises(BadInputError, match="no audio files"):
        recordings_in(tmp_path / "deep" / "er" / "none")


def test_a_table_of_our_own(tmp_path: Path) -> None:
    table = tmp_path / "manifest.csv"
    table.write_text(
        "id,path,licence,tags,split,text,start_s,end_s\n"
        'one,a/1.wav,CC-BY-4.0,slow; piano,train,"a piano, slowly",,\n'
        "two,2.wav,,,validation,,1.5,4\n"
        "three,3.wav,,,,,,\n"
    )
    one, two, three = read_table(table)
    assert (one.id, one.licence, one.tags, one.split) == ("one", "CC-BY-4.0", ("slow", "piano"), "train")
    assert (one.path, one.text) == (tmp_path / "a" / "1.wav", "a piano, slowly")
    assert (two.split, two.licence, two.start_s, two.end_s) == ("held-out", "unknown", 1.5, 4.0)
    assert (three.split, three.end_s) == ("", None)


def test_mtg_jamendos_table(tmp_path: Path) -> None:
    table = tmp_path / "data" / "splits" / "autotagging-validation.tsv"
    table.parent.mkdir(parents=True)
    table.write_text(JAMENDO)
    (tmp_path / "audio_licenses.txt").write_text(LICENCES)
    low = sound(tmp_path / "audio" / "82" / "382.low.mp3")
    first, second = read_table(table, tmp_path / "audio")
    assert (first.id, first.licence, first.tags) == (
        "track_0000214",
        "CC-BY-NC-SA-2.0",
        ("genre---punkrock",),
    )
    assert first.path == tmp_path / "audio" / "14" / "214.mp3"
    assert (second.path, second.licence, second.text) == (low, "unknown", "classical, voice")
    assert {first.split, second.split} == {"held-out"}


def test_musiccaps_table_with_whole_videos_and_with_excerpts(tmp_path: Path) -> None:
    table = tmp_path / "musiccaps-public.csv"
    table.write_text(MUSICCAPS)
    cut = sound(tmp_path / "audio" / "[-0Gj8-vB1q4]-[30-40].wav", 10)
    whole = sound(tmp_path / "audio" / "0AbCdEfGhIj.wav", 5)
    first, second = read_table(table, tmp_path / "audio")
    assert (first.path, first.start_s, first.end_s, first.split) == (cut, 0.0, None, "held-out")
    assert first.tags == ("low quality", "ballad")
    assert first.text == "A slow ballad,\nsung softly"
    assert (second.path, second.start_s, second.end_s, second.split) == (whole, 1.0, 3.0, "train")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,licence\na,b\n", "must be called path"),
        ("path\n../../etc/passwd\n", "outside"),
        ("path\n/etc/passwd\n", "outside"),
        (f"path\n{'a' * 300}.wav\n", "too long for a file"),
        ("path\n" + "a/" * 3000 + "b.wav\n", "too long for a file"),
        (f"TRACK_ID\tA\tB\tPATH\tD\tTAGS\nt1\ta\tb\t{'9' * 400}.mp3\t3.0\tx\n", "too long for a file"),
        ("path,split\na.wav,maybe\n", "maybe"),
        ("path,start_s,end_s\na.wav,4,2\n", "before it starts"),
        ("path,start_s\na.wav,soon\n", "cannot be read"),
        ("path\na.wav\na.wav\n", "two tracks"),
        ("path\n", "0 tracks"),
        ("", "must be called path"),
        ("TRACK_ID\tARTIST_ID\nonly\ttwo\n", "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadInputError, match=reason):
        read_table(tmp_path / "t.csv")


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="UTF-8"):
        read_table(tmp_path / "t.csv")
