"""What `drawbar bench model` measured, and the clips -> a page in Markdown with its pictures and takes to listen to."""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import fill

import numpy as np
import soundfile

from drawbar.audio_analysis.mel import SAMPLE_RATE_HZ
from drawbar.audio_analysis.music_measures import MEASURES
from drawbar.bench.figure import line_plot
from drawbar.bench.model import COLUMNS, rows
from drawbar.bench.model_music import SETS, Compared
from drawbar.bench.spectrograms import spectrograms
from drawbar.files.atomic_write import atomic, write_text
from drawbar.files.json_object import JsonMapping

TAKES = 8
PICTURED = 4
_COMPRESSION = 0.8
_WIDTH = 120


def write_report(result: JsonMapping, clips: Compared, page: Path) -> list[Path]:
    """``model.md``, and beside it ``model-curve.svg``, ``model-spectrograms.svg`` and ``takes/model-1.ogg`` and on."""
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures = {"spectrograms": picture(clips)}
    drawn = curve(result["training"] or {})
    if drawn:
        pictures["curve"] = drawn
    written = [page]
    for name, svg in pictures.items():
        written.append(page.with_name(f"{page.stem}-{name}.svg"))
        write_text(written[-1], svg)
    takes = _write_takes(clips, page)
    write_text(page, markdown(result, clips, page.stem, list(pictures), takes))
    return [*written, *takes]


def picture(clips: Compared) -> str:
    """The first prompts: composed, coded and generated side by side."""
    sets = clips.sets()
    lines = [(clips.prompts[at], [sets[name][at] for name in SETS]) for at in _first(clips, PICTURED)]
    seconds = clips.composed[0].size / SAMPLE_RATE_HZ
    foot = f"{seconds:g} s from left to right; mel frequency from 0 to 16 kHz upwards"
    return spectrograms(lines, COLUMNS[1:4], title="The same prompts, three times", foot=foot)


def curve(training: JsonMapping) -> str:
    """Cross-entropy of the first codebook and of the mean over all, over training; nothing without a record."""
    points = [
        point for point in training.get("decoder_curve") or [] if point.get("train") and point.get("held_out")
    ]
    if len(points) < 2:
        return ""
    across = "minutes" if all("minutes" in point for point in points) else "step"
    series = {
        f"{books}, {kind.replace('_', ' ')}": [float(read(point[kind])) for point in points]
        for books, read in (("first codebook", lambda nats: nats[0]), ("mean of all", np.mean))
        for kind in ("train", "held_out")
    }
    return line_plot(
        [float(point[across]) for point in points],
        series,
        title="Training of the decoder",
        across=across,
        up="cross-entropy, nats",
    )


def _first(clips: Compared, count: int) -> range:
    return range(min(count, len(clips.pieces)))


def _write_takes(clips: Compared, page: Path) -> list[Path]:
    folder = page.parent / "takes"
    folder.mkdir(exist_ok=True)
    files = []
    for at in _first(clips, TAKES):
        files.append(folder / f"{page.stem}-{at + 1}.ogg")
        sound = np.nan_to_num(clips.generated[at])
        with atomic(files[-1]) as part:
            soundfile.write(
                part, sound, SAMPLE_RATE_HZ, format="OGG", subtype="VORBIS", compression_level=_COMPRESSION
            )
    return files


def markdown(
    result: JsonMapping, clips: Compared, stem: str, pictures: Sequence[str], takes: Sequence[Path]
) -> str:
    """The page; ``pictures`` are those that were drawn."""
    how = result["settings"]
    about = (
        f"Made by `drawbar bench model --clips {how['clips']} --seconds {how['seconds']:g} --held-out "
        f"{how['held_out']} --report docs/{stem}.md`: the model {result['model']['name']} "
        f"({result['model']['fingerprint'][:12]}) on {how['clips']} pieces that no training has seen. "
        "*Composed* is the beginning of the piece itself, *codec alone* the same encoded and decoded again, "
        "*generated* a take from the piece's prompt "
        f"(guidance {how['guidance']:g}). What a measure finds in composed music is its ceiling; what the codec "
        "alone loses is not the decoder's fault."
    )
    measured = (
        "The first rows are medians over the clips; KS is the two-sample Kolmogorov-Smirnov distance from the composed "
        "pieces (0 the same distribution, 1 no overlap). The Frechet distances are those from as many "
        "other composed pieces. Chords are kept where the asked chord fits the chroma of its time better than its "
        "transpositions and its major or minor twin. A stuck clip repeats within half a second for more than 4 s."
    )
    parts = [
        "# How good is the model?",
        fill(about, _WIDTH),
        _table(rows(result)),
        fill(measured, _WIDTH),
        "\n".join(f"- `{name}`: {what}." for name, what in MEASURES.items()),
        f"![Mel spectrograms, composed, through the codec and generated]({stem}-spectrograms.svg)",
    ]
    if "curve" in pictures:
        parts += ["## Training", f"![Cross-entropy over training]({stem}-curve.svg)"]
    parts += [
        "## To listen to",
        "The first of the measured takes, not chosen:",
        "\n".join(
            f"- [{escape(clips.prompts[at], quote=False)}](takes/{file.name})"
            for at, file in enumerate(takes)
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _table(lines: Sequence[Sequence[object]]) -> str:
    head = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    return "\n".join(head + [f"| {' | '.join(_cell(value) for value in line)} |" for line in lines])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "-"
    return str(value).strip().replace("|", "/")
