"""A model and its bank -> whether a slider does what its label says, up against down."""

import time

import numpy as np
from numpy.typing import NDArray

from drawbar.audio_analysis import Detectors
from drawbar.bank import Bank
from drawbar.bench.clips import Progress, generated_clips, load_detectors
from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping, JsonObject
from drawbar.musicgen import Model
from drawbar.steering import Mixer, check_site, directions_from_bank

SEEDS = tuple(range(100, 132))
AMOUNTS = (0.5, 1.0)
GOAL = 24
"""Of 32 seeds; by chance 24 or more come up once in 280."""
PROMPTS = (
    "piano in a minor with bass",
    "guitar in c major with flute lead",
    "strings in d minor",
    "electric piano in g major with synth bass",
)
"""None speaks of drums; seeds take them in turn."""


def run(
    model: Model,
    bank: Bank,
    *,
    feature: str = "drums",
    detector: str = "drums",
    seconds: float = 8.0,
    guidance: float = 3.0,
    detectors: Detectors | None = None,
    progress: Progress | None = None,
) -> JsonObject:
    """Judge the best feature of a label (chosen on training clips, when the bank was built) at +-0.5 and +-1.

    A seed counts when its detector logit is higher with the slider up than with it down.
    Raises BadInputError for an unknown feature or detector, SiteMismatchError for another model's bank.
    """
    tell = progress or (lambda _what, _share: None)
    judges = detectors or load_detectors()
    if detector not in judges.names:
        raise BadInputError(f"no detector is called {detector!r}; there are {', '.join(judges.names)}")
    check_site(bank, model)
    started = time.monotonic()
    row = bank.resolve(feature)
    amounts = (0.0, *(sign * amount for amount in AMOUNTS for sign in (1, -1)))
    logits: dict[float, NDArray[np.float64]] = {}
    for done, amount in enumerate(amounts):
        tell(f"playing {len(SEEDS)} seeds at {amount:+g}", done / len(amounts))
        logits[amount] = _logits(model, bank, row.id, amount, judges, detector, seconds, guidance)
    by_amount = {
        str(amount): {
            "up_wins": int((logits[amount] > logits[-amount]).sum()),
            "up": _chance(logits[amount]),
            "down": _chance(logits[-amount]),
        }
        for amount in AMOUNTS
    }
    best = max(by_amount, key=lambda amount: by_amount[amount]["up_wins"])
    return {
        "feature": row.id,
        "label": row.label,
        "detector": detector,
        "detector_auroc": judges.reports[detector].auroc,
        "seeds": len(SEEDS),
        "seconds": seconds,
        "prompts": list(PROMPTS),
        "unsteered": _chance(logits[0.0]),
        "amounts": by_amount,
        "best_amount": float(best),
        "up_wins": by_amount[best]["up_wins"],
        "goal": GOAL,
        "wall_s": round(time.monotonic() - started, 1),
    }


def _logits(
    model: Model,
    bank: Bank,
    feature_id: str,
    amount: float,
    judges: Detectors,
    detector: str,
    seconds: float,
    guidance: float,
) -> NDArray[np.float64]:
    """Mean detector logit of each seed's clip with the slider at ``amount`` from start to end."""
    mixer = Mixer(directions_from_bank(bank, [feature_id]), spec=model.spec)
    mixer.set(feature_id, amount)
    prompts = [PROMPTS[index % len(PROMPTS)] for index in range(len(SEEDS))]
    clips = generated_clips(model, prompts, SEEDS, seconds, batch=16, guidance=guidance, steering=mixer)
    column = judges.names.index(detector)
    return np.array([float(judges.logits(np.nan_to_num(clip))[:, column].mean()) for clip in clips])


def _chance(logits: NDArray[np.float64]) -> float:
    return float(np.mean(1 / (1 + np.exp(-logits))))


def rows(result: JsonMapping) -> list[tuple[str, object, str]]:
    lines: list[tuple[str, object, str]] = [
        ("feature", f"{result['feature']} {result['label']}", ""),
        ("judge", f"{result['detector']} detector", ""),
        ("... its held-out AUROC", result["detector_auroc"], ""),
        ("unsteered: chance that it is heard", result["unsteered"], ""),
    ]
    for amount, found in result["amounts"].items():
        wins = f"{found['up_wins']} of {result['seeds']}"
        lines += [
            (f"up above down at +-{float(amount):g}", wins, f">= {result['goal']}"),
            (
                f"    heard at +{float(amount):g} / -{float(amount):g}",
                f"{found['up']:.3f} / {found['down']:.3f}",
                "",
            ),
        ]
    return [*lines, ("measured in", f"{result['wall_s']:g} s", "")]
