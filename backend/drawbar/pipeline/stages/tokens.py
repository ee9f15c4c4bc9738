"""Tracks -> codec tokens, in shards of whole tracks."""

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from drawbar.errors import AudioFileError, BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.pipeline.inputs.clips import write_tokens
from drawbar.pipeline.inputs.own_takes import OwnTakes
from drawbar.pipeline.inputs.tracks import Excerpt, Source, Track
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings

_GROUP_TRACKS = 64  # tracks a shard
_GROUP_SECONDS = 600.0  # and audio a shard, so that what is lost by a kill stays small


def tokens_stage(
    settings: BuildSettings,
    source: Source,
    corpus: Stage,
    model: BuildModel,
    progress: ProgressCallback | None,
) -> Stage:
    """Audio -> codec tokens, in shards of whole tracks; what is unreadable or silent is in ``report.json``."""
    key = {
        "corpus": corpus.digest,
        "codec": model.codec.fingerprint,
        "settings": asdict(settings.token_settings()),
        "context": model.spec.context_frames,
    }
    if isinstance(source, OwnTakes):
        key["played by"] = model.fingerprint
    stage = Stage(settings.out / "tokens", "tokens", 3, key)
    if not stage.begin():
        return stage
    stage.keep_settings(asdict(settings.token_settings()))
    report = Reporter(progress, "tokens", len(source.tracks), "tracks")
    paths, clips = [], 0
    unreadable: list[list[str]] = []
    used: set[str] = set()
    seen = 0
    groups = source.groups() if isinstance(source, OwnTakes) else _groups(source)
    for number, group in enumerate(groups):
        if clips >= settings.max_clips:
            break
        path = stage.folder / f"tokens-{number:05d}.safetensors"
        if not path.with_suffix(".json").is_file():
            if isinstance(source, OwnTakes):
                _play_group(path, group, source, model, report)
            else:
                _encode_group(path, group, source, model, settings, report)
        else:
            report.start_at(group.stop)
        listing = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        clips, seen = clips + len(listing["clips"]), group.stop
        unreadable += listing["failed"]
        used |= {row["track"] for row in listing["clips"]}
        paths += [path, path.with_suffix(".json")]
    if clips == 0:
        raise BadInputError(
            f"corpus {settings.corpus!r}: not one of {len(source.tracks)} files could be used"
        )
    silent = {track.id for track in source.tracks[:seen]} - used - {name for name, _ in unreadable}
    report_file = stage.folder / "report.json"
    write_json(report_file, {"unreadable": unreadable, "silent": sorted(silent)})
    stage.finish(
        [*paths, report_file],
        clips=clips,
        failed=len(unreadable),
        silent=len(silent),
        concepts=list(source.concepts),
    )
    return stage


def _groups(source: Source) -> list[range]:
    """Tracks, a shard's worth at a time."""
    groups, first, seconds = [], 0, 0.0
    for track in range(len(source.tracks)):
        with suppress(AudioFileError):  # listed when it is read
            seconds += source.seconds(track)
        if track + 1 - first >= _GROUP_TRACKS or seconds >= _GROUP_SECONDS:
            groups.append(range(first, track + 1))
            first, seconds = track + 1, 0.0
    return groups + ([range(first, len(source.tracks))] if first < len(source.tracks) else [])


def _play_group(path: Path, group: range, source: OwnTakes, model: BuildModel, report: Reporter) -> None:
    """The model plays what others read."""

    def told(share: float) -> None:
        report(group.start + int(share * len(group)), note="playing")

    clips = source.play(group, model, told)
    report(group.stop)
    write_tokens(path, clips, [], model.spec.n_q, model.codec.samples_per_frame)


def _encode_group(
    path: Path, group: range, source: Source, model: BuildModel, settings: BuildSettings, report: Reporter
) -> None:
    clips: list[tuple[Track, Excerpt, Tensor]] = []
    failed: list[tuple[str, str]] = []
    for track in group:
        try:
            mine: list[tuple[Track, Excerpt, Tensor]] = []
            for excerpt in source.excerpts(track, model.codec.sample_rate_hz):
                audio = torch.from_numpy(excerpt.audio)[None, None].to(settings.device)
                with torch.no_grad():
                    tokens = model.codec.encode(audio)[0, :, : model.spec.context_frames].cpu()
                mine.append((source.tracks[track], excerpt.without_audio(), tokens))
            clips += mine
        except AudioFileError as error:
            failed.append((source.tracks[track].id, str(error)))
        report(track + 1, note=f"{len(failed)} unreadable" if failed else "")
    write_tokens(path, clips, failed, model.spec.n_q, model.codec.samples_per_frame)
