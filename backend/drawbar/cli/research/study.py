"""`drawbar study manifest`, `events` and `score`: verified tracks, recurrence events, how well they are found."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from drawbar.cli.options import FontOption, JsonFlag, file_to_write, folder_to_write
from drawbar.cli.output import line, out_json, progress, say, table
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_text

if TYPE_CHECKING:
    from drawbar.research.horizon.events import Track
    from drawbar.research.horizon.manifest import Refusal

TRACKS, EVENTS = "tracks.jsonl", "events.jsonl"

app = typer.Typer(no_args_is_help=True, help="Long horizon: do features foresee that a motif returns?")

Study = Annotated[Path, typer.Argument(help="The study's folder.")]
Written = Annotated[Path, typer.Argument(callback=folder_to_write, help="The study's folder.")]
Audio = Annotated[
    Path | None, typer.Option("--audio", help="Where the tracks' files lie; not needed for composed pieces.")
]


@app.command("manifest")
def study_manifest(
    study: Written,
    place: Annotated[
        Path | None, typer.Argument(help="A folder of whole tracks, or a table (our own, MTG-Jamendo's).")
    ] = None,
    composed: Annotated[int, typer.Option(help="Compose this many pieces with planted recurrences.")] = 0,
    seconds: Annotated[float, typer.Option(help="Length of a composed piece.")] = 45.0,
    seed: Annotated[int, typer.Option(help="Of the first composed piece.")] = 700_000,
    audio: Audio = None,
    licence: Annotated[str, typer.Option(help="Of every file of a folder, which names none itself.")] = "",
) -> None:
    """Verify tracks: licence, checksum, length, split. What does not verify is refused by name."""
    from drawbar.research.horizon.events import save_tracks
    from drawbar.research.horizon.manifest import composed_tracks, recorded_tracks

    if bool(composed) == (place is not None):
        raise BadInputError(
            "name a folder or a table of recordings, or ask for --composed N pieces; one of them"
        )
    refused: tuple[Refusal, ...] = ()
    with progress("verifying") as tell:
        if place is None:
            tracks = composed_tracks(composed, seconds, seed)
        else:
            tracks, refused = recorded_tracks(
                place, audio, licence=licence, progress=lambda n, of: tell("verifying", n / of)
            )
    study.mkdir(parents=True, exist_ok=True)
    save_tracks(study / TRACKS, tracks)
    _splits(tracks)
    _refused(refused)


@app.command("verify")
def study_verify(study: Study, audio: Audio = None) -> None:
    """Check every track again: is it still what the manifest says?"""
    from drawbar.research.horizon.events import load_tracks
    from drawbar.research.horizon.manifest import verify

    tracks = load_tracks(study / TRACKS)
    refused = verify(tracks, audio or study)
    _refused(refused)
    if refused:
        raise BadInputError(
            f"{len(refused)} of {len(tracks)} tracks no longer verify; write the manifest again"
        )
    line(f"{len(tracks)} tracks are what the manifest says")


@app.command("events")
def study_events(
    study: Written,
    audio: Audio = None,
    detected: Annotated[
        bool, typer.Option("--detected", help="Let the detector look at composed pieces too.")
    ] = False,
    split: Annotated[str, typer.Option(help="Only tracks of this split: train, valid or test.")] = "",
    most: Annotated[int, typer.Option(help="Stop after this many tracks; 0: all.")] = 0,
    least: Annotated[
        float, typer.Option(help="Likeness from which on the detector proposes; 0: as tuned.")
    ] = 0.0,
    soundfont: FontOption = None,
) -> None:
    """Find where motifs return, each with a matched window where none does.

    Composed pieces give their truth; recordings give proposals, which `drawbar review` lets people verify.
    """
    from drawbar.corpus import DEFAULT_SOUNDFONT
    from drawbar.research.horizon.events import load_tracks, save_events
    from drawbar.research.horizon.finding import find_events
    from drawbar.research.horizon.recurrence import RecurrenceSettings

    tracks = _of_split(load_tracks(study / TRACKS), split, most)
    with progress("listening") as tell:
        found = find_events(
            tracks,
            audio or study,
            RecurrenceSettings(least=least) if least else None,
            detected=detected,
            soundfont=soundfont or DEFAULT_SOUNDFONT,
            progress=lambda n, of: tell("listening", n / of),
        )
    save_events(study / EVENTS, found.events)
    table(
        ("events", "exact", "transposed", "varied", "controls", "verified"),
        [
            (
                len(found.events),
                *(
                    sum(e.kind == kind for e in found.events)
                    for kind in ("exact", "transposed", "varied", "none")
                ),
                sum(e.verified for e in found.events),
            )
        ],
    )
    _refused(found.refused)


@app.command("score")
def study_score(
    pieces: Annotated[int, typer.Option(help="Composed pieces of the split, all kinds in turn.")] = 150,
    split: Annotated[str, typer.Option(help="train to tune, test to report.")] = "test",
    seconds: Annotated[float, typer.Option(help="Length of a piece.")] = 45.0,
    seed: Annotated[int, typer.Option(help="Where the search for pieces of the split begins.")] = 700_000,
    out: Annotated[
        Path | None, typer.Option(callback=file_to_write, help="Write the result as Markdown.")
    ] = None,
    soundfont: FontOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Score the recurrence detector on composed pieces whose truth is known."""
    from drawbar.corpus import DEFAULT_SOUNDFONT
    from drawbar.research.horizon.finding import find_proposals
    from drawbar.research.horizon.manifest import composed_of_split
    from drawbar.research.horizon.recurrence import RecurrenceSettings
    from drawbar.research.horizon.score_table import score_markdown
    from drawbar.research.horizon.scoring import score_proposals

    tracks = composed_of_split(pieces, split, seconds, seed)
    settings = RecurrenceSettings()
    with progress("listening") as tell:
        found = find_proposals(
            tracks,
            settings,
            soundfont or DEFAULT_SOUNDFONT,
            lambda n, of: tell("listening", n / of),
        )
    score = score_proposals(tracks, found)
    text = score_markdown(score, settings, split=split, seconds=seconds, seed=seed)
    if out is not None:
        write_text(out, text)
        say(f"written to {out}")
    if as_json:
        out_json({"score": score, "settings": settings, "passes": score.passes})
    else:
        line(text.rstrip())


def _of_split(tracks: "Sequence[Track]", split: str, most: int) -> "Sequence[Track]":
    from drawbar.research.horizon.events import SPLITS

    if split and split not in SPLITS:
        raise BadInputError(f"split {split!r}; there are {', '.join(SPLITS)}")
    chosen = [track for track in tracks if split in ("", track.split)]
    if not chosen:
        raise BadInputError(f"no track is in split {split}; verify more tracks")
    return chosen[:most] if most else chosen


def _splits(tracks: "Sequence[Track]") -> None:
    from drawbar.research.horizon.events import SPLITS

    rows = []
    for name in SPLITS:
        part = [track for track in tracks if track.split == name]
        rows.append((name, len(part), f"{sum(track.duration_s for track in part) / 60:.1f} min"))
    licences = ", ".join(sorted({track.licence for track in tracks}))
    line(f"{len(tracks)} verified tracks; {licences}")
    table(("split", "tracks", "length"), rows)


def _refused(refused: "Sequence[Refusal]") -> None:
    for refusal in refused:
        say(f"refused {refusal.id}: {refusal.reason}")
