"""A slider of the report and its clips -> what its panel tells: a sentence, a dose plot, figures, sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drawbar.evidence.report.content import Slider
from drawbar.evidence.report.plots import dose_plot
from drawbar.evidence.report.words import amount_text, figure, measure_words, probability
from drawbar.markup import Drawing

if TYPE_CHECKING:
    from drawbar.evidence.report.sounds import Clip, ClipSet

_AUTHORS = {
    "truth": "the composer\u2019s ground truth",
    "descriptors": "descriptors of the sound",
    "clap": "CLAP",
}


@dataclass(frozen=True)
class Sound:
    """A clip of a panel."""

    clip: Clip
    beyond: bool
    """Whether it lies outside the slider's usable range."""


@dataclass(frozen=True)
class Panel:
    """All that is shown of one slider."""

    slider: Slider
    author: str
    sentence: str
    plot: Drawing | None
    facts: Sequence[tuple[str, str]]
    sounds: Sequence[Sound] = ()
    prompt: str = ""
    seed: int = 0


def panel_of(slider: Slider, clips: ClipSet | None = None) -> Panel:
    """The panel of a slider, with its clips where there are some."""
    author = _AUTHORS.get(slider.author, slider.author)
    panel = (slider, author, sentence(slider), dose_plot(slider), _facts(slider))
    if clips is None:
        return Panel(*panel)
    low, high = slider.usable or (float("-inf"), float("inf"))
    sounds = [
        Sound(clip, clip.title != "random" and not low - 1e-9 <= clip.amount <= high + 1e-9)
        for clip in clips.clips
    ]
    return Panel(*panel, sounds, clips.prompt, clips.seed)


def sentence(slider: Slider) -> str:
    """What the slider does, for a musician."""
    measure = measure_words(str(slider.card.get("measure", "")))
    judge = str(slider.card.get("judge", "")) or "judge"
    if slider.verdict in ("harmful", "not shown"):
        why = next(iter(slider.card.get("notes", ())), "no more than random directions")
        return f"Judged on {measure} by the {judge}: {why}."
    side = str(slider.card.get("side", "up"))
    slope = slider.figure("slope")
    text = f"It moves {measure}."
    if slope is not None:
        verb = "raises" if (slope > 0) == (side == "up") else "lowers"
        text = f"Pulled {side} by 1 it {verb} {measure} by {figure(abs(slope))} standard deviations."
    noticeable = slider.figure(side, "noticeable")
    if noticeable is not None:
        sign = 1 if side == "up" else -1
        text += f" Noticeable from {amount_text(sign * noticeable)}"
        saturation = slider.figure(side, "saturation")
        text += (
            "." if saturation is None else f", no more to gain beyond {amount_text(sign * abs(saturation))}."
        )
    return text


def _facts(slider: Slider) -> list[tuple[str, str]]:
    effects = slider.card.get("side_effects") or {}
    second = slider.card.get("second_judge") or {}
    usable = slider.usable
    facts = [
        ("p, q", f"{probability(slider.figure('p'))}, {probability(slider.figure('q'))}"),
        ("usable", "\u2013" if usable is None else f"{amount_text(usable[0])} to {amount_text(usable[1])}"),
        ("specificity", figure(slider.figure("specificity"), 1)),
    ]
    if effects:
        name, value = max(effects.items(), key=lambda item: abs(item[1] or 0.0))
        facts.append(("also moves", f"{measure_words(str(name))} {figure(value, sign=True)}"))
    if second:
        word = "agrees" if second.get("agrees") else "does not agree"
        facts.append(("second judge", f"{measure_words(str(second.get('measure', '')))}, {word}"))
    return facts
