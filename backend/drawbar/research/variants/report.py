"""A bank -> which way to steer does most at what cost, and which rule lets several sliders stand together.

Everything is played and judged by drawbar.evidence; this asks, and writes tables and a page.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from drawbar.research.variants.playing import play_all
from drawbar.research.variants.pushes import RECIPES
from drawbar.research.variants.results import Compared, Figure, again, choices, recipes, winners
from drawbar.research.variants.settings import PLAIN_AGAIN, WINNER_AGAIN, Played, VariantSettings
from drawbar.research.variants.stacks import RuleTotal, StackRow, rule_totals, rules_compared, stack_rows
from drawbar.steering import DEFAULT_BRANCH
from drawbar.steering.mixer import DEFAULT_STACKING

COLUMNS = (
    "way",
    "effect up",
    "effect down",
    "CE ratio",
    "norm",
    "area",
    "area less plain",
    "at equal CE, up",
    "at equal CE, down",
    "verdict",
)
STACK_COLUMNS = (
    "sliders",
    "alike",
    "amount",
    "rule",
    "usable",
    "effect each",
    "of alone",
    "CE ratio",
    "combinations",
)
TOTAL_COLUMNS = ("rule", "usable", "effect each", "usable effect", "less the plain sum")


@dataclass(frozen=True)
class Result:
    """What `drawbar bench variants` found."""

    settings: VariantSettings
    sliders: dict[str, str]
    """Concept -> the slider of the comparison."""
    recipes: list[Compared]
    again: list[Compared]
    """The winners among them on fresh seeds; empty without one."""
    concepts: list[str]
    chosen: dict[str, tuple[str, ...]]
    """Concept -> its feature by activation, by output, by output and specific, by a trial."""
    choices: list[Compared]
    stacks: list[StackRow]
    rules: list[Compared]
    totals: list[RuleTotal]
    clips: int
    played_s: float
    """Wall clock of the clips."""

    @property
    def stacking(self) -> str:
        """The rule with the largest usable effect, if it beats the plain sum beyond chance; else none."""
        best = max(self.totals, key=lambda total: total.usable_effect.value)
        return best.rule if best.gain.sign > 0 else "none"

    def to_json(self) -> dict[str, object]:
        parts = {"recipes": self.recipes, "again": self.again, "choices": self.choices, "rules": self.rules}
        verdicts = {part: {one.name: one.verdict for one in rows} for part, rows in parts.items()}
        return {**asdict(self), "verdicts": verdicts, "stacking": self.stacking}


def run(
    bank: Path,
    folder: Path,
    settings: VariantSettings,
    *,
    soundfont: Path | None = None,
    told: Callable[[str, float], None] | None = None,
) -> Result:
    """Play what is missing in ``folder`` and compare. Raises what `play_all` raises."""
    return result_of(play_all(bank, folder, settings, soundfont=soundfont, told=told))


def result_of(played: Played) -> Result:
    choice = played.choice
    concepts, compared = choices(played)
    ways = recipes(played)
    better = winners(ways)
    return Result(
        played.settings,
        dict(choice.sliders),
        ways,
        again(played, better) if better else [],
        concepts,
        {
            c: tuple(
                way[c] for way in (choice.by_label, choice.by_output, choice.by_specific, choice.sliders)
            )
            for c in concepts
        },
        compared,
        stack_rows(played),
        rules_compared(played),
        rule_totals(played),
        sum(trials.plan.clips for trials in played.trials.values()),
        sum(trials.spent_s for trials in played.trials.values()),
    )


def rows(compared: Sequence[Compared]) -> list[tuple[str, ...]]:
    return [
        (
            one.name,
            _text(one.up),
            _text(one.down),
            _text(one.ce_ratio, 3, signed=False),
            f"{one.added:.2f}",
            _text(one.area, signed=False),
            _text(one.area_gain),
            _text(one.matched_up),
            _text(one.matched_down),
            one.verdict if n else "",
        )
        for n, one in enumerate(compared)
    ]


def stack_table(stacks: Sequence[StackRow]) -> list[tuple[str, ...]]:
    """One line per size, kind and rule."""
    return [
        (
            str(row.size),
            "yes" if row.alike else "no",
            f"{row.amount:+g}",
            row.rule,
            f"{100 * row.usable:.0f} %",
            f"{row.effect:+.2f}",
            f"{100 * row.kept:.0f} %" if row.kept == row.kept else "-",
            f"{row.ce_ratio:.3f}",
            str(row.combos),
        )
        for row in stacks
    ]


def total_table(totals: Sequence[RuleTotal]) -> list[tuple[str, ...]]:
    return [
        (
            total.rule,
            f"{100 * total.usable:.0f} %",
            f"{total.effect:+.2f}",
            _text(total.usable_effect, signed=False),
            _text(total.gain) if total.rule != "none" else "",
        )
        for total in totals
    ]


def markdown(result: Result) -> str:
    settings = result.settings
    pairs = settings.pairs
    ways = [f"- **{recipe.name}**: {recipe.what}" for recipe in RECIPES]
    chosen = [(c, *result.chosen[c]) for c in result.concepts]
    sliders = ", ".join(f"{id} ({concept})" for concept, id in result.sliders.items())
    return "\n".join(
        [
            "# Ways to steer, ways to choose, ways to stack",
            "",
            f"Written by `drawbar bench variants --write`: {result.clips} clips of {settings.seconds:g} s, "
            f"{time.strftime('%H:%M:%S', time.gmtime(result.played_s))} of wall clock with one thread.",
            "",
            "Effects are differences from the unsteered take of the same prompt and seed, in standard deviations "
            "between unsteered takes, by the detector of the slider's concept, at the largest amount of each sign. "
            "CE ratio: cross-entropy of the first "
            "codebook under the unsteered model, over the twin's. Area: largest effect at each demand on preserving "
            "every other measure, averaged over demands from 0.5 to 1; `area less plain` over the demands that both "
            "rows were pushed to. "
            "`at equal CE`: effect less the first row's where both have moved the cross-entropy as far as both were "
            "pushed to. Brackets: 95 % intervals, resampling sliders and pairs (prompt and "
            "seed); they are not corrected for the number of rows, and one in forty would leave 0 out to the better "
            "side by chance.",
            "",
            "## Ways to steer",
            "",
            f"{len(result.sliders)} sliders, {pairs} prompts and seeds each, amounts "
            f"{', '.join(f'{a:g}' for a in settings.amounts)}. The rule: among the features whose label has a "
            "detector, for each concept the one that moved its detector most at -1 and +1 while screening "
            f"({settings.screen_pairs} pairs, other seeds), and of these concepts the strongest. They are {sliders}.",
            "",
            *ways,
            "",
            *_table(COLUMNS, rows(result.recipes)),
            "",
            "`norm` is what was added per frame at the largest amount, over what the plain slider adds at its own.",
            "",
            *_again(result),
            f"What sliders do: those that add act on the {DEFAULT_BRANCH['add']} branch, divided by the guidance, so "
            "that an amount moves the guided logits as far as on both branches; those that clamp or mute act on "
            f"{DEFAULT_BRANCH['mute']}.",
            "",
            "## Ways to choose a concept's feature",
            "",
            "By activation: the labelled feature whose activation tells the concept best (held-out AUROC). By output: "
            "of all candidates the one that at +1 makes the concept's typical tokens most likely, teacher-forced on "
            f"{settings.listened} composed clips without a prompt, nothing generated. Specific: that "
            "effect times the concept's share of all the feature does to the concepts' tokens. By a trial: the one "
            "that moved the detector most while screening.",
            "",
            *_table(COLUMNS, rows(result.choices)),
            "",
            *_table(("concept", *(one.name for one in result.choices)), chosen),
            "",
            "## Ways to stack",
            "",
            f"Every slider at {' or '.join(f'{a:+g}' for a in settings.stack_amounts)}, "
            f"{settings.stack_pairs} prompts and seeds per combination. Members are labelled "
            "features that moved their own detector the right way while screening. Alike: made of pairs with a "
            f"cosine above {settings.alike_cos:g} (the same concept at two layers, mostly); otherwise no such pair. "
            "Usable: no guard broken (cross-entropy within 5 %, loudness, silence, clipping, repetition).",
            "",
            "- **none**: the plain sum",
            "- **mean**: 1/n of it (the strongest over the sum, so that nothing jumps when a slider leaves 0)",
            "- **budget**: no longer than the root of the sum of squares (sqrt(n) for n equal sliders)",
            "- **largest**: no longer than the strongest",
            "",
            *_table(STACK_COLUMNS, stack_table(result.stacks)),
            "",
            "Over all combinations; the usable effect counts 0 where a guard is broken:",
            "",
            *_table(TOTAL_COLUMNS, total_table(result.totals)),
            "",
            "The same clips compared as ways to steer are (the mean effect of the members, beside the plain sum):",
            "",
            *_table(COLUMNS, rows(result.rules)),
            "",
            f"The rule with the largest usable effect, if it beats the plain sum beyond chance: **{result.stacking}**. "
            f"The rule that the sliders follow: **{DEFAULT_STACKING}**.",
            "",
        ]
    )


def _again(result: Result) -> list[str]:
    if not result.again:
        return ["No way was better than the plain slider by both comparisons."]
    return [
        "Better by both comparisons and so played once more, on fresh seeds and with the plain slider pushed three "
        f"times as far ({', '.join(f'{a:g}' for a in PLAIN_AGAIN)}; the others "
        f"{', '.join(f'{a:g}' for a in WINNER_AGAIN)}):",
        "",
        *_table(COLUMNS, rows(result.again)),
        "",
    ]


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    parts = [columns, ["---"] * len(columns), *lines]
    return [f"| {' | '.join(line)} |" for line in parts]


def _text(figure: Figure | None, digits: int = 2, *, signed: bool = True) -> str:
    if figure is None:
        return ""
    sign = "+" if signed else ""
    low, high = (f"{part:{sign}.{digits}f}" for part in (figure.low, figure.high))
    return f"{figure.value:{sign}.{digits}f} [{low}, {high}]"
