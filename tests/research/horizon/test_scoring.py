"""Made-up proposals of composed tracks -> precision, recall and rejection as one counts them by hand."""

import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.composed_truth import returns, true_pairs
from drawbar.research.horizon.events import Track, Window
from drawbar.research.horizon.finding import find_proposals
from drawbar.research.horizon.manifest import composed_tracks
from drawbar.research.horizon.recurrence import Proposal, RecurrenceSettings
from drawbar.research.horizon.score_table import score_markdown
from drawbar.research.horizon.scoring import Share, matching, score_proposals

TRACKS = composed_tracks(10, 45.0, 700_000)


def _right(track: Track) -> list[Proposal]:
    return [Proposal(p.early, p.late, 0.9, p.semitones) for p in true_pairs(track) if p.first]


def _wrong(track: Track) -> Proposal:
    return Proposal(Window(0.5, 5.5), Window(0.5 + 6.2, 5.5 + 6.2), 0.9, 0)


def test_the_truth_itself_scores_one_everywhere() -> None:
    score = score_proposals(TRACKS, {t.id: _right(t) for t in TRACKS})
    assert (score.precision.value, score.recall.value, score.texture.value) == (1, 1, 1)
    assert (score.texture_pairs.value, score.single.value, score.right_kind.value) == (1, 1, 1)
    assert score.by_kind["varied"].whole == sum(e.kind == "varied" for t in TRACKS for e in returns(t))
    assert score.start_error_s == 0
    assert score.passes


def test_nothing_proposed_finds_nothing() -> None:
    score = score_proposals(TRACKS, {t.id: [] for t in TRACKS})
    assert score.recall.value == 0
    assert score.texture.value == 1
    assert not score.passes


def test_wrong_proposals_cost_precision_and_rejection() -> None:
    score = score_proposals(TRACKS, {t.id: [*_right(t), _wrong(t)] for t in TRACKS})
    right = sum(len(_right(t)) for t in TRACKS)
    assert (score.precision.part, score.precision.whole) == (right, right + len(TRACKS))
    assert (score.texture.value, score.single.value) == (0, 0)
    assert not score.passes


def test_a_wrong_interval_is_counted_and_an_octave_is_not() -> None:
    def moved(by: int) -> float:
        found = {
            t.id: [Proposal(p.motif, p.recurrence, p.score, p.semitones + by) for p in _right(t)]
            for t in TRACKS
        }
        return score_proposals(TRACKS, found).right_kind.value

    assert moved(12) == 1
    assert moved(1) == 0


def test_a_window_beside_the_motif_or_at_another_lag_is_no_match() -> None:
    track = next(t for t in TRACKS if true_pairs(t))
    pair = true_pairs(track)[0]

    def at(early: float, late: float) -> bool:
        first = Window(pair.early.start_s + early, pair.early.end_s + early)
        return (
            matching(Proposal(first, Window(pair.late.start_s + late, pair.late.end_s + late), 1, 0), [pair])
            is not None
        )

    length = pair.early.length_s
    assert at(0, 0)
    assert at(0.4 * length, 0.4 * length)
    assert not at(0.6 * length, 0.6 * length)
    assert not at(0, 0.6)


def test_a_share_has_the_interval_that_wilson_gives() -> None:
    assert Share(8, 10).interval == pytest.approx((0.490, 0.943), abs=0.001)
    assert Share(0, 0).value != Share(0, 0).value


def test_the_page_names_every_bar_and_the_command() -> None:
    score = score_proposals(TRACKS, {t.id: _right(t) for t in TRACKS})
    page = score_markdown(score, RecurrenceSettings(), split="test", seconds=45.0, seed=700_000)
    assert "drawbar study score --pieces 10 --split test --seconds 45 --seed 700000" in page
    assert page.count("| yes |") == 3
    assert "| recall of varied returns |" in page


def test_no_piece_is_refused() -> None:
    with pytest.raises(BadInputError, match="one or more"):
        find_proposals([])
