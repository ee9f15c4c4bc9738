"""Proposals of composed tracks and the truth -> precision, recall by kind and instrument, rejected textures.

A proposal is right when some pair of times at which the motif is heard has the same lag within 0.5 s and
shares at least half of the shorter window at both ends. A return is found when some right proposal touches
it. It knows nothing of how proposals are made.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from drawbar.research.horizon.composed_truth import TruePair, piece_of, returns, true_pairs
from drawbar.research.horizon.events import PLANTS, Track, Window
from drawbar.research.horizon.recurrence import Proposal

BARS = {"precision": 0.8, "recall": 0.6, "texture": 0.9}
"""What the detector must reach on held-out pieces: recall over exact and transposed returns."""

_LAG_S, _SHARED = 0.5, 0.5


@dataclass(frozen=True)
class Share:
    """A part of a whole, with a 95 % interval (Wilson, 1927)."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.part / self.whole if self.whole else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high end; NaN of nothing."""
        if not self.whole:
            return float("nan"), float("nan")
        found = binomtest(self.part, self.whole).proportion_ci(method="wilson")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Score:
    """How the detector did on a set of composed tracks."""

    tracks: int
    plants: Mapping[str, int]
    """How many pieces have what planted."""
    proposals: int
    precision: Share
    recall: Share
    """Of exact and transposed returns."""
    by_kind: Mapping[str, Share]
    by_instrument: Mapping[str, Share]
    """Recall of exact and transposed returns, by the instrument that plays the lead."""
    texture: Share
    """Texture pieces in which nothing was proposed."""
    texture_pairs: Share
    """Pairs of windows one loop apart, in texture pieces, that were not proposed."""
    single: Share
    """Pieces whose motif is heard once, in which nothing was proposed."""
    right_kind: Share
    """Right proposals of exact or transposed returns whose transposition is right to the semitone."""
    start_error_s: float
    """Median distance of a right proposal's later window from where the motif is heard (the nearest end)."""

    @property
    def passes(self) -> bool:
        """Whether it is good enough for real audio."""
        return (
            self.precision.value >= BARS["precision"]
            and self.recall.value >= BARS["recall"]
            and self.texture.value >= BARS["texture"]
        )


def matching(proposal: Proposal, pairs: Sequence[TruePair]) -> TruePair | None:
    """The pair of times that a proposal has found, or None."""
    lag = proposal.recurrence.start_s - proposal.motif.start_s
    for pair in pairs:
        same = abs((pair.late.start_s - pair.early.start_s) - lag) <= _LAG_S
        if same and _shared(proposal.motif, pair.early) and _shared(proposal.recurrence, pair.late):
            return pair
    return None


def _shared(one: Window, other: Window) -> bool:
    shared = min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return shared >= _SHARED * min(one.length_s, other.length_s)


def score_proposals(tracks: Sequence[Track], found: Mapping[str, Sequence[Proposal]]) -> Score:
    """Score the proposals of composed tracks, by track id."""
    right = proposals = 0
    plants = Counter(piece_of(track).plant for track in tracks)
    kinds: Counter[tuple[str, bool]] = Counter()
    instruments: Counter[tuple[str, bool]] = Counter()
    quiet: dict[str, list[bool]] = {"texture": [], "none": []}
    loops: list[bool] = []
    keys: list[bool] = []
    errors: list[float] = []
    for track in tracks:
        planted, pairs, mine = piece_of(track), true_pairs(track), found[track.id]
        heard: set[float] = set()
        for proposal in mine:
            pair = matching(proposal, pairs)
            proposals += 1
            if pair is None:
                continue
            right += 1
            heard |= {pair.early.start_s, pair.late.start_s}
            errors.append(min(abs(proposal.recurrence.start_s - pair.late.start_s),
                              abs(proposal.recurrence.end_s - pair.late.end_s)))  # fmt: skip
            if pair.kind != "varied":
                keys.append((proposal.semitones - pair.semitones) % 12 == 0)
        lead = planted.piece.part("lead")
        for event in returns(track):
            hit = event.recurrence.start_s in heard
            kinds[event.kind, hit] += 1
            if event.kind != "varied" and lead is not None:
                instruments[lead.instrument, hit] += 1
        if planted.plant in quiet:
            quiet[planted.plant].append(not mine)
        if planted.plant == "texture":
            loops += _loop_pairs(track, mine)
    firm = [kinds[k, hit] for hit in (True, False) for k in ("exact", "transposed")]
    return Score(
        tracks=len(tracks),
        plants={name: plants[name] for name in PLANTS if plants[name]},
        proposals=proposals,
        precision=Share(right, proposals),
        recall=Share(firm[0] + firm[1], sum(firm)),
        by_kind={k: _share(kinds, k) for k in ("exact", "transposed", "varied")},
        by_instrument={k: _share(instruments, k) for k in sorted({name for name, _ in instruments})},
        texture=Share(sum(quiet["texture"]), len(quiet["texture"])),
        texture_pairs=Share(sum(loops), len(loops)),
        single=Share(sum(quiet["none"]), len(quiet["none"])),
        right_kind=Share(sum(keys), len(keys)),
        start_error_s=sorted(errors)[len(errors) // 2] if errors else float("nan"),
    )


def _share(counts: Counter[tuple[str, bool]], name: str) -> Share:
    return Share(counts[name, True], counts[name, True] + counts[name, False])


def _loop_pairs(track: Track, proposals: Sequence[Proposal]) -> list[bool]:
    """For every 5 s of a texture piece and every whole number of loops later: was it left alone?"""
    piece = piece_of(track).piece
    loop_s, length_s = 4 * 4 * 60 / piece.tempo_bpm, 5.0
    left_alone = []
    for start in range(0, int(piece.seconds - length_s), 5):
        later = start + loop_s
        while later + length_s <= piece.seconds:
            early, late = Window(start, start + length_s), Window(later, later + length_s)
            left_alone.append(
                not any(_shared(p.motif, early) and _shared(p.recurrence, late) for p in proposals)
            )
            later += loop_s
    return left_alone
