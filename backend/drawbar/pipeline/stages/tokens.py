"""Tracks -> codec tokens, in shards of whole tracks."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor

from drawbar.errors import AudioFileError, BadInputError
from drawbar.files.atomic_write import write_json
from drawbar.files.reading import json_value
from drawbar.pipeline.inputs.clips import write_tokens
from drawbar.pipeline.inputs.own_takes import OwnTakes
from drawbar.pipeline.inputs.tracks import Excerpt, Source, Track
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.parts import Bench, Told, make_parts
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings

_GROUP_TRACKS = 64  # tracks a shard
_GROUP_SECONDS = 600.0  # and audio a shard, so that what is lost by a kill stays small

_Played = tuple[Track, Excerpt, Tensor]


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
    bench, maker = Bench(settings, model, source), Encode(tuple(_groups(source)))
    paths, clips = [], 0
    unreadable: list[list[str]] = []
    used: set[str] = set()
    seen = 0
    for wave in _waves(maker.groups, source, settings):
        if clips >= settings.max_clips:
            break
        make_parts(maker, bench, wave, report, before=seen)
        for number in wave:
            files = bench.paths(maker.files(number))
            listing = json_value(files[1].read_text(encoding="utf-8"))
            clips, seen = clips + len(listing["clips"]), maker.groups[number].stop
            unreadable += listing["failed"]
            used |= {row["track"] for row in listing["clips"]}
            paths += files
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
    if isinstance(source, OwnTakes):
        return source.groups()
    groups, first, seconds = [], 0, 0.0
    for track in range(len(source.tracks)):
        with suppress(AudioFileError):  # listed when it is read
            seconds += source.seconds(track)
        if track + 1 - first >= _GROUP_TRACKS or seconds >= _GROUP_SECONDS:
            groups.append(range(first, track + 1))
            first, seconds = track + 1, 0.0
    return groups + ([range(first, len(source.tracks))] if first < len(source.tracks) else [])


def _waves(groups: Sequence[range], source: Source, settings: BuildSettings) -> list[range]:
    """As many shards as ``max_clips`` surely needs, for all tracks give their most; then one after the other."""
    most, first = 0.0, 0
    while first < len(groups) and most < settings.max_clips:
        for track in groups[first]:
            with suppress(AudioFileError):
                most += source.seconds(track) / settings.clip_s + 1
        first += 1
    return [range(first), *(range(number, number + 1) for number in range(first, len(groups)))]


@dataclass(frozen=True)
class Encode:
    """Makes shards of tokens: one group of tracks each."""

    groups: tuple[range, ...]
    name: ClassVar[str] = "tokens"
    folder: ClassVar[str] = "tokens"
    trains: ClassVar[bool] = False

    def files(self, number: int) -> tuple[str, str]:
        return f"tokens/tokens-{number:05d}.safetensors", f"tokens/tokens-{number:05d}.json"

    def needs(self, number: int) -> tuple[str, ...]:
        return ()

    def size(self, number: int) -> int:
        return len(self.groups[number])

    def units(self, bench: Bench, number: int) -> list[str]:
        if isinstance(bench.source, OwnTakes):
            return []  # they are played together
        return [bench.source.tracks[track].id for track in self.groups[number]]

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        source, group = bench.source, self.groups[number]
        failed: list[tuple[str, str]] = []
        if isinstance(source, OwnTakes):
            clips = source.play(group, bench.model, lambda share: told(int(share * len(group)), "playing"))
        else:
            clips, failed = self._encoded(bench, number, skip, told)
        shard = bench.paths(self.files(number))[0]
        write_tokens(shard, clips, failed, bench.model.spec.n_q, bench.model.codec.samples_per_frame)

    def _encoded(
        self, bench: Bench, number: int, skip: Collection[str], told: Told
    ) -> tuple[list[_Played], list[tuple[str, str]]]:
        """What could be read of the group, and what could not."""
        source, codec = bench.source, bench.model.codec
        context = bench.model.spec.context_frames
        clips: list[_Played] = []
        failed: list[tuple[str, str]] = []
        for done, track in enumerate(self.groups[number], 1):
            about = source.tracks[track]
            if about.id in skip:
                failed.append((about.id, "left out: it ended the process that read it"))
                continue
            try:
                mine: list[_Played] = []
                for excerpt in source.excerpts(track, codec.sample_rate_hz):
                    audio = torch.from_numpy(excerpt.audio)[None, None].to(bench.settings.device)
                    with torch.no_grad():
                        tokens = codec.encode(audio)[0, :, :context].cpu()
                    mine.append((about, excerpt.without_audio(), tokens))
                clips += mine
            except AudioFileError as error:
                failed.append((about.id, str(error)))
            told(done, f"{len(failed)} unreadable" if failed else "")
        return clips, failed
