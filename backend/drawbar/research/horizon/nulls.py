"""A table of positions -> tables in which there is nothing to foresee, and how often the study claims something.

The null control. Where tracks without any recurrence are enough they alone are kept; every track's labels are those
of another track that has recurrences (with what that track's past events say), so that position still says what it
says and the music says nothing. Claims must then be as rare as the study's alpha.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from drawbar.files.json_object import JsonObject
from drawbar.research.horizon.controls import CONTROLS
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.readouts import ProbeSettings
from drawbar.research.horizon.rows import Rows
from drawbar.research.horizon.trial import rate, trial

_FEWEST = 40  # tracks without recurrence: with fewer, all tracks are kept

Told = Callable[[str, float], None]


def without_recurrence(rows: Rows, seed: int) -> Rows:
    """The table in which no label belongs to the music beside it."""
    rng = np.random.default_rng(seed)
    eventful = np.array([bool(rows.labels[rows.track == t].any()) for t in range(len(rows.names))])
    quiet = np.flatnonzero(~eventful)
    enough = len(quiet) >= _FEWEST and 5 <= int(rows.held_out[quiet].sum()) <= len(quiet) - 10
    kept = np.isin(rows.track, quiet) if enough else np.ones(len(rows.track), bool)
    labels, past = rows.labels.copy(), rows.known["past events"].copy()
    everyone = np.arange(len(rows.names))
    for held in (True, False):
        mine = quiet[rows.held_out[quiet] == held] if enough else everyone[rows.held_out == held]
        donors = everyone[rows.held_out == held]
        for track in mine:
            other = int(rng.choice(donors[donors != track]))
            at, theirs = np.flatnonzero(rows.track == track), np.flatnonzero(rows.track == other)
            near = np.abs(rows.time_s[at][:, None] - rows.time_s[theirs][None, :]).argmin(axis=1)
            labels[at], past[at] = rows.labels[theirs[near]], rows.known["past events"][theirs[near]]
    known = {**rows.known, "past events": past}
    return replace(
        rows,
        track=rows.track[kept],
        time_s=rows.time_s[kept],
        labels=labels[kept],
        residuals={layer: x[kept] for layer, x in rows.residuals.items()},
        known={name: x[kept] for name, x in known.items()},
    )


def null_control(
    rows: Rows,
    units: Sequence[Units],
    settings: ProbeSettings,
    *,
    repeats: int = 40,
    told: Told | None = None,
) -> JsonObject:
    """The share of ``repeats`` with a claim, and of comparisons of the first feature with each control and chance.

    A comparison counts where the one-sided bound of its margin at ``alpha`` is above 0; the whole claim asks for all of
    them at once, at an alpha shared by the shortlist, and so must be rarer still.
    """
    alone = replace(settings, shortlist=1)
    claims, chance = 0, 0
    beaten = dict.fromkeys(CONTROLS, 0)
    tracks = 0
    for repeat in range(repeats):
        if told is not None:
            told(f"null {repeat + 1} of {repeats}", repeat / repeats)
        null = without_recurrence(rows, settings.seed + 1000 + repeat)
        tracks = len(np.unique(null.track))
        own = replace(alone, seed=settings.seed + repeat)
        (first,) = trial(null, units, own)
        claims += first["found"]
        chance += first["auroc"]["low"] > 0.5
        for name in CONTROLS:
            beaten[name] += first["margins"][name]["low"] > 0
    return {
        "alpha": settings.alpha,
        "repeats": repeats,
        "tracks": tracks,
        "claims": rate(claims, repeats),
        "above_chance": rate(chance, repeats),
        "beats": {name: rate(hits, repeats) for name, hits in beaten.items()},
    }
