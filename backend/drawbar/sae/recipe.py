"""A model's width and the size of a corpus -> the SAE settings that found most concepts where it was measured.

BatchTopK with nested prefixes whose slow group explains the residual's running mean. On composed music and the
embedded model its best single features reach an AUROC of 0.89 per frame where a plain top-k SAE's reach 0.68
(docs/LOG.md, 2026-11-21). There: width 256, 600,000 positions, 1,024 features, k 16, 1,000 steps; everything else is
scaled from that.
"""

import math
from dataclasses import fields, replace

from drawbar.sae.settings import SaeSettings

_WIDTH, _FEATURES, _K, _STEPS, _BATCH, _LR = 256, 1024, 16, 1000, 2048, 2e-3
_PASSES = _STEPS * _BATCH / 600_000
_PREFIXES = (1 / 32, 3 / 32, 3 / 8)
_LEAST_FEATURES, _LEAST_NESTED = 256, 64
_POSITIONS_EACH = 64
"""A feature needs so many positions of the corpus, or it is learnt by heart."""
_MOST_STEPS = 30_000


def measured_recipe(d_model: int, positions: int, chosen: SaeSettings | None = None) -> SaeSettings:
    """The settings for a model of this width and a corpus of so many positions.

    What ``chosen`` says otherwise than ``SaeSettings()`` does is taken over; the rest is scaled to it.
    """
    own = (chosen or SaeSettings()).at_width(d_model)
    plain = SaeSettings()
    said = {
        f.name: getattr(own, f.name) for f in fields(own) if getattr(own, f.name) != getattr(plain, f.name)
    }
    room = 2 ** math.floor(math.log2(max(positions / _POSITIONS_EACH, 1)))
    features = int(said.get("d_sae", max(_LEAST_FEATURES, min(_FEATURES * d_model // _WIDTH, room))))
    nested = tuple(round(features * share) for share in _PREFIXES) if features >= _LEAST_NESTED else ()
    batch = int(said.get("batch", _BATCH))
    scaled = {
        "d_sae": features,
        "k": min(features, max(_K // 2, round(_K * math.sqrt(d_model / _WIDTH)))),
        "activation": "batchtopk",
        "batch": batch,
        "steps": min(_MOST_STEPS, max(_STEPS, round(_PASSES * positions / batch))),
        "lr": _LR * math.sqrt(_FEATURES / features),
        "k_aux": min(plain.k_aux, features // 4),
        "prefixes": nested,
        "slow": nested[-1] if nested else 0,
    }
    if said.get("activation") == "topk" or "prefixes" in said:
        scaled |= {"prefixes": (), "slow": 0}
    return replace(plain, **{**scaled, **said})


def in_words(settings: SaeSettings, hours: float) -> str:
    """One line for a person who is about to wait for it."""
    nested = f", nested prefixes {', '.join(map(str, settings.prefixes))}" if settings.prefixes else ""
    slow = f", {settings.slow} of them slow" if settings.slow else ""
    return (
        f"{settings.d_sae} features, {settings.k} at once ({settings.activation}){nested}{slow}, "
        f"{settings.steps} steps of {settings.batch} positions, for {hours:.1f} h of audio"
    )
