"""How many pieces, from which seed -> a corpus folder with audio, truth and manifest."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import soundfile

from drawbar.corpus.composer.annotate import annotate
from drawbar.corpus.composer.compose import compose
from drawbar.corpus.composer.prompt import prompt_for
from drawbar.corpus.composer.render import DEFAULT_SOUNDFONT, SAMPLE_RATE_HZ, Renderer, render_audio
from drawbar.errors import BadInputError
from drawbar.files.atomic_write import atomic
from drawbar.files.destination import check_folder
from drawbar.files.lock import folder_lock
from drawbar.files.reading import json_value, typed_json

MANIFEST = "manifest.jsonl"
_SETTINGS = "corpus.json"
_LICENCES = {"FluidR3_GM.sf2": "composition: CC0-1.0; sounds: FluidR3_GM (MIT)"}
_MOST_PIECES = 1_000_000
_BYTES_PER_S = 30_000  # of FLAC, a cautious half of what 16 bits take


@dataclass(frozen=True)
class ManifestRow:
    """One piece of a corpus; paths are relative to the corpus folder, with forward slashes."""

    id: str
    seed: int
    seconds: float
    audio: str
    prompt: str
    piece: str
    annotations: str
    licence: str
    split: str
    """train, valid or test: a property of the seed, the same in every corpus."""


def split_of(seed: int) -> str:
    """Return the split of a seed: of twenty in a row, eighteen train, one valid, one test."""
    return {18: "valid", 19: "test"}.get(seed % 20, "train")


def write_corpus(
    out: str | Path,
    *,
    pieces: int,
    seconds: float = 30.0,
    seed: int = 0,
    soundfont: str | Path = DEFAULT_SOUNDFONT,
    progress: Callable[[int, int], None] | None = None,
) -> list[ManifestRow]:
    """Compose `pieces` pieces with the seeds `seed`, `seed + 1`, ... into the folder `out`.

    What is already there is kept, so that a killed run goes on where it stopped and a larger `pieces` adds to
    an existing corpus. The manifest is written last. `progress(done, total)` is called before the first piece
    and after each; it may raise (CancelledError, say) to stop.

    Raises:
        BadInputError: impossible numbers, no soundfont, or a folder that holds another corpus.
        MissingDependencyError: tinysoundfont is not installed.
    """
    folder, font = Path(out), Path(soundfont)
    if not 1 <= pieces <= _MOST_PIECES or seed < 0:
        raise BadInputError(
            f"{pieces} pieces from seed {seed} cannot be composed; ask for 1 to {_MOST_PIECES} pieces "
            "and a seed of 0 or more"
        )
    check_folder(folder, room=round(pieces * seconds * _BYTES_PER_S))
    compose(seed, seconds)  # refuses an impossible length before anything is written
    Renderer.of(font)  # and so does a missing soundfont
    licence = _LICENCES.get(font.name, f"composition: CC0-1.0; sounds: {font.name} (unknown)")
    with folder_lock(folder, "composing"):
        _claim(
            folder, {"seconds": seconds, "seed": seed, "soundfont": font.name, "bytes": font.stat().st_size}
        )
        rows = []
        for done in range(pieces):
            if progress:
                progress(done, pieces)
            rows.append(_write_piece(folder, seed + done, seconds, font, licence))
        with atomic(folder / MANIFEST) as part:
            part.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows), encoding="utf-8")
        if progress:
            progress(pieces, pieces)
        return rows


def read_manifest(folder: str | Path) -> list[ManifestRow]:
    """Return the rows of a corpus folder; raises BadInputError when it is not one (or is unfinished)."""
    path = Path(folder) / MANIFEST
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [typed_json(ManifestRow, line) for line in lines if line.strip()]
    except OSError as error:
        raise BadInputError(
            f"{folder} has no {MANIFEST}, so it is no finished corpus; "
            f"write one with `drawbar compose {folder}`"
        ) from error
    except ValueError as error:
        raise BadInputError(f"{path} is damaged ({error}); run the same `drawbar compose` again") from error


def _claim(folder: Path, settings: dict[str, object]) -> None:
    """Make the folder this corpus' own, or refuse one that was written with other settings."""
    for name in ("audio", "pieces", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / _SETTINGS
    if path.exists():
        try:
            found = json_value(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadInputError(f"{path} is damaged ({error}); choose an empty folder") from error
        if found != settings:
            raise BadInputError(
                f"{folder} holds another corpus ({found}, not {settings}); choose an empty folder "
                "or the same settings"
            )
    else:
        with atomic(path) as part:
            part.write_text(json.dumps(settings), encoding="utf-8")


def _write_piece(folder: Path, seed: int, seconds: float, soundfont: Path, licence: str) -> ManifestRow:
    name = f"{seed:07d}"
    piece = compose(seed, seconds)
    row = ManifestRow(
        id=name, seed=seed, seconds=seconds, prompt=prompt_for(piece), licence=licence, split=split_of(seed),
        audio=f"audio/{name}.flac", piece=f"pieces/{name}.json", annotations=f"annotations/{name}.npz",
    )  # fmt: skip
    if not (folder / row.piece).exists():
        with atomic(folder / row.piece) as part:
            part.write_text(piece.to_json(), encoding="utf-8")
    if not (folder / row.annotations).exists():
        with atomic(folder / row.annotations) as part:
            annotate(piece).save(part)
    if not (folder / row.audio).exists():
        audio = render_audio(piece, soundfont)
        with atomic(folder / row.audio) as part:
            soundfile.write(part, audio, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return row
