"""A table of positions -> which features the instrument finds in it: shortlist, controls and criteria, once through.

What the study asks of probes, without sets and rankings, so that it can be asked a hundred times.
"""

from collections.abc import Sequence
from dataclasses import replace

from drawbar.files.json_object import JsonObject
from drawbar.research.horizon.features_at import Units
from drawbar.research.horizon.gate import foresees, passed
from drawbar.research.horizon.probes import Probes, shortlist
from drawbar.research.horizon.readouts import ProbeSettings
from drawbar.research.horizon.rows import Rows
from drawbar.research.horizon.scoring import Share


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
    low, high = Share(hits, trials).interval if trials else (0.0, 1.0)
    return {"value": hits / trials if trials else float("nan"), "low": low, "high": high, "trials": trials}
