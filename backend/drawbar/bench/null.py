"""Synthetic studies with known truth -> how often the statistics say "proven" of nothing, and of something.

Every run is a whole analysis (guards, slopes, ranks, corrections, verdicts, cards) of a fresh world of
`drawbar.evidence.statistics.synthetic_studies`. Without effects the rates must not exceed the nominal ones; with
effects they are power.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import fill

import numpy as np
from scipy.stats import binomtest

from drawbar.errors import BadInputError
from drawbar.evidence.statistics.analysis import analyse
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.synthetic_studies import SyntheticSettings, synthetic_study
from drawbar.evidence.statistics.verdicts import PROVEN
from drawbar.files.atomic_write import write_text
from drawbar.files.json_object import JsonMapping, JsonObject

EFFECTS = (0.25, 0.5, 1.0, 2.0)
"""Standard deviations between takes per amount."""
_POWER_SHARE = 20
"""One power run for so many null runs, for each effect; at least 5."""


@dataclass(frozen=True)
class _Count:
    """So many of so many."""

    hits: int
    of: int

    def __add__(self, other: "_Count") -> "_Count":
        return _Count(self.hits + other.hits, self.of + other.of)

    def shown(self) -> JsonObject:
        """Rate with its exact 95 % interval (Clopper and Pearson)."""
        if not self.of:
            return {"hits": 0, "of": 0, "rate": None, "low": None, "high": None}
        exact = binomtest(self.hits, self.of).proportion_ci(method="exact")
        found = {"hits": self.hits, "of": self.of, "rate": self.hits / self.of}
        return found | {"low": float(exact.low), "high": float(exact.high)}


def run(
    runs: int = 1000,
    settings: SyntheticSettings | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> JsonObject:
    """Null runs, then power runs with half of the sliders affected. Raises BadInputError for fewer than 1 run."""
    if runs < 1:
        raise BadInputError(f"{runs} runs: give at least 1")
    tell = progress or (lambda _what, _share: None)
    world = settings or SyntheticSettings()
    how = StatisticsSettings(draws=100)
    started = time.perf_counter()
    powers = max(5, runs // _POWER_SHARE)
    total = runs + powers * len(EFFECTS)
    null: dict[str, _Count] = {}
    for number in range(runs):
        tell(f"null run {number + 1} of {runs}", number / total)
        _add(null, _counts(replace(world, affected=0.0), seed + number, how))
    power = []
    for place, effect in enumerate(EFFECTS):
        found: dict[str, _Count] = {}
        for number in range(powers):
            tell(f"effect {effect:g}: run {number + 1} of {powers}", (runs + place * powers + number) / total)
            touched = replace(world, affected=0.5, effect=effect)
            _add(found, _counts(touched, seed + runs + number, how))
        power.append({"effect": effect} | {name: count.shown() for name, count in found.items()})
    return {
        "runs": runs,
        "power_runs": powers,
        "nominal": how.q,
        "settings": asdict(world),
        "null": {name: count.shown() for name, count in null.items()},
        "power": power,
        "wall_s": round(time.perf_counter() - started, 1),
    }


def _add(total: dict[str, _Count], more: Mapping[str, _Count]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, _Count(0, 0)) + count


def _counts(world: SyntheticSettings, seed: int, how: StatisticsSettings) -> dict[str, _Count]:
    """One study: tests, sliders and families that pass, true and false."""
    study, real = synthetic_study(world, seed)
    findings = analyse(study, how).findings
    cards = [finding.card for finding in findings if finding.card is not None]
    sides = [card[side] for card in cards for side in ("up", "down")]
    proven = np.array([finding.verdict.name == PROVEN for finding in findings])
    some = np.array([finding.some_measure for finding in findings])
    true = np.array([finding.id in real for finding in findings])
    judged = np.array([card["label_judged"] for card in cards])
    found = {
        "p below 0.05, a label's own measure": _passed(
            [s["p"] for c in cards if c["label_judged"] for s in _both(c)]
        ),
        "p below 0.05, any measure": _passed([side["moved"]["p"] for side in sides]),
        "proven sliders without an effect": _hits(proven[~true]),
        "proven for some measure without an effect": _hits(some[~true]),
        "studies with a false proven slider": _Count(int(proven[~true].any()), 1),
        "studies with a slider falsely proven for some measure": _Count(int(some[~true].any()), 1),
    }
    if real:
        found |= {
            "found": _hits(proven[true]),
            "found, label judged": _hits(proven[true & judged]),
            "found, any measure": _hits(some[true]),
            "false among proven": _hits(~true[proven]),
        }
    return found


def _both(card: JsonMapping) -> list[JsonMapping]:
    return [card["up"], card["down"]]


def _passed(p: Sequence[float]) -> _Count:
    return _Count(sum(value <= 0.05 for value in p), len(p))


def _hits(flags: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> _Count:
    return _Count(int(flags.sum()), len(flags))


_POWER = ("found", "found, label judged", "found, any measure", "false among proven")


def rows(result: JsonMapping) -> dict[str, list[list[object]]]:
    """The result -> rows of two tables: what is said of nothing, and of something."""
    null = [
        [
            name,
            count["hits"],
            count["of"],
            count["rate"],
            f"{count['low']:.4f} to {count['high']:.4f}",
            result["nominal"],
        ]
        for name, count in result["null"].items()
        if count["of"]
    ]
    power = [[f"{row['effect']:g}", *(row[name]["rate"] for name in _POWER)] for row in result["power"]]
    return {"null": null, "power": power}


def write_report(result: JsonMapping, path: Path) -> None:
    """The result -> a page in Markdown."""
    world = result["settings"]
    found = rows(result)
    about = (
        f"Made by `drawbar bench null --runs {result['runs']} --write docs/null.md`: whole analyses of synthetic "
        f"studies whose truth is known. Each has {world['sliders']} sliders, {world['directions']} random directions, "
        f"{world['prompts'] * world['seeds']} pairs ({world['prompts']} prompts, {world['seeds']} seeds each) and "
        f"{world['measures']} measures whose noise is correlated ({world['correlation']:g}) and heavy-tailed "
        f"(Student's t with {world['tails']:g} degrees of freedom); every push harms, and moves each measure "
        "at random. Sliders without an effect are drawn like the pool, but at norms of their own, between the pool's."
    )
    nothing = (
        f"{result['runs']} studies in which no slider does more than a random direction. Benjamini-Hochberg promises "
        f"that at most {result['nominal']:g} of such studies prove anything; a single test is below 0.05 in 0.05 of "
        "cases if the ranks are exact, and in fewer where the null is wider than it need be (doses below the pool's "
        "lowest norm). The intervals take tests as independent; those of one study share their pool and twins."
    )
    something = (
        f"{result['power_runs']} studies for each size of effect, half of the sliders affected, on their label's "
        "measure. Effects in standard deviations between takes per amount; doses up to 2."
    )
    lines = [
        "# How often the evidence is wrong",
        "",
        fill(about, 120),
        "",
        "## Nothing there",
        "",
        fill(nothing, 120),
        "",
        "| what | hits | of | rate | 95 % interval | nominal |",
        "|---|---|---|---|---|---|",
        *(f"| {r[0]} | {r[1]} | {r[2]} | {r[3]:.4f} | {r[4]} | {r[5]:g} |" for r in found["null"]),
        "",
        "## Something there",
        "",
        fill(something, 120),
        "",
        "| effect | proven | proven, label judged | proven for some measure | false among the proven |",
        "|---|---|---|---|---|",
        *(f"| {r[0]} | {' | '.join(_share(value) for value in r[1:])} |" for r in found["power"]),
        "",
    ]
    write_text(path, "\n".join(lines))


def _share(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"
