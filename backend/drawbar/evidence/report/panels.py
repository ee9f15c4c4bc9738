"""A slider of the report and its clips -> a panel of HTML: title, sentence, dose plot, sounds, figures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from drawbar.evidence.report.content import Slider
from drawbar.evidence.report.plots import dose_plot
from drawbar.evidence.report.words import amount_text, figure, measure_words, probability

if TYPE_CHECKING:
    from drawbar.evidence.report.sounds import Clip, ClipSet

_GO = '<svg class="go" viewBox="0 0 14 14" aria-hidden="true"><path d="M2.5 1v12L12.5 7z"/></svg>'
_STOP = (
    '<svg class="stop" viewBox="0 0 14 14" aria-hidden="true">'
    '<rect x="2" y="2" width="10" height="10" rx="2"/></svg>'
)


_AUTHORS = {
    "truth": "the composer\u2019s ground truth",
    "descriptors": "descriptors of the sound",
    "clap": "CLAP",
}


def chip(verdict: str) -> str:
    """A verdict as a small framed word."""
    return f'<span class="chip c-{verdict.replace(" ", "")}">{escape(verdict)}</span>'


def slider_panel(slider: Slider, sounds: ClipSet | None = None) -> str:
    author = _AUTHORS.get(slider.author, slider.author)
    by = f" \u00b7 named by {escape(author)}" if author else ""
    head = (
        f"<header><div><h3>{escape(slider.title)}</h3><small>feature {escape(slider.id)}{by}</small></div>"
        f"{chip(slider.verdict)}</header>"
    )
    return (
        f'<article class="slider panel">{head}<p>{escape(sentence(slider))}</p>{dose_plot(slider)}'
        f"{_clips(slider, sounds) if sounds is not None else ''}{_facts(slider)}</article>"
    )


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


def _facts(slider: Slider) -> str:
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
    cells = "".join(f"<span>{escape(name)} <b>{escape(value)}</b></span>" for name, value in facts)
    return f'<p class="facts">{cells}</p>'


def _clips(slider: Slider, sounds: ClipSet) -> str:
    low, high = slider.usable or (float("-inf"), float("inf"))
    beyond = [
        not low - 1e-9 <= clip.amount <= high + 1e-9 and clip.title != "random" for clip in sounds.clips
    ]
    buttons = "".join(_clip(clip, far) for clip, far in zip(sounds.clips, beyond, strict=True))
    dashed = "; dashed: beyond the usable range" if any(beyond) else ""
    prompt = escape(sounds.prompt) or "no prompt"
    return (
        f'<div class="clips">{buttons}</div><small>\u201c{prompt}\u201d, seed {sounds.seed}: '
        f"the judged take with the middle effect, not the best{dashed}</small>"
    )


def _clip(clip: Clip, beyond: bool) -> str:
    title = escape(clip.title)
    return (
        f'<figure class="{"clip beyond" if beyond else "clip"}">'
        f'<button class="play" type="button" aria-pressed="false">{_GO}{_STOP}{title}</button>'
        f'<figcaption>{title}</figcaption><audio controls preload="none" data-gain="{clip.gain:.4f}" '
        f'src="{clip.uri}"></audio></figure>'
    )
