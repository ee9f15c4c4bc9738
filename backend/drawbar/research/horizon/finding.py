"""Verified tracks -> their recurrence events, each with a matched control: the truth, or the detector's proposals.

It knows nothing of files of events and of what is done with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drawbar.corpus import DEFAULT_SOUNDFONT
from drawbar.errors import BadInputError
from drawbar.research.horizon.composed_truth import returns
from drawbar.research.horizon.events import Event, Track
from drawbar.research.horizon.manifest import Refusal
from drawbar.research.horizon.matching import MatchSettings, sound_of_track, with_controls
from drawbar.research.horizon.recurrence import Proposal, RecurrenceSettings, find_recurrences
from drawbar.research.horizon.track_audio import track_audio

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Found:
    """The events of a set of tracks, and the tracks that nothing could be looked for in."""

    events: tuple[Event, ...]
    refused: tuple[Refusal, ...]


def find_events(
    tracks: Sequence[Track],
    audio: Path | None = None,
    settings: RecurrenceSettings | None = None,
    match: MatchSettings | None = None,
    *,
    detected: bool = False,
    soundfont: Path = DEFAULT_SOUNDFONT,
    progress: Progress | None = None,
) -> Found:
    """Returns of motifs and their controls, track by track.

    A composed track gives what the composer planted (verified); a recording, and with ``detected`` a composed track
    too, gives the detector's proposals (not verified).
    """
    events: list[Event] = []
    refused: list[Refusal] = []
    for number, track in enumerate(tracks):
        if progress:
            progress(number, len(tracks))
        try:
            sound = track_audio(track, audio, soundfont=soundfont)
            heard = find_recurrences(sound, settings)
        except BadInputError as error:
            refused.append(Refusal(track.id, str(error)))
            continue
        if track.piece is not None and not detected:
            mine = returns(track)
        else:
            mine = tuple(Event(track.id, p.motif, p.recurrence, p.kind, False) for p in heard.proposals)
        events += with_controls(mine, sound_of_track(sound), heard, match)
    if progress and tracks:
        progress(len(tracks), len(tracks))
    return Found(tuple(events), tuple(refused))


def find_proposals(
    tracks: Sequence[Track],
    settings: RecurrenceSettings | None = None,
    soundfont: Path = DEFAULT_SOUNDFONT,
    progress: Progress | None = None,
) -> dict[str, tuple[Proposal, ...]]:
    """What the detector proposes in composed tracks, by track id: what it is scored on.

    Raises BadInputError without a track.
    """
    if not tracks:
        raise BadInputError("there is no piece to listen to: ask for one or more")
    found = {}
    for number, track in enumerate(tracks):
        if progress:
            progress(number, len(tracks))
        found[track.id] = find_recurrences(track_audio(track, soundfont=soundfont), settings).proposals
    if progress:
        progress(len(tracks), len(tracks))
    return found
