"""All findings -> the counts, medians and rates that a report starts with; JSON values."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from drawbar.evidence.statistics.cards import finite
from drawbar.evidence.statistics.verdict_cards import Finding
from drawbar.evidence.statistics.verdicts import HARMFUL, NOT_SHOWN, PROVEN, UNTESTED, WEAK
from drawbar.files.json_object import JsonMapping, JsonObject

SUMMARY_FORMAT = 1


def summarise(
    findings: Sequence[Finding],
    concept_rows: Sequence[JsonMapping],
    null: JsonMapping,
    resolution: JsonMapping,
    about: JsonMapping,
) -> JsonObject:
    """Put together.

    ``resolution`` says what the pool can tell apart, ``about`` what only the run knows (``published``, ``screened``,
    ``clips``, ``wall_s``, ``digest`` ...). Medians are over proven sliders, but for the comparison with difference in
    means, which is over all confirmed sliders that have one, and once more over the proven among them.
    """
    names = Counter(finding.verdict.name for finding in findings)
    proven = [finding for finding in findings if finding.verdict.name == PROVEN]
    confirmed = [finding for finding in findings if finding.card is not None]
    compared = [finding.matched for finding in confirmed if finding.matched is not None]
    compared_proven = [finding.matched for finding in proven if finding.matched is not None]
    specific = [finding.specificity for finding in proven if finding.specificity is not None]
    wrong = [finding.anti_steerable for finding in proven if finding.anti_steerable is not None]
    largest = [f.card["specificity_of_largest"] for f in proven if f.card is not None]
    seconds = [finding.second for finding in confirmed if finding.second is not None]
    found = {
        "format": SUMMARY_FORMAT,
        "candidates": len(findings),
        "confirmed": len(confirmed),
        "proven": names[PROVEN],
        "proven_some_measure": sum(finding.some_measure for finding in findings),
        "weak": names[WEAK],
        "not_shown": names[NOT_SHOWN],
        "harmful": names[HARMFUL],
        "untested": names[UNTESTED],
        "concepts": len(concept_rows),
        "concepts_proven": sum(bool(row["proven"]) for row in concept_rows),
        "concept_rows": list(concept_rows),
        "medians": {
            "effect": _median([one.effect for one in compared]),
            "difference_in_means": _median([one.baseline for one in compared]),
            "compared": len(compared),
            "effect_proven": _median([one.effect for one in compared_proven]),
            "difference_in_means_proven": _median([one.baseline for one in compared_proven]),
            "compared_proven": len(compared_proven),
            "specificity": _median([one.ratio for one in specific]),
            "usable_up": _median([f.usable[1] for f in proven if f.usable]),
            "usable_down": _median([-f.usable[0] for f in proven if f.usable]),
            "noticeable_up": _median([_side(f, "up", "noticeable") for f in proven]),
            "noticeable_down": _median([_side(f, "down", "noticeable") for f in proven]),
            "slope": _median(
                [abs(f.card["slope"]) for f in proven if f.card and f.card["slope"] is not None]
            ),
            "seeds_needed": _median([_seeds(f) for f in proven]),
        },
        "specific": {
            "at_least_3": sum(one.at_least(3) for one in specific),
            "surely": sum(one.low >= 3 for one in specific),
            "of": len(specific),
            # The old figure, biased downwards: beside the new one for comparison with older runs.
            "of_largest_at_least_3": sum(value is not None and value >= 3 for value in largest),
        },
        "anti_steerable": float(np.mean(wrong)) if wrong else None,
        "null": dict(null),
        "resolution": dict(resolution),
        "judges_agreement": {
            "compared": len(seconds),
            "agree": sum(bool(second["agrees"]) for second in seconds),
            "contradict": sum(bool(second["contradicts"]) for second in seconds),
        },
        "failures": dict(Counter(f.verdict.why for f in findings if f.verdict.why).most_common()),
        **about,
    }
    result: JsonObject = finite(found)
    return result


def _median(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.median(known)) if known else None


def _side(finding: Finding, side: str, name: str) -> float | None:
    value = finding.card[side][name] if finding.card else None
    return None if value is None else float(value)


def _seeds(finding: Finding) -> float | None:
    return _side(finding, finding.card["side"], "seeds_needed") if finding.card else None
