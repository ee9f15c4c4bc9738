"""A bank, features and settings -> the trials of a blind listening test and their key.

Two tasks. ``steered``: three clips of one prompt, steered by the slider, bypassed (the same seed) and moved by a
random direction of the same norm; which has more of the label? ``intruder``: four examples of a feature and one clip
that is none; which is the odd one out? A feature's examples are few, so each feature has at most one intruder item:
a second one would be told by what was heard before.
"""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from drawbar.bank import Bank, Feature, FeatureRow
from drawbar.errors import BadInputError
from drawbar.listening_test.key import Hidden

Task = Literal["steered", "intruder"]
LETTERS: dict[Task, str] = {"steered": "ABC", "intruder": "ABCDE"}
CHANCE: dict[Task, float] = {task: 1 / len(letters) for task, letters in LETTERS.items()}
PROMPTS = (
    "piano in a minor with bass",
    "guitar in c major with flute lead",
    "strings in d minor",
    "electric piano in g major with synth bass",
    "organ in e minor with rock drums",
    "slow piano in f major with violin lead",
)
_MEMBERS = ("top", "q75", "q50", "q25")
_MOST_FEATURES = 8
_STEERED = ("steered", "bypassed", "random")


@dataclass(frozen=True)
class BlindSettings:
    """How a test is made. Raises BadInputError for what would test nothing."""

    trials: int = 24
    """Repeats included."""
    seconds: float = 8.0
    """Length of a generated clip; examples are as long as the bank stored them."""
    amount: float = 1.0
    """The slider's setting, or the end of the feature's usable range where that is nearer."""
    repeats: float = 0.25
    """Share of the trials that play an earlier one again, in another order."""
    tasks: tuple[Task, ...] = ("steered", "intruder")
    prompts: tuple[str, ...] = PROMPTS
    """Takes use one that does not name the label, in turn."""
    guidance: float = 3.0

    def __post_init__(self) -> None:
        if self.trials < 2 or not 1 <= self.seconds <= 30:
            raise BadInputError(
                f"{self.trials} trials of {self.seconds:g} s: give at least 2 trials and 1 to 30 s"
            )
        if not math.isfinite(self.amount) or self.amount <= 0:
            raise BadInputError(
                f"amount {self.amount}: the question is which clip has more, so give one above 0"
            )
        if not 0 <= self.repeats <= 0.5:
            raise BadInputError(f"repeats {self.repeats}: give a share from 0 to 0.5")
        if not self.tasks or set(self.tasks) - set(LETTERS):
            raise BadInputError(f"tasks {', '.join(self.tasks) or '(none)'}: there are {', '.join(LETTERS)}")
        if not self.prompts:
            raise BadInputError("no prompts: give at least one")


@dataclass(frozen=True)
class Trial:
    """What the listener may know of a trial."""

    number: int
    """From 0."""
    task: Task
    feature: str
    label: str

    @property
    def letters(self) -> str:
        return LETTERS[self.task]

    @property
    def question(self) -> str:
        if self.task == "steered":
            return f"Which clip has more of \u201c{self.label}\u201d?"
        return f"Four of these share \u201c{self.label}\u201d. Which does not?"


