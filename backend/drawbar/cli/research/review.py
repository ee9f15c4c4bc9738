"""`drawbar review`: a person's decisions on proposed recurrences, agreement, events."""

from pathlib import Path
from typing import Annotated

import typer

from drawbar.cli.options import FontOption, JsonFlag, file_to_write, folder_to_write
from drawbar.cli.output import line, out_json, progress, say, table
from drawbar.cli.research.study import EVENTS, TRACKS, Audio
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import write_text

app = typer.Typer(no_args_is_help=True, help="Listen to proposed recurrences and say what you hear.")

Folder = Annotated[Path, typer.Argument(help="The review's folder.")]
Name = Annotated[str, typer.Option("--as", help="Your name; each reviewer's decisions are kept apart.")]


@app.command("queue")
def review_queue(
    study: Annotated[Path, typer.Argument(help="A study with events: `drawbar study events`.")],
    folder: Annotated[Path, typer.Argument(callback=folder_to_write, help="The review's folder.")],
    most: Annotated[int, typer.Option(help="At most so many proposals; 0: all.")] = 0,
    audio: Audio = None,
    soundfont: FontOption = None,
) -> None:
    """Make a queue of a study's unverified events, and their clips, in a folder that can be handed on.

    Windows that the detector matched as controls stand among the proposals; nothing says which are which.
    """
    from drawbar.corpus import DEFAULT_SOUNDFONT
    from drawbar.research.horizon.annotations import proposed
    from drawbar.research.horizon.events import load_events, load_tracks
    from drawbar.research.horizon.review import write_queue
    from drawbar.research.horizon.review_clips import write_clips

    tracks = load_tracks(study / TRACKS)
    by_id = {track.id: track for track in tracks}
    events = [e for e in load_events(study / EVENTS, verified_only=False) if not e.verified]
    rows = sorted((proposed(by_id[e.track], e) for e in events if e.track in by_id), key=lambda row: row.id)
    rows = rows[:most] if most else rows
    path = write_queue(folder, rows)
    with progress("cutting clips") as tell:
        write_clips(
            folder, rows, tracks, audio or study,
            soundfont=soundfont or DEFAULT_SOUNDFONT,
            progress=lambda n, of: tell("cutting clips", n / max(of, 1)),
        )  # fmt: skip
    line(f"{path}: {len(rows)} proposals of {len({row.track for row in rows})} tracks")


@app.command("terminal")
def review_terminal(
    folder: Folder,
    name: Name,
    silent: Annotated[
        bool, typer.Option("--silent", help="Name the clips' files instead of playing them.")
    ] = False,
) -> None:
    """Work through a queue here; `drawbar review window FOLDER --as NAME` does it in a window.

    Keys: space both in turn, 1 the first, 2 the second, s stop; y yes, x yes and exact, t yes but transposed,
    v yes but varied, n no, a ambiguous, r reject, o note, u undo, q quit. Every decision is on disk at once.
    """
    from drawbar.cli.research.review_terminal import work
    from drawbar.research.horizon.review import Review, reviewing

    with reviewing(folder, name):
        work(Review(folder, name), folder, silent=silent)


@app.command("agreement")
def review_agreement(
    folder: Folder,
    first: Annotated[str, typer.Argument(help="A reviewer.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    as_json: JsonFlag = False,
) -> None:
    """How far two reviewers agree beyond chance (Cohen's kappa)."""
    from drawbar.research.horizon.agreement import agreement_of
    from drawbar.research.horizon.review import read_decisions

    found = agreement_of(read_decisions(folder, first), read_decisions(folder, second))
    if as_json:
        out_json({**vars(found), "table": [[*pair, n] for pair, n in sorted(found.table.items())]})
        return
    answers = sorted({answer for pair in found.table for answer in pair})
    line(
        f"{found.same} of {found.pairs} alike; kappa {found.kappa:.2f}, "
        f"standard error {found.standard_error:.2f}"
    )
    table(
        (f"{first} \\ {second}", *answers),
        [(a, *(found.table.get((a, b), 0) for b in answers)) for a in answers],
    )


@app.command("export")
def review_export(
    folder: Folder,
    out: Annotated[
        Path,
        typer.Option("--out", callback=file_to_write, help="Events for the study's probes (JSON lines)."),
    ],
    annotations: Annotated[
        Path | None,
        typer.Option(
            "--annotations", callback=file_to_write, help="Every decision, as the schema has it (JSON lines)."
        ),
    ] = None,
) -> None:
    """Write what the reviewers verified; ambiguous, rejected and disputed pairs stay out."""
    import json

    from drawbar.research.horizon.agreement import settled
    from drawbar.research.horizon.events import save_events
    from drawbar.research.horizon.review import read_decisions, read_queue, reviewers

    names = reviewers(folder)
    if not names:
        raise BadInputError(
            f"nobody has decided anything in {folder}; work through it with `drawbar review terminal`"
        )
    decisions = [read_decisions(folder, name) for name in names]
    rows, disputed = settled(decisions)
    save_events(out, [row.event() for row in rows])
    if annotations is not None:
        every = [row.row() for each in decisions for row in each.values()]
        write_text(annotations, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in every))
    everything = {id for each in decisions for id in each}
    line(f"{', '.join(names)}: {out}")
    table(
        ("proposals", "decided", "return", "no return", "disputed", "ambiguous or rejected"),
        [
            (
                len(read_queue(folder)),
                len(everything),
                sum(row.event_type != "none" for row in rows),
                sum(row.event_type == "none" for row in rows),
                len(disputed),
                len(everything) - len(rows) - len(disputed),
            )
        ],
    )
    for id in disputed:
        say(f"disputed: {id}")
