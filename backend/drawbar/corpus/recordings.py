"""A folder of sound files, or a table that lists tracks -> recordings with licence, tags, text and split.

A table is a CSV or TSV file in one of three layouts, told apart by its header: our own (``path`` and any of
``id``, ``licence``, ``tags``, ``text``, ``split``, ``start_s``, ``end_s``), MTG-Jamendo's (``TRACK_ID`` ...
``PATH DURATION TAGS``, tab-separated, with ``audio_licenses.txt`` beside it if it is there) and MusicCaps'
(``ytid,start_s,end_s,...,caption``). It knows nothing of models.
"""

import ast
import csv
import io
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drawbar.errors import BadInputError
from drawbar.files.reading import read_text, shortened

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".mp3",
    ".ogg",
    ".oga",
    ".opus",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
)
SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "held-out",
    "validation": "held-out",
    "val": "held-out",
    "test": "held-out",
    "eval": "held-out",
    "held-out": "held-out",
    "": "",
}
"""What tables call a split -> what we call it; nothing given means that the track's name decides."""

_MAX_ENTRIES = 1_000_000
"""Files and folders that are looked at."""
_MAX_BYTES = 256 << 20
"""Of a table."""
_MAX_ROWS = 10_000_000
_MAX_NAME, _MAX_PATH = 255, 4000
_NAMES = {
    "id": ("id", "track_id", "track"),
    "path": ("path", "file", "audio", "filename"),
    "licence": ("licence", "license"),
    "tags": ("tags", "tag"),
    "text": ("text", "caption", "prompt"),
    "split": ("split",),
    "start": ("start_s",),
    "end": ("end_s",),
}


@dataclass(frozen=True)
class Recording:
    """One track: a file, or a part of one."""

    id: str
    path: Path
    licence: str = "unknown"
    tags: tuple[str, ...] = ()
    text: str = ""
    split: str = ""
    """``train``, ``held-out``, or nothing."""
    start_s: float = 0.0
    end_s: float | None = None
    """Where in the file the track lies; None is its end."""


def sound_files_in(folder: Path) -> list[Path]:
    """Every sound file below a folder, by name, without hidden files and folders (``._song.wav``, ``.trash``).

    Raises BadInputError for a folder like ``/``, which holds more than anybody's recordings.
    """
    found, seen = [], 0
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        seen += len(folders) + len(names)
        if seen > _MAX_ENTRIES:
            raise BadInputError(
                f"{folder} holds more than {_MAX_ENTRIES:,} files: give the folder of the recordings"
            )
        found += [
            path
            for name in names
            if name.lower().endswith(AUDIO_SUFFIXES)
            and not name.startswith(".")
            and (path := Path(place, name)).is_file()
        ]
    return sorted(found)


def recordings_in(folder: Path) -> list[Recording]:
    """Every sound file below a folder, by name. Raises BadInputError where there is none."""
    files = sound_files_in(folder)
    if not files:
        raise BadInputError(f"{folder} has no audio files ({', '.join(AUDIO_SUFFIXES[:6])} ...) in it")
    return [Recording(path.relative_to(folder).as_posix(), path) for path in files]


def read_table(table: Path, audio: Path | None = None) -> list[Recording]:
    """The tracks of a table; files are looked for below ``audio`` (the table's own folder by default).

    A file that is not there is still listed: reading it fails with its name.

    Raises:
        BadInputError: not a table of a known layout, no rows, a path outside the folder, two equal ids.
    """
    folder = (audio or table.parent).resolve()
    try:
        text = read_text(table, _MAX_BYTES)
    except (OSError, ValueError) as error:
        raise BadInputError(f"{table}: cannot be read as text ({error}); save it as UTF-8") from error
    lines = text.splitlines()
    header = lines[0].split("\t") if lines else []
    try:
        if header[:1] == ["TRACK_ID"]:
            found = list(_jamendo(table, lines[1:], folder))
        else:
            reader = csv.DictReader(io.StringIO(text), delimiter="\t" if len(header) > 1 else ",")
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = [{k: (v or "").strip() for k, v in row.items() if isinstance(k, str)} for row in reader]
            found = list(
                _musiccaps(table, rows, folder) if "ytid" in columns else _own(table, columns, rows, folder)
            )
    except (csv.Error, ValueError, TypeError, SyntaxError, IndexError, RecursionError, MemoryError) as error:
        # The last two are what Python's own parser raises for an absurd list.
        if isinstance(error, BadInputError):
            raise
        raise BadInputError(
            f"{table}: a row cannot be read ({shortened(str(error), 200)}); see the layouts it may have"
        ) from error
    return _checked(table, found)


def _checked(table: Path, found: Sequence[Recording]) -> list[Recording]:
    if not 1 <= len(found) <= _MAX_ROWS:
        raise BadInputError(f"{table}: {len(found)} tracks; it must list 1 to {_MAX_ROWS}")
    seen: set[str] = set()
    for recording in found:
        if recording.id in seen:
            raise BadInputError(
                f"{table}: two tracks are called {shortened(recording.id)}; give each its own id"
            )
        seen.add(recording.id)
        if recording.end_s is not None and recording.end_s <= recording.start_s:
            raise BadInputError(
                f"{table}: {shortened(recording.id)} ends at {recording.end_s} s, before it starts; correct the row"
            )
    return list(found)