def plan_trials(
    bank: Bank, settings: BlindSettings, features: Sequence[str] = (), *, secret: str = ""
) -> tuple[tuple[Trial, ...], tuple[Hidden, ...]]:
    """Trials and their key; ``secret`` decides every choice (drawn anew where it is empty).

    ``features`` are ids or labels; without them the bank's best-founded features with different labels. Raises
    BadInputError for an unknown or unnamed feature, or when no task can be made of what the bank holds.
    """
    dice = Random(secret or secrets.token_hex(16))
    count = settings.trials - round(settings.trials * settings.repeats)
    pages = _features(bank, features, count)
    makers: list[tuple[Trial, Hidden]] = []
    if "intruder" in settings.tasks:
        share = count if settings.tasks == ("intruder",) else count // 2
        for page in dice.sample(pages, len(pages)):
            found = _intruder(bank, page, pages, dice) if len(makers) < share else None
            if found is not None:
                makers.append((_trial("intruder", page), found))
    steered = pages if "steered" in settings.tasks else []
    for turn in range(count - len(makers) if steered else 0):
        page = steered[turn % len(steered)]
        makers.append((_trial("steered", page), _steered(page, settings, turn // len(steered), dice)))
    if not makers:
        raise BadInputError(
            "none of these features has four examples in the bank, so there is nothing to find an intruder among: "
            "add the task steered, or choose other features"
        )
    return _arranged(makers, settings, dice)


def _arranged(
    items: list[tuple[Trial, Hidden]], settings: BlindSettings, dice: Random
) -> tuple[tuple[Trial, ...], tuple[Hidden, ...]]:
    """First every item once, then repeats of some, each with its clips in a fresh order."""
    first = dice.sample(range(len(items)), len(items))
    # The last few heard are not repeated at once.
    early = first[: max(1, len(first) - 2)]
    again = dice.sample(early, min(len(early), settings.trials - len(items)))
    trials, key = [], []
    for number, item in enumerate([*first, *again]):
        trial, hidden = items[item]
        order = dice.sample(range(len(hidden.sources)), len(hidden.sources))
        sources = tuple(hidden.sources[place] for place in order)
        trials.append(Trial(number, trial.task, trial.feature, trial.label))
        key.append(
            Hidden(
                item, sources, order.index(hidden.right), hidden.prompt, hidden.seed, hidden.direction,
                hidden.amount,
            )
        )  # fmt: skip
    return tuple(trials), tuple(key)


def _features(bank: Bank, wanted: Sequence[str], most: int) -> list[Feature]:
    if wanted:
        rows = [bank.resolve(text) for text in wanted]
        if unnamed := [row.id for row in rows if not row.label]:
            raise BadInputError(
                f"{', '.join(unnamed)}: nobody has named it, so there is nothing to ask about; "
                "name it in the window first, or choose another"
            )
    else:
        rows = _varied(bank.search(limit=400))[: max(1, min(most, _MOST_FEATURES))]
    if not rows:
        raise BadInputError(f"the bank {bank.info.name} has no named feature to ask about; label some first")
    return [bank.feature(row.id) for row in {row.id: row for row in rows}.values()]


def _varied(rows: Sequence[FeatureRow]) -> list[FeatureRow]:
    """Named features with different labels, at most two whose labels end alike (``jazz drums``, ``rock drums``)."""
    found: list[FeatureRow] = []
    for row in rows:
        ends = [other.label.split()[-1] for other in found]
        if row.label and row.label not in {o.label for o in found} and ends.count(row.label.split()[-1]) < 2:
            found.append(row)
    return found


def _trial(task: Task, page: Feature) -> Trial:
    return Trial(0, task, page.id, page.row.label)


def _steered(page: Feature, settings: BlindSettings, turn: int, dice: Random) -> Hidden:
    words = set(page.row.label.casefold().split())
    fitting = [p for p in settings.prompts if not words & set(p.casefold().split())] or list(settings.prompts)
    high = page.usable_range[1] if page.usable_range is not None else 0.0
    amount = min(settings.amount, high) if high > 0 else settings.amount
    prompt = fitting[turn % len(fitting)]
    return Hidden(0, _STEERED, 0, prompt, dice.randrange(2**31), dice.randrange(2**31), amount)


def _intruder(bank: Bank, page: Feature, pages: Sequence[Feature], dice: Random) -> Hidden | None:
    examples = bank.examples(page.id)
    strongest = [n for bin in _MEMBERS for n, example in enumerate(examples) if example.bin == bin]
    members = strongest[:4]
    clips = {examples[n].clip for n in members}
    if len(members) < 4:
        return None
    silent = [f"{page.id}#{n}" for n, e in enumerate(examples) if e.bin == "silent" and e.clip not in clips]
    near = {other for other, _ in (*page.neighbours, *page.coactive, *page.duplicates)}
    others = [
        f"{other.id}#{n}"
        for other in pages
        if other.row.label != page.row.label and other.id not in near
        for n, example in enumerate(bank.examples(other.id))
        if example.bin == "top" and example.clip not in clips
    ]
    pools = [pool for pool in (silent, others) if pool]
    if not pools:
        return None
    return Hidden(0, (*(f"{page.id}#{n}" for n in members), dice.choice(dice.choice(pools))), 4)
