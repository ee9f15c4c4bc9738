"""A table of positions -> the same with the future written into one feature, and how often the study finds it.

The positive control. A label of the farthest horizon is added to the residual along one feature's encoder row, in
units of the standard deviation there; the study must name that feature, by layer and number. The curve of shares found
against the AUROC that the feature then has is what the study could have seen.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonObject
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.ranking import areas_of
from drawbar.research.horizon.readouts import ProbeSettings
from drawbar.research.horizon.rows import Rows
from drawbar.research.horizon.trial import rate, trial

STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations; 1 makes an AUROC of about 0.76 out of a linear reading."""

Told = Callable[[str, float], None]


def inject(rows: Rows, units: Units, column: int, strength: float) -> Rows:
    """The table whose residuals know the farthest horizon's labels along one feature's encoder row."""
    residual = rows.residuals[units.layer]
    along = units.encoder[column] / np.linalg.norm(units.encoder[column])
    spread = float((residual @ along).std())
    future = rows.labels[:, -1].astype(np.float32)[:, None]
    changed = residual + strength * spread * future * along
    return replace(rows, residuals={**rows.residuals, units.layer: changed.astype(np.float32)})


def positive_control(
    rows: Rows,
    units: Sequence[Units],
    settings: ProbeSettings,
    *,
    strengths: Sequence[float] = STRENGTHS,
    repeats: int = 8,
    told: Told | None = None,
) -> JsonObject:
    """For each strength: the share of ``repeats`` in which the planted feature was found, and how well it then foresaw.

    ``found`` 0 at strength 0 is the rate of false finds of a feature that was picked beforehand.
    Raises BadInputError without a feature that fires at 5 % to 60 % of positions.
    """
    rng = np.random.default_rng(settings.seed)
    able = []
    for place, one in enumerate(units):
        density = (one.activations(rows.residuals[one.layer]) > 0).mean(axis=0)
        able += [(place, int(column)) for column in np.flatnonzero((density > 0.05) & (density < 0.6))]
    if not able:
        raise BadInputError(
            "no feature fires at 5 % to 60 % of the positions: there is none to plant the future in"
        )
    curve = []
    for number, strength in enumerate(strengths):
        planted = []
        for repeat in range(repeats):
            if told is not None:
                told(f"strength {strength:g}", (number + repeat / repeats) / len(strengths))
            place, column = able[int(rng.integers(len(able)))]
            changed = inject(rows, units[place], column, strength)
            found = trial(changed, units, settings)
            held = changed.held_rows
            active = units[place].activations(changed.residuals[units[place].layer])[held][:, [column]]
            planted.append(
                {
                    "id": units[place].ids[column],
                    "auroc": float(areas_of(active, changed.labels[held][:, -1:])[0, 0]),
                    "shortlisted": any(row["id"] == units[place].ids[column] for row in found),
                    "found": any(row["id"] == units[place].ids[column] and row["found"] for row in found),
                    "others_found": sum(
                        row["found"] for row in found if row["id"] != units[place].ids[column]
                    ),
                }
            )
        curve.append(
            {
                "strength": strength,
                "auroc": float(np.median([one["auroc"] for one in planted])),
                "shortlisted": rate(sum(one["shortlisted"] for one in planted), repeats),
                "found": rate(sum(one["found"] for one in planted), repeats),
                "planted": planted,
            }
        )
    return {"curve": curve, "repeats": repeats, "tracks": len(rows.names), "positions": len(rows.track)}
