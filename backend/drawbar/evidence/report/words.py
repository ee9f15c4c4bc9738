"""Names and figures of the evidence -> plain words and short numbers; knows nothing of pages."""

import math

VERDICTS = ("proven", "weak", "harmful", "not shown", "untested")
"""In the order in which a report tells them."""
_MEANING = {
    "proven": "does what is claimed of it, above random pushes and after correction for all that was tested",
    "weak": "something is there, but it does not pass when all candidates are counted",
    "harmful": "the sound breaks before the slider has its effect",
    "not shown": "no more than a random push of the same strength",
    "untested": "its turn did not come in the time that was set; it counts among the candidates",
}
_DESCRIPTORS = {
    "loudness_db": "loudness",
    "centroid_hz": "brightness",
    "rolloff_hz": "treble extent",
    "flatness": "noisiness",
    "onset_strength": "strength of onsets",
    "onset_rate_hz": "notes per second",
    "low_band_share": "share of bass",
    "mid_band_share": "share of middle",
    "high_band_share": "share of treble",
    "pitch_hz": "pitch",
    "pitch_clarity": "clarity of pitch",
}


def measure_words(name: str) -> str:
    """``detector:drums:jazz`` -> ``jazz drums``; ``descriptor:loudness_db`` -> ``loudness``."""
    judge, _, what = name.partition(":")
    if judge == "descriptor":
        if what.startswith("chroma_"):
            return "pitch class " + what.removeprefix("chroma_").upper().replace("#", "\u266f")
        return _DESCRIPTORS.get(what, what.replace("_", " "))
    role, _, kind = what.partition(":")
    return f"{kind} {role}" if kind and judge == "detector" else what.replace("_", " ")


def verdict_words(verdict: str) -> str:
    return _MEANING.get(verdict, verdict)


def figure(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A number with a true minus; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "\u2212")


def amount_text(value: float | None) -> str:
    """A slider's amount: sign, no needless noughts."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    text = f"{round(value, 2):+g}" if round(value, 2) else "0"
    return text.replace("-", "\u2212")


def probability(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "\u2013"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def percent(value: float | None) -> str:
    return "\u2013" if value is None or not math.isfinite(value) else f"{100 * value:.0f}\u202f%"
