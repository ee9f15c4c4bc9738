"""Answers and the key -> how often the listener was right, against chance, and whether they agree with themselves.

Intervals are exact (Clopper and Pearson, 1934). Only first hearings count: a repeat plays the same clips again, so
it is not another independent answer; repeats tell how consistent the listener is.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drawbar.listening_test.key import Hidden
from drawbar.listening_test.plan import CHANCE, LETTERS, Task, Trial


@dataclass(frozen=True)
class Answer:
    """What the listener said of one trial."""

    letter: str
    plays: Mapping[str, int]
    """Letter -> how often the clip was played."""
    seconds: float = 0.0
    """From the first sight of the trial to the answer."""


@dataclass(frozen=True)
class Tally:
    """A task, over all features or for one."""

    task: Task
    feature: str
    """Empty: all."""
    label: str
    trials: int
    """First hearings."""
    right: int
    low: float
    high: float
    """Of the share of right answers: the exact 95 % interval."""
    p: float
    """Of so many right answers or more, by chance."""
    repeats: int
    same: int
    """Repeats in which the same clip was chosen as before."""

    @property
    def share(self) -> float:
        """Right answers among the first hearings."""
        return self.right / self.trials if self.trials else 0.0

    @property
    def chance(self) -> float:
        """What guessing gives."""
        return CHANCE[self.task]


def tally(trials: Sequence[Trial], key: Sequence[Hidden], answers: Sequence[Answer]) -> list[Tally]:
    """Per task over all features, then per task and feature."""
    cells = dict.fromkeys((trial.task, trial.feature, trial.label) for trial in trials)
    found = []
    for task in LETTERS:
        if any(cell[0] == task for cell in cells):
            found.append(_tally(task, "", "", trials, key, answers))
    for task in LETTERS:
        found += [_tally(*cell, trials, key, answers) for cell in cells if cell[0] == task]
    return found


def _tally(
    task: Task,
    feature: str,
    label: str,
    trials: Sequence[Trial],
    key: Sequence[Hidden],
    answers: Sequence[Answer],
) -> Tally:
    from scipy.stats import binomtest

    first: dict[int, str] = {}
    right = repeats = same = 0
    for trial, hidden, answer in zip(trials, key, answers, strict=False):
        if trial.task != task or feature not in ("", trial.feature):
            continue
        source = hidden.sources[trial.letters.index(answer.letter)]
        if hidden.item in first:
            repeats += 1
            same += first[hidden.item] == source
        else:
            first[hidden.item] = source
            right += source == hidden.sources[hidden.right]
    count = len(first)
    if not count:
        return Tally(task, feature, label, 0, 0, 0.0, 1.0, 1.0, repeats, same)
    test = binomtest(right, count, CHANCE[task], alternative="greater")
    interval = binomtest(right, count, CHANCE[task]).proportion_ci(0.95, method="exact")
    return Tally(
        task, feature, label, count, right, float(interval.low), float(interval.high), float(test.pvalue),
        repeats, same,
    )  # fmt: skip


def chosen_instead(
    trials: Sequence[Trial], key: Sequence[Hidden], answers: Sequence[Answer]
) -> dict[str, int]:
    """What was taken for the steered clip at the first hearing: steered, bypassed, random -> how often."""
    counts = {"steered": 0, "bypassed": 0, "random": 0}
    seen: set[int] = set()
    for trial, hidden, answer in zip(trials, key, answers, strict=False):
        if trial.task == "steered" and hidden.item not in seen:
            seen.add(hidden.item)
            counts[hidden.sources[trial.letters.index(answer.letter)]] += 1
    return counts


def to_csv(trials: Sequence[Trial], key: Sequence[Hidden] | None, answers: Sequence[Answer]) -> str:
    """One line per trial; without the key the columns that would tell it are empty."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        ("trial", "task", "feature", "label", "answer", "plays", "seconds", "chosen", "correct", "right_answer",
         "repeats_trial", "prompt", "seed", "amount")
    )  # fmt: skip
    firsts: dict[int, int] = {}
    for place, trial in enumerate(trials):
        answer = answers[place] if place < len(answers) else None
        known: list[object] = ["", "", ""] if answer is None else [answer.letter, *_heard(answer)]
        told: list[object] = [""] * 7
        if key is not None:
            hidden = key[place]
            source = hidden.sources[trial.letters.index(answer.letter)] if answer is not None else ""
            right = hidden.sources[hidden.right]
            earlier = firsts.setdefault(hidden.item, place)
            told = [
                source, "" if answer is None else int(source == right), right,
                earlier + 1 if earlier != place else "",
                *((hidden.prompt, hidden.seed, f"{hidden.amount:g}") if trial.task == "steered" else ("", "", "")),
            ]  # fmt: skip
        table.writerow([trial.number + 1, trial.task, trial.feature, trial.label, *known, *told])
    return out.getvalue()


def _heard(answer: Answer) -> tuple[str, str]:
    plays = " ".join(f"{letter}{count}" for letter, count in sorted(answer.plays.items()))
    return plays, f"{answer.seconds:.1f}"
