"""A choice of clips -> what every describer says about them, clip by clip, once for all layers."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.features.labellers.descriptors import DescriptorSettings
from drawbar.features.labellers.interface import SoundWindows
from drawbar.features.labellers.registry import LabelSettings, make_describers
from drawbar.features.labellers.sound_windows import Describer
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.musicgen.codec.interface import mono
from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.manifest import Stage
from drawbar.pipeline.parts import Bench, Told, make_parts
from drawbar.pipeline.progress import ProgressCallback, Reporter
from drawbar.pipeline.settings import BuildSettings

_GROUP = 8  # clips a file: what a killed stage does again at most


@lru_cache(maxsize=1)  # some of them load a model, which all parts and the labellers share
def describers_of(
    labels: LabelSettings, descriptors: DescriptorSettings, known: bool
) -> tuple[Describer, ...]:
    """Who listens to the clips; ``known``: there is truth."""
    return tuple(make_describers(labels, descriptors, known=known))


def sounds_stage(
    settings: BuildSettings,
    describer: Describer,
    clips: Sequence[int],
    store: ClipStore,
    model: BuildModel,
    progress: ProgressCallback | None,
    *,
    known: bool,
) -> Stage:
    """Decode the clips and describe them; a stage that was killed goes on behind its last file."""
    key = {"clips": _digest(clips, store), "codec": model.codec.fingerprint, "describer": describer.key()}
    stage = Stage(settings.out / f"sounds-{describer.name}", f"sounds {describer.name}", 2, key)
    if not stage.begin():
        return stage
    groups = tuple(tuple(clips[first : first + _GROUP]) for first in range(0, len(clips), _GROUP))
    maker = Listen(describer.name, known, groups, tuple(path.name for path in store.paths))
    report = Reporter(progress, maker.name, len(clips), "clips")
    bench = Bench(settings, model)
    make_parts(maker, bench, range(len(groups)), report)
    paths = [path for number in range(len(groups)) for path in bench.paths(maker.files(number))]
    # Some describers know their columns only once they have described something: see what the files say.
    stage.finish(paths, columns=max((_columns(path) for path in paths), key=len, default=[]))
    return stage


@dataclass(frozen=True)
class Listen:
    """Makes files of what one describer says: a few clips each."""

    describer: str
    known: bool
    groups: tuple[tuple[int, ...], ...]
    tokens: tuple[str, ...]
    """Names of all shards of tokens: the clips are drawn from them."""
    trains: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return f"listening ({self.describer})"

    @property
    def folder(self) -> str:
        return f"sounds-{self.describer}"

    def files(self, number: int) -> tuple[str]:
        return (f"{self.folder}/sounds-{number:05d}.safetensors",)

    def needs(self, number: int) -> tuple[str, ...]:
        shards = [f"tokens/{name}" for name in self.tokens]
        return (*shards, *(name.replace(".safetensors", ".json") for name in shards))

    def size(self, number: int) -> int:
        return len(self.groups[number])

    def units(self, bench: Bench, number: int) -> list[str]:
        return []  # a figure that is missing would be a figure that is wrong

    def make(self, bench: Bench, number: int, skip: Collection[str], told: Told) -> None:
        settings, store = bench.settings, bench.store(self.needs(number))
        every = describers_of(settings.labels, settings.descriptors, self.known)
        describer = next(one for one in every if one.name == self.describer)
        found = {}
        for done, clip in enumerate(self.groups[number], 1):
            found[str(clip)] = _described(describer, clip, store, bench.model, settings.device)
            told(done, "")
        with atomic(bench.paths(self.files(number))[0]) as temporary:
            save_file(found, temporary, metadata={"columns": json.dumps(describer.columns)})


def _columns(path: Path) -> list[str]:
    with safe_open(path, "pt") as file:
        found: list[str] = json_value(file.metadata()["columns"])
    return found


def read_sounds(stage: Stage, describer: Describer, train: list[int], held_out: list[int]) -> SoundWindows:
    """The figures of both splits, read back."""
    found: dict[str, Tensor] = {}
    for path in stage.outputs(".safetensors"):
        found |= load_file(path)
    columns = tuple(stage.facts()["columns"])
    none = torch.zeros(0, len(columns))
    heard = {int(clip): figures for clip, figures in found.items() if len(figures)}
    sides = [torch.cat([none, *(heard[c] for c in part if c in heard)]) for part in (train, held_out)]
    return SoundWindows(columns, describer.window_frames, train, held_out, sides[0], sides[1])


def _described(describer: Describer, clip: int, store: ClipStore, model: BuildModel, device: str) -> Tensor:
    with torch.no_grad():
        audio = mono(model.codec.decode(store.tokens(clip)[None].to(device)))[0, 0].float().cpu().numpy()
    frames = store.frames[clip]
    return describer.describe(audio, model.codec.sample_rate_hz, frames).float().contiguous()


def _digest(clips: Sequence[int], store: ClipStore) -> str:
    """Of what is listened to: numbers and tokens."""
    state = hashlib.sha256()
    for clip in clips:
        state.update(f"{clip} {store.clips[clip].name}\n".encode())
        state.update(store.tokens(clip).to(torch.int32).numpy().tobytes())
    return state.hexdigest()