def _own(
    table: Path, columns: Sequence[str], rows: Sequence[dict[str, str]], folder: Path
) -> Iterator[Recording]:
    at = {key: next((n for n in names if n in columns), "") for key, names in _NAMES.items()}
    if not at["path"]:
        raise BadInputError(
            f"{table}: its columns are {shortened(', '.join(columns), 200) or 'none'}; one must be called path "
            "(or it must be a table of MTG-Jamendo or MusicCaps)"
        )
    for row in rows:
        split = row.get(at["split"], "").lower()
        if split not in SPLITS:
            raise BadInputError(f"{table}: split {shortened(split)}; write train, valid, test or nothing")
        name = row[at["path"]]
        yield Recording(
            id=row.get(at["id"]) or name,
            path=_inside(table, folder, name),
            licence=row.get(at["licence"]) or "unknown",
            tags=tuple(part.strip() for part in re.split(r"[;|,]", row.get(at["tags"], "")) if part.strip()),
            text=row.get(at["text"], ""),
            split=SPLITS[split],
            start_s=_seconds(row, at["start"]) if row.get(at["start"]) else 0.0,
            end_s=_seconds(row, at["end"]) if row.get(at["end"]) else None,
        )


def _jamendo(table: Path, lines: Sequence[str], folder: Path) -> Iterator[Recording]:
    """``raw_30s.tsv`` and its relatives; a split file says its split in its own name."""
    licences = _jamendo_licences(table)
    split = next((SPLITS[word] for word in ("train", "validation", "test") if f"-{word}" in table.stem), "")
    for line in lines:
        if not line.strip():
            continue
        track, _artist, _album, name, _duration, *tags = line.split("\t")
        path = _inside(table, folder, name)
        low = path.with_name(f"{path.stem}.low{path.suffix}")  # how the smaller download names its files
        yield Recording(
            id=track,
            path=low if low.is_file() and not path.is_file() else path,
            licence=licences.get(name, "unknown"),
            tags=tuple(tag.strip() for tag in tags if tag.strip()),
            text=", ".join(tag.split("---")[-1] for tag in tags),
            split=split,
        )


def _jamendo_licences(table: Path) -> dict[str, str]:
    """Path -> licence, from ``audio_licenses.txt`` beside the table or one to three folders up."""
    for folder in (table.parent, *list(table.resolve().parents)[1:4]):
        file = folder / "audio_licenses.txt"
        if not file.is_file():
            continue
        found: dict[str, str] = {}
        name = ""
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            match = re.search(r"creativecommons\.org/(?:licenses|publicdomain)/([\w+-]+)/([\d.]+)", line)
            if re.fullmatch(r"\d\d/\d+\.mp3", line.strip()):
                name = line.strip()
            elif match and name:
                found[name] = f"CC-{match[1].upper()}-{match[2]}"
        return found
    return {}


def _musiccaps(table: Path, rows: Sequence[dict[str, str]], folder: Path) -> Iterator[Recording]:
    """Captions of parts of videos; the audio is what somebody has saved under the video's id."""
    files: dict[str, list[Path]] = {}
    for path in sound_files_in(folder):
        files.setdefault(_video(path.stem), []).append(path)
    for row in rows:
        video, start, end = row["ytid"], _seconds(row, "start_s"), _seconds(row, "end_s")
        path = next(iter(files.get(video, [])), None) or _inside(table, folder, f"{video}.wav")
        whole = path.stem == video and _longer_than(path, end)
        evaluation = row.get("is_audioset_eval", "").lower() == "true"
        aspects = ast.literal_eval(row.get("aspect_list") or "[]")
        yield Recording(
            id=f"{video}@{start:g}",
            path=path,
            tags=tuple(str(tag) for tag in aspects),
            text=row.get("caption", ""),
            split="held-out" if evaluation else "train" if "is_audioset_eval" in row else "",
            start_s=start if whole else 0.0,
            end_s=end if whole else None,
        )


def _seconds(row: dict[str, str], column: str) -> float:
    """A time of a table. ValueError where it is none."""
    seconds = float(row.get(column) or "nan")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{column} is {shortened(row.get(column))}, not a time in seconds")
    return seconds


def _video(stem: str) -> str:
    """``ID``, ``[ID]-[30-40]``, ``ID_30_40`` or ``ID-30-40`` -> ID, which has eleven characters."""
    found = re.match(r"\[?([\w-]{11})\]?(?:$|[-_]\[?\d)", stem)
    return found[1] if found else stem


def _longer_than(path: Path, seconds: float) -> bool:
    """Whether the file reaches that far: then it is the whole video and not an excerpt cut out of it."""
    import soundfile

    try:
        return float(soundfile.info(str(path)).duration) >= seconds
    except (soundfile.LibsndfileError, OSError, RuntimeError):
        return False


def _inside(table: Path, folder: Path, name: str) -> Path:
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder):
        raise BadInputError(
            f"{table} names {shortened(name)}, which lies outside {folder}; give that folder as audio"
        )
    if len(os.fsencode(path)) > _MAX_PATH or any(len(os.fsencode(part)) > _MAX_NAME for part in path.parts):
        raise BadInputError(f"{table} names {shortened(name)}, which is too long for a file; correct the row")
    return path
