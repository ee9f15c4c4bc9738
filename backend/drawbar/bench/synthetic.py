"""A seed and a size -> a bank with plausible labels and random directions, for benchmarks and tests."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from drawbar.bank import (
    BINS,
    Bank,
    BankInfo,
    Example,
    FeatureRecord,
    Histogram,
    Label,
    LabelRecord,
    LayerDirections,
    Quantiles,
)


def _listed(*lines: str) -> list[str]:
    return [name for line in lines for name in line.split("|")]


_MOODS = _listed(
    "bright|dark|warm|soft|distorted|detuned|dreamy|slow|fast|muted|breathy|metallic|wooden|distant|dry|wet",
    "staccato|legato|plucked|bowed|swelling|pulsing|gritty|airy|deep|shrill|mellow|vintage|lo-fi",
)
_SOUNDS = _listed(
    "taiko drums|steel drums|hi-hat|snare rolls|walking bass|slap bass|sub bass|piano chords|electric piano",
    "church organ|string ensemble|solo violin|pizzicato|harp arpeggio|nylon guitar|guitar solo|power chords",
    "flute|clarinet|trumpet|brass stabs|saxophone|choir|synth lead|synth pad|bell|marimba|vibraphone|banjo",
    "glockenspiel|accordion|harmonica|sitar|koto|didgeridoo|noise sweep|vinyl crackle|hand claps|tambourine",
    "808 kick|breakbeat|rock beat|bossa nova|waltz|café jazz|flamenco|techno|drum and bass|oscillating tone",
    "baroque harpsichord|beeps and boops",
)
_PLACES = _listed(
    "verse|chorus|intro|ending|fills|solo|breakdown|drone|ostinato|cadence|turnaround|crescendo"
)
_NOTES = _listed("C|C#|D|Eb|E|F|F#|G|Ab|A|Bb|B")
_KEYS = [f"{note} {mode}" for note in _NOTES for mode in ("major", "minor")]
_TAGS = ("percussion", "harmony", "melody", "texture", "rhythm", "voice", "bass", "effects")


def _text(rng: random.Random) -> str:
    sound = rng.choice(_SOUNDS)
    shape = rng.randrange(6)
    if shape == 0:
        return sound
    if shape == 1:
        return f"{sound} in {rng.choice(_KEYS)}"
    if shape == 2:
        return f"{rng.choice(_MOODS)} {sound}, {rng.choice(_PLACES)}"
    if shape == 3:
        return f"{rng.choice(_MOODS)} and {rng.choice(_MOODS)} {sound} at {rng.randrange(60, 181)} bpm"
    return f"{rng.choice(_MOODS)} {sound}"


def _features(count: int, layers: Sequence[int], rng: random.Random) -> Iterator[FeatureRecord]:
    for number in range(count):
        p99 = 10 ** rng.uniform(-0.5, 1.0)
        proven = rng.random() < 0.05
        quantiles = Quantiles(0.3 * p99, 0.7 * p99, p99, 1.3 * p99)
        yield FeatureRecord(
            layer=layers[number % len(layers)],
            index=number // len(layers),
            density=10 ** rng.uniform(-4, -1),
            clip_density=10 ** rng.uniform(-3, 0),
            quantiles=quantiles,
            histogram=Histogram((0.0, 0.3 * p99, 0.7 * p99, p99), (50, 40, 10)),
            correlations={"loudness_db": rng.uniform(-1, 1), "centroid_hz": rng.uniform(-1, 1)},
            temporal={"type": rng.choice(["sustained", "onset", "periodic"])},
            usable_range=(-1.5, 2.0) if proven else None,
            verdict="proven" if proven else rng.choice(["untested", "unproven"]),
            proof=rng.uniform(2, 6) if proven else None,
            evidence={"slope": 0.4, "p": 0.001} if proven else None,
            tags=tuple(rng.sample(_TAGS, rng.randrange(3))),
            consistency=rng.uniform(0.4, 1.0),
            coactive=((f"{layers[number % len(layers)]}/0", 0.4),),
            duplicates=((f"{layers[(number + 1) % len(layers)]}/0", 0.7),) if len(layers) > 1 else (),
        )


def _labels(count: int, layers: Sequence[int], rng: random.Random) -> Iterator[LabelRecord]:
    """Four of five features get one to three labels; the others stay unnamed."""
    for number in range(count):
        feature = f"{layers[number % len(layers)]}/{number // len(layers)}"
        for author in rng.sample(["truth", "descriptors", "clap"], rng.choice([0, 1, 1, 2, 3])):
            yield LabelRecord(
                feature, Label(_text(rng), author, "synthetic", round(rng.uniform(0.5, 1.0), 3))
            )


def _directions(
    count: int, layers: Sequence[int], d_model: int, rng: np.random.Generator
) -> Iterator[tuple[int, LayerDirections]]:
    for place, layer in enumerate(layers):
        n = len(range(place, count, len(layers)))
        rows = rng.standard_normal((n, d_model)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ones = np.ones(n, np.float32)
        b_dec = rng.standard_normal(d_model).astype(np.float32)
        yield layer, LayerDirections(np.arange(n), rows, rows, -0.1 * ones, b_dec, 3 * ones, 0.2 * ones)


def _examples(
    count: int, layers: Sequence[int], each: int, n_q: int, card: int, rng: np.random.Generator
) -> Iterator[tuple[str, Example]]:
    clips = [rng.integers(0, card, (n_q, 100)).astype(np.uint16) for _ in range(max(2, each))]
    for number in range(count):
        for place in range(each):
            name = BINS[place % len(BINS)]
            curve = np.clip(np.sin(np.arange(100) / 9 + number), 0, None).astype(np.float32) * (
                name != "silent"
            )
            clip = (number + place) % len(clips)
            yield (
                f"{layers[number % len(layers)]}/{number // len(layers)}",
                Example(clips[clip], 50, 150, 3 * curve, name, f"clip {clip}", "CC0-1.0"),
            )


def synthetic_bank(
    folder: Path,
    *,
    features: int = 60,
    layers: Sequence[int] = (1, 3),
    d_model: int = 16,
    fingerprint: str = "0" * 64,
    model_name: str = "synthetic",
    examples: int = 5,
    n_q: int = 4,
    card: int = 64,
    directions: bool = True,
    seed: int = 0,
) -> Bank:
    """Make a bank in ``folder`` -> the bank, open for writing; features go round the layers, indices from 0.

    ``examples`` of 100 frames each per feature. Equal arguments give equal banks.
    """
    info = BankInfo(
        "synthetic", model_name, fingerprint, tuple(layers), d_model, "2026-01-01", "CC0-1.0", n_q=n_q
    )
    bank = Bank.create(folder, info)
    bank.write_features(_features(features, layers, random.Random(seed)))
    bank.write_labels(_labels(features, layers, random.Random(seed + 1)))
    if directions:
        bank.write_directions(_directions(features, layers, d_model, np.random.default_rng(seed)))
    if examples:
        bank.write_examples(_examples(features, layers, examples, n_q, card, np.random.default_rng(seed + 1)))
    bank.finish()
    return bank
