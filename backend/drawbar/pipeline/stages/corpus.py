"""A corpus -> the list of its tracks, in ``tracks.csv``, and of the files that cannot be read."""

import csv
from dataclasses import asdict

from drawbar.errors import AudioFileError
from drawbar.files.atomic_write import write_json
from drawbar.pipeline.inputs.tracks import Source
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings


def corpus_stage(settings: BuildSettings, source: Source, progress: ProgressCallback | None) -> Stage:
    """The corpus -> ``tracks.csv`` (id, split, licence, seconds, tags, text) and the files whose header fails."""
    key = {"corpus": source.key(), "held_out": settings.held_out, "splits": [t.split for t in source.tracks]}
    stage = Stage(settings.out / "corpus", "corpus", 1, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(settings.corpus_settings()))
    report = Reporter(progress, "corpus", len(source.tracks), "tracks")
    rows: list[list[object]] = []
    total = 0.0
    failed: list[list[str]] = []
    for number, track in enumerate(source.tracks):
        try:
            seconds = round(source.seconds(number), 3)
            total += seconds
            rows.append([track.id, track.split, track.licence, seconds, "; ".join(track.tags), track.text])
        except AudioFileError as error:
            failed.append([track.id, str(error)])
        report(number + 1, note=f"{len(failed)} unreadable" if failed else "")
    with (stage.folder / "tracks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "licence", "seconds", "tags", "text"])
        writer.writerows(rows)
    write_json(stage.folder / "unreadable.json", failed)
    stage.finish(
        [stage.folder / "tracks.csv", stage.folder / "unreadable.json"],
        tracks=len(rows),
        unreadable=len(failed),
        seconds=round(total, 1),
    )
    return stage
