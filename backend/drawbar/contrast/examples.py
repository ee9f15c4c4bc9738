"""Sound files that are like something and files that are not -> a direction of one's own, at the best layer.

Every layer is compared on files that were left out; each file counts once. It knows nothing of the window.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.contrast.contrast import Contrast, ContrastSettings, contrasts
from drawbar.corpus import sound_files_in
from drawbar.corpus.audio import stream_audio
from drawbar.errors import BadInputError
from drawbar.files.reading import json_value
from drawbar.musicgen import Model
from drawbar.steering.own import OwnDirection

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class ExampleSettings:
    """How examples are read. Raises BadInputError for impossible numbers."""

    limit_s: float = 60.0
    """Of each file, from its start; more says little about the file and takes time."""
    contrast: ContrastSettings = field(default_factory=ContrastSettings)

    def __post_init__(self) -> None:
        if not 1 <= self.limit_s <= 3600:
            raise BadInputError(f"limit_s {self.limit_s}: read 1 to 3600 s of each file")


@dataclass(frozen=True, eq=False)
class Found:
    """What comparing the examples gave."""

    own: OwnDirection
    layers: tuple[Contrast, ...]
    """Every layer that was compared, in order."""
    chosen: Contrast
    tied: tuple[int, ...]
    """Layers that tell the files apart as well as the best one, within its standard error."""


def sound_files(words: Sequence[str | Path]) -> list[Path]:
    """Files, folders of files and takes' JSON files -> sound files, in order, each once.

    Raises BadInputError for what is missing, or a folder without sound files.
    """
    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = sound_files_in(path)
            if not inside:
                raise BadInputError(f"{path}: no sound files in this folder; name another, or the files")
            found |= dict.fromkeys(inside)
        elif path.suffix.lower() == ".json":
            found[_sound_of(path)] = None
        elif path.is_file():
            found[path] = None
        else:
            raise BadInputError(f"{path}: there is no such file or folder; check the name")
    return list(found)


def _sound_of(path: Path) -> Path:
    """The sound that a take's JSON describes."""
    try:
        beside = path.parent / Path(str(json_value(path.read_text(encoding="utf-8"))["audio"])).name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path}: not the JSON of a take ({error}); name its sound file") from error
    if not beside.is_file():
        raise BadInputError(f"{path}: its sound {beside.name} is not beside it; name the sound file")
    return beside


@torch.inference_mode()
def tokens_of(model: Model, path: Path, settings: ExampleSettings | None = None) -> Tensor:
    """The start of a sound file as the model's codec hears it -> ``[K, T]``. Raises AudioFileError."""
    how, codec = settings or ExampleSettings(), model.codec
    size = how.contrast.segment_frames * codec.samples_per_frame
    parts: list[Tensor] = []
    for block in _blocks(path, codec.sample_rate_hz, size, round(how.limit_s * codec.sample_rate_hz)):
        audio = torch.from_numpy(block)[None, None].to(model.device)
        parts.append(codec.encode(audio)[0].cpu())
    return torch.cat(parts, dim=1)


def _blocks(path: Path, rate_hz: int, size: int, limit: int) -> Iterator[NDArray[np.float32]]:
    read = 0
    for block in stream_audio(path, rate_hz, block_s=size / rate_hz):
        yield block[: limit - read]
        read += len(block)
        if read >= limit:
            return


