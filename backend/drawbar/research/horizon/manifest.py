"""Composed pieces, a folder or a table of recordings -> verified tracks; what does not verify is refused by name.

A track verifies when it has a licence that somebody names, a file that can be read from end to end, a length
that recurrence can be looked for in, audio that no other track has, and the checksum that its list gives for it
(``*_sha256_tracks.txt`` of MTG-Jamendo, a ``sha256`` column of one's own table), where it gives one. Composed
pieces verify by being composed again. It knows nothing of events.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drawbar.corpus import Recording, prompt_for, read_table, recordings_in
from drawbar.corpus.audio import stream_audio
from drawbar.errors import AudioFileError, BadInputError
from drawbar.research.horizon.composed_truth import piece_of
from drawbar.research.horizon.events import PLANTS, SPLITS, PieceSettings, Track, split_of

SHORTEST_S, LONGEST_S = 24.0, 900.0
_LICENCE = "CC0-1.0"
_UNKNOWN = {"", "unknown"}


@dataclass(frozen=True)
class Refusal:
    """A track that does not verify, and why."""

    id: str
    reason: str


def composed_tracks(
    pieces: int, seconds: float = 45.0, first_seed: int = 700_000, plants: Sequence[str] = PLANTS
) -> tuple[Track, ...]:
    """Pieces with planted recurrences, the kinds taken in turn; each is composed once, for its checksum.

    Their text says what plays, and not whether something returns: the control by prompt would be told the answer.
    """
    if not 1 <= pieces <= 100_000 or not SHORTEST_S <= seconds <= LONGEST_S or first_seed < 0 or not plants:
        raise BadInputError(
            f"{pieces} pieces of {seconds:g} s from seed {first_seed}: ask for 1 to 100000 pieces of "
            f"{SHORTEST_S:g} to {LONGEST_S:g} s, a seed of 0 or more and at least one kind of recurrence"
        )
    tracks = []
    for seed in range(first_seed, first_seed + pieces):
        name = f"planted-{seed}"
        settings = PieceSettings(seed, seconds, plants[seed % len(plants)])
        track = Track(name, split_of(name), seconds, _LICENCE, "composed", "", piece=settings)
        planted = piece_of(track)
        text = prompt_for(
            replace(planted.piece, motifs=())
        )  # a prompt may say "returning motif": that is the answer
        tracks.append(replace(track, sha256=_digest(planted.piece.to_json().encode()), text=text))
    return tuple(tracks)


def composed_of_split(
    pieces: int, split: str, seconds: float = 45.0, first_seed: int = 700_000
) -> tuple[Track, ...]:
    """The first so many composed pieces that fall into one split."""
    if split not in SPLITS:
        raise BadInputError(f"split {split!r}; there are {', '.join(SPLITS)}")
    found: list[Track] = []
    seed = first_seed
    while len(found) < pieces:
        if split_of(f"planted-{seed}") == split:
            found += composed_tracks(1, seconds, seed)
        seed += 1
    return tuple(found)


def recorded_tracks(
    place: Path,
    audio: Path | None = None,
    *,
    licence: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Track, ...], tuple[Refusal, ...]]:
    """The tracks of a folder, or of a table whose files lie below `audio`, that verify, and those that do not.

    Args:
        place: a folder of sound files, or a ``.csv``/``.tsv`` in one of the layouts that the corpus reads.
        audio: where a table's files lie; its own folder by default.
        licence: that of all the files of a folder, which says none itself.
        progress: told (tracks done, tracks).

    Raises:
        BadInputError: neither a folder nor a table, or nothing in it verifies.
    """
    if place.is_dir():
        root, recordings, source = place, recordings_in(place), "folder"
    elif place.is_file():
        root, recordings, source = audio or place.parent, read_table(place, audio), place.name
    else:
        raise BadInputError(f"{place} is neither a folder nor a table; name one with sound files in it")
    listed = _checksums(place) if place.is_file() else {}
    tracks: list[Track] = []
    refused: list[Refusal] = []
    seen: dict[str, str] = {}
    for number, recording in enumerate(recordings):
        if progress:
            progress(number, len(recordings))
        if licence and recording.licence in _UNKNOWN:
            recording = replace(recording, licence=licence)
        try:
            track = _verified(recording, root.resolve(), source, listed)
            if track.sha256 in seen:
                raise AudioFileError(f"the same audio as {seen[track.sha256]}")
        except BadInputError as error:
            refused.append(Refusal(recording.id, str(error)))
            continue
        seen[track.sha256] = track.id
        tracks.append(track)
    if not tracks:
        first = "; ".join(f"{r.id}: {r.reason}" for r in refused[:3])
        raise BadInputError(f"{place}: none of {len(recordings)} tracks verifies ({first})")
    return tuple(tracks), tuple(refused)


def verify(tracks: Iterable[Track], audio: Path) -> tuple[Refusal, ...]:
    """Tracks whose file or piece is no longer what the manifest says."""
    refused = []
    for track in tracks:
        try:
            if track.piece is not None:
                found = _digest(piece_of(track).piece.to_json().encode())
            else:
                found = _file_digest(audio / track.path)
        except OSError as error:
            refused.append(Refusal(track.id, f"cannot be read ({error.strerror or error})"))
            continue
        if found != track.sha256:
            refused.append(
                Refusal(
                    track.id, f"its checksum is {found[:12]}..., not {track.sha256[:12]}...: it was changed"
                )
            )
    return tuple(refused)


def _verified(recording: Recording, root: Path, source: str, listed: dict[str, str]) -> Track:
    if recording.licence in _UNKNOWN:
        raise BadInputError("no licence is named; add it to the table, or say it for the whole folder")
    if recording.start_s or recording.end_s is not None:
        raise BadInputError(
            "a part of a file; structure needs whole tracks, so cut the part out into its own file"
        )
    path = recording.path.resolve()
    if not path.is_relative_to(root):
        raise BadInputError(f"lies outside {root.name}; give the folder that holds it")
    relative = path.relative_to(root).as_posix()
    blocks = stream_audio(path, 16_000)
    seconds = sum(len(block) for block in blocks) / 16_000
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise BadInputError(f"lasts {seconds:.1f} s; a track must last {SHORTEST_S:g} to {LONGEST_S:g} s")
    digest = _file_digest(path)
    expected = listed.get(relative) or listed.get(recording.id, "")
    if expected and expected != digest:
        raise BadInputError(
            f"its checksum is {digest[:12]}..., the list says {expected[:12]}...; fetch it again"
        )
    return Track(
        id=recording.id,
        split=split_of(recording.id),
        duration_s=round(seconds, 3),
        licence=recording.licence,
        source=source,
        sha256=digest,
        path=relative,
        text=recording.text or ", ".join(recording.tags),
    )


def _checksums(table: Path) -> dict[str, str]:
    """Path or id -> SHA-256, from the table's own column or from a list beside it as sha256sum writes one."""
    found: dict[str, str] = {}
    for file in sorted(table.parent.glob("*sha256*.txt")):
        for text in file.read_text(encoding="utf-8", errors="replace").splitlines():
            match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(.+?)\s*", text)
            if match:
                found[match[2].removeprefix("./")] = match[1].lower()
    if table.suffix.lower() == ".csv":
        with table.open(encoding="utf-8-sig", newline="") as rows:
            for row in csv.DictReader(rows):
                values = {
                    str(k).strip().lower(): (v or "").strip() for k, v in row.items() if isinstance(v, str)
                }
                if values.get("sha256"):
                    for name in ("id", "path"):
                        if values.get(name):
                            found[values[name]] = values["sha256"].lower()
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _file_digest(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
