"""A table of positions -> which features the instrument finds in it: shortlist, controls and criteria, once through.

What the study asks of probes, without sets and rankings, so that it can be asked a hundred times.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drawbar.files.json_object import JsonObject
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.gate import foresees, passed
from drawbar.research.horizon.probes import Probes, shortlist
from drawbar.research.horizon.readouts import ProbeSettings
from drawbar.research.horizon.rows import Rows


def trial(rows: Rows, units: Sequence[Units], settings: ProbeSettings) -> list[JsonObject]:
    """Each feature of the shortlist: ``id``, ``found``, held-out AUROC, margins over each control, one-sided bounds."""
    probes = Probes(rows, units, replace(settings, by_folds=False))
    short = shortlist(probes.ranking(), probes.long, settings.shortlist)
    results = []
    for one in short:
        feature = probes.feature(one, shared=len(short))
        criteria = foresees(feature, least_margin=settings.least_margin)
        auroc = feature["horizons"][rows.horizons[-1].name]["held"]
        results.append(
            {
                "id": one.id,
                "found": passed(criteria),
                "auroc": auroc,
                "margins": {name: m["held"] for name, m in feature["margins"]["controls"].items()},
                "best": feature["margins"]["best"]["held"],
                "detectable": feature["margins"]["detectable"],
            }
        )
    return results


def rate(hits: int, trials: int) -> dict[str, float]:
    """A share and its 95 % interval (Wilson 1927)."""
    if not trials:
        return {"value": float("nan"), "low": 0.0, "high": 1.0, "trials": 0}
    share, z = hits / trials, 1.959964
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return {
        "value": share, "low": max(0.0, float(middle - half)), "high": min(1.0, float(middle + half)), "trials": trials,
    }  # fmt: skip
