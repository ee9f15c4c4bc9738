"""Words and a model -> sliders with their cards, or for a word that the model does not know, why there is none.

Every word is asked of the model (``contrast.words``), its direction is tried on pairs that it was not made of, and
verdicts are corrected over all words of one call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from drawbar.bank import Bank
from drawbar.contrast.words import (
    Asked,
    WordContrast,
    WordSettings,
    ask,
    best_word_layer,
    knows,
    play_pairs,
    word_contrasts,
)
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.generate_clips import listen
from drawbar.evidence.experiment.judges import Judge, find_judges
from drawbar.evidence.experiment.trials import Source
from drawbar.evidence.statistics.measure_slider import SIGNS
from drawbar.evidence.statistics.ranking import benjamini_hochberg
from drawbar.evidence.statistics.settings import StatisticsSettings
from drawbar.evidence.statistics.verdict_cards import Finding, conclude
from drawbar.evidence.words.trial import Profile, Tried, profile_of, try_slider
from drawbar.evidence.words.yard import PoolSettings, Yard, tested_layers, yard_for
from drawbar.files.json_object import JsonObject
from drawbar.musicgen import Model
from drawbar.steering.own import OwnDirection

Tell = Callable[[str, float], None]

METHOD = "made from words"
_CHANCE = 0.05


@dataclass(frozen=True)
class MakeSettings:
    """How words become sliders."""

    words: WordSettings = field(default_factory=WordSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    """Where no bank has a pool for the layer."""
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    layers: tuple[int, ...] = ()
    """Where to look; all of them by default."""
    check: bool = True
    """Play each slider beside random directions; without it, nothing is known of what it does to the sound."""
    clap: str = ""
    """A CLAP folder: one more judge."""


@dataclass(frozen=True, eq=False)
class WordSlider:
    """What became of one word."""

    word: str
    missing: str
    """Why there is no slider; empty if there is one."""
    asked: Asked
    layers: tuple[WordContrast, ...] = ()
    chosen: WordContrast | None = None
    takes: Tensor | None = None
    """``[2 P, K, T]``, those with the word first."""
    tried: Tried | None = None
    finding: Finding | None = None
    own: OwnDirection | None = None
    unread: tuple[str, ...] = ()
    """Words of it that a closed vocabulary does not have: the slider is made of the rest."""


def make_words(
    model: Model,
    words: Sequence[str],
    *,
    against: str = "",
    contexts: Sequence[str] = (),
    bank: Bank | None = None,
    folder: Path | None = None,
    settings: MakeSettings | None = None,
    progress: Tell | None = None,
) -> list[WordSlider]:
    """Make a slider of every word that the model knows.

    Args:
        model: a loaded model with a text encoder.
        words: one or more.
        against: what takes without it are asked for; for one word only.
        contexts: prompts that words are added to; built-in ones by default.
        bank: of this model; the trials of its random directions are used where it has some.
        folder: keeps pools that are played here.
        settings: how.
        progress: told what is done and the share of it; what it raises ends the work.

    Raises:
        BadInputError: no words, one twice, a name that cannot be used, a model without text, no such layer.
    """
    how, tell = settings or MakeSettings(), progress or (lambda _what, _share: None)
    names = [" ".join(word.split()) for word in words]
    if not names or len({name.casefold() for name in names}) != len(names):
        raise BadInputError(f"words {names}: give one or more, each once")
    if against and len(names) > 1:
        raise BadInputError(f"--against {against!r} goes with one word, not with {len(names)}")
    if model.text is None:
        raise BadInputError(
            f"model {model.spec.name!r} has no text encoder here: it cannot be asked for a word"
        )
    depth = int(model.spec.n_layers)
    layers = sorted(set(how.layers)) or list(range(depth))
    if not 0 <= layers[0] <= layers[-1] < depth:
        raise BadInputError(f"layers {layers}: {model.spec.name} has layers 0..{depth - 1}")
    asked = [ask(name, against, contexts, how.words) for name in names]
    for one in asked:
        _blank(model, one.name)  # a bad name is refused before anything is played
    preferred = tested_layers(model, bank)
    judges = _judges(model, how)
    yards: dict[int, Yard] = {}
    found = []
    for number, one in enumerate(asked):

        def part(what: str, share: float, number: int = number) -> None:
            tell(what, (number + share) / len(asked))

        found.append(_make(model, one, layers, preferred, judges, yards, bank, folder, how, part))
    return _concluded(model, found, how)


def _judges(model: Model, how: MakeSettings) -> list[Judge]:
    return find_judges(model.spec.sample_rate_hz, clap=how.clap) if how.check else []


def _make(
    model: Model,
    asked: Asked,
    layers: Sequence[int],
    preferred: Sequence[int],
    judges: Sequence[Judge],
    yards: dict[int, Yard],
    bank: Bank | None,
    folder: Path | None,
    how: MakeSettings,
    tell: Tell,
) -> WordSlider:
    unknown = model.text.unknown_words(asked.name) if model.text is not None else []
    if not knows(model, asked):
        return WordSlider(
            asked.word,
            f"{model.spec.name} found nothing in {asked.word!r}: "
            + (
                f"it does not know {', '.join(unknown)}"
                if unknown
                else "its prompts read alike with and without it"
            )
            + "; try another word for it",
            asked,
        )
    takes = play_pairs(model, asked, how.words, progress=lambda what, share: tell(what, 0.4 * share))
    tell(f"{asked.word}: reading takes", 0.4)
    rows = word_contrasts(model, asked, takes, layers, how.words)
    chosen = best_word_layer(rows, len(asked.seeds), int(model.spec.n_layers), preferred)
    found = WordSlider(asked.word, "", asked, tuple(rows), chosen, takes, unread=tuple(unknown))
    if chosen.p > _CHANCE:
        return replace(
            found,
            missing=f"{model.spec.name} found nothing in {asked.word!r}: takes with it are told from takes without "
            f"it no better (AUROC {chosen.auroc:.2f}) than shuffled pairs are (up to {chosen.shuffled:.2f}); "
            "try another word, or more pairs",
        )
    if not how.check:
        return found
    if chosen.layer not in yards:
        yards[chosen.layer] = yard_for(
            model, judges, chosen.layer, chosen.scale,
            bank=bank, folder=folder, settings=how.pool,
            progress=lambda what, share: tell(what, 0.5 + 0.2 * share),
        )  # fmt: skip
    yard = yards[chosen.layer]
    return replace(found, tried=_tried(model, judges, found, chosen, yard, how, tell))


def _tried(
    model: Model,
    judges: Sequence[Judge],
    found: WordSlider,
    chosen: WordContrast,
    yard: Yard,
    how: MakeSettings,
    tell: Tell,
) -> Tried:
    assert found.takes is not None  # it was played
    tell(f"{found.word}: listening", 0.7)
    heard = np.concatenate([listen(model, judges, part) for part in found.takes.split(8)])
    pairs = len(found.asked.seeds)
    profile: Profile = profile_of(found.word, heard[:pairs], heard[pairs:], yard)
    slider = Source("feature", found.word, chosen.layer, chosen.vector, chosen.scale)
    mixed = Source("held-out random", found.word, chosen.layer, chosen.shuffled_vector, chosen.scale)
    return try_slider(
        model, judges, slider, mixed, profile, yard, how.statistics,
        progress=lambda what, share: tell(what, 0.75 + 0.25 * share),
    )  # fmt: skip


def _concluded(model: Model, sliders: Sequence[WordSlider], how: MakeSettings) -> list[WordSlider]:
    """Verdicts over all words of the call, and the directions."""
    tried = [one.tried for one in sliders if one.tried is not None]
    own = [t.measured.p(sign) for t in tried for sign in SIGNS]
    anything = [t.measured.sides[sign].any_p for t in tried for sign in SIGNS]
    q, any_q = (
        benjamini_hochberg(p).reshape(-1, len(SIGNS)) if p else np.zeros((0, 2)) for p in (own, anything)
    )
    rows = iter(zip(q.tolist(), any_q.tolist(), strict=True))
    found = []
    for one in sliders:
        finding = None
        if one.tried is not None:
            mine, moved = next(rows)
            by_sign = [dict(zip(SIGNS, row, strict=True)) for row in (mine, moved)]
            finding = conclude(one.tried.measured, by_sign[0], by_sign[1], one.tried.yard, how.statistics)
        made = replace(one, finding=finding)
        found.append(made if one.missing else replace(made, own=_own(model, made)))
    return found


def _blank(model: Model, name: str) -> OwnDirection:
    axis = np.zeros(model.spec.d_model, np.float32)
    axis[0] = 1.0
    return OwnDirection(name, model.fingerprint, model.spec.name, 0, axis, 1.0)


def _own(model: Model, made: WordSlider) -> OwnDirection:
    chosen = made.chosen
    assert chosen is not None  # only called for words that gave a direction
    about: JsonObject = {
        "method": METHOD,
        "word": made.word,
        "against": made.asked.against,
        "pairs": len(made.asked.seeds),
        "auroc_difference": round(chosen.auroc, 4),
        "auroc_shuffled": round(chosen.shuffled, 4),
        "layers": [
            [r.layer, round(r.auroc, 4), round(r.shuffled, 4), round(r.scale, 3)] for r in made.layers
        ],
    }
    if made.finding is not None and made.tried is not None:
        about |= {
            "verdict": made.finding.verdict.name,
            "usable": made.finding.usable,
            "share": round(made.tried.share, 4),
            "share_shuffled": round(made.tried.shuffled, 4),
            "share_random": round(made.tried.random, 4),
            "card": made.finding.card,
        }
    return replace(
        _blank(model, made.asked.name),
        layer=chosen.layer,
        vector=chosen.vector,
        scale=chosen.scale,
        rest=chosen.rest,
        about=about,
    )