def from_examples(
    model: Model,
    name: str,
    like: Sequence[Path],
    unlike: Sequence[Path],
    *,
    layers: Sequence[int] | None = None,
    settings: ExampleSettings | None = None,
    progress: Tell | None = None,
) -> Found:
    """Sound files -> a direction that is not saved yet.

    Args:
        model: a loaded model.
        name: what it will be called.
        like: files that have it.
        unlike: files that lack it, alike in everything else.
        layers: where to look; all of the model's by default.
        settings: how files are read and compared.
        progress: told what is done and the share of it; what it raises ends the work.

    Raises:
        BadInputError: too few files on a side, a file on both sides, no such layer, a name that cannot be used.
        AudioFileError: a file that cannot be read.
    """
    how, tell = settings or ExampleSettings(), progress or (lambda _what, _share: None)
    depth = int(model.spec.n_layers)
    asked = list(range(depth)) if layers is None else sorted(set(layers))
    if not asked or not 0 <= asked[0] <= asked[-1] < depth:
        raise BadInputError(f"layers {asked}: {model.spec.name} has layers 0..{depth - 1}")
    blank = OwnDirection(name, model.fingerprint, model.spec.name, 0, _first_axis(model), 1.0)
    check_sides(like, unlike, how.contrast.least)
    files = [*like, *unlike]
    tokens = []
    for number, path in enumerate(files):
        tell(f"reading {path.name}", 0.5 * number / len(files))
        tokens.append(tokens_of(model, path, how))
    rows = contrasts(
        model,
        tokens[: len(like)],
        tokens[len(like) :],
        asked,
        how.contrast,
        progress=lambda what, share: tell(what, 0.5 + 0.5 * share),
    )
    chosen, tied = best_layer(rows, depth)
    about = {
        "method": "difference in means",
        "like": [path.name for path in like],
        "unlike": [path.name for path in unlike],
        "auroc_difference": round(chosen.difference.mean, 4),
        "spread_difference": round(chosen.difference.spread, 4),
        "auroc_probe": round(chosen.probe.mean, 4),
        "spread_probe": round(chosen.probe.spread, 4),
        "layers": [
            [row.layer, round(row.difference.mean, 4), round(row.probe.mean, 4), round(row.scale, 3)]
            for row in rows
        ],
    }
    own = replace(
        blank, layer=chosen.layer, vector=chosen.vector, scale=chosen.scale, rest=chosen.rest, about=about
    )
    return Found(own, tuple(rows), chosen, tied)


def best_layer(rows: Sequence[Contrast], depth: int) -> tuple[Contrast, tuple[int, ...]]:
    """The layer to steer at, and the layers that tie with the best.

    Layers within one standard error of the best AUROC cannot be told apart; of those the one nearest the middle of
    the model is taken, where steering reaches the sound without being undone or drowning it.
    """
    best = max(rows, key=lambda row: row.difference.mean)
    error = best.difference.spread / max(1, min(best.positives, best.negatives, 5)) ** 0.5
    tied = [row for row in rows if row.difference.mean >= best.difference.mean - error]
    middle = (depth - 1) / 2
    chosen = min(tied, key=lambda row: (abs(row.layer - middle), -row.difference.mean))
    return chosen, tuple(row.layer for row in tied)


def check_sides(like: Sequence[Path], unlike: Sequence[Path], least: int = ContrastSettings.least) -> None:
    """Raises BadInputError, with the cure, for too few files on a side or a file on both."""
    both = {path.resolve() for path in like} & {path.resolve() for path in unlike}
    if both:
        raise BadInputError(
            f"{sorted(both)[0].name} is on both sides: take it off one (a file is like it, or it is not)"
        )
    if not like or not unlike:
        side = "unlike" if like else "like"
        raise BadInputError(
            f"no examples that are {side} it: a direction is a difference, so give at least {least} of each "
            "(--unlike FILES or a folder), as alike as possible in everything else"
        )
    if min(len(like), len(unlike)) < least:
        raise BadInputError(
            f"{len(like)} examples like it and {len(unlike)} unlike it: give at least {least} files of each, "
            "for each file is checked by what the others say (10 of each is a good start; a long one can be cut)"
        )


def _first_axis(model: Model) -> NDArray[np.float32]:
    """A unit vector of the model's width, so that a bad name is refused before files are read."""
    axis = np.zeros(model.spec.d_model, np.float32)
    axis[0] = 1.0
    return axis
