"""A queue and a reviewer -> decisions that survive a crash at any byte, undo, and nothing unverified in the events."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from drawbar.errors import BadInputError
from drawbar.research.horizon.annotations import SCHEMA_FILE, Annotation, annotation_id, read_row
from drawbar.research.horizon.events import Window
from drawbar.research.horizon.review import QUEUE, Review, read_decisions, read_queue, reviewers, write_queue
from drawbar.research.horizon.schema import faults


def _proposals(count: int) -> list[Annotation]:
    rows = []
    for n in range(count):
        motif, again = Window(n, n + 5.0), Window(n + 20, n + 25.0)
        kind = ("exact", "transposed", "none")[n % 3]
        rows.append(Annotation(annotation_id("t", motif, again), "t", "CC0-1.0", motif, again, kind))
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_queue(tmp_path, _proposals(6))
    return tmp_path


def test_the_queue_shows_every_proposal_once_and_then_none(folder: Path) -> None:
    review = Review(folder, "ann")
    seen = []
    while review.current is not None:
        seen.append(review.current.id)
        review.decide("yes")
    assert sorted(seen) == sorted(row.id for row in _proposals(6))
    assert seen == [row.id for row in read_queue(folder)]
    with pytest.raises(BadInputError, match="every proposal is decided"):
        review.decide("yes")


def test_answers_become_statuses_and_kinds(folder: Path) -> None:
    review = Review(folder, "ann")
    said = [
        review.decide("yes", "varied", " sure "),
        review.decide("no"),
        review.decide("ambiguous"),
        review.decide("reject"),
    ]
    assert [(row.status, row.event().verified) for row in said] == [
        ("verified", True),
        ("verified", True),
        ("ambiguous", False),
        ("rejected", False),
    ]
    assert [said[0].event_type, said[1].event_type] == ["varied", "none"]
    assert (said[0].notes, said[0].reviewer) == ("sure", "ann")


def test_a_yes_to_a_control_is_a_return(folder: Path) -> None:
    review = Review(folder, "ann")
    while review.current is not None:
        assert review.decide("yes").event_type != "none"


def test_a_second_reviewer_starts_from_the_beginning(folder: Path) -> None:
    Review(folder, "ann").decide("yes")
    assert Review(folder, "bob").decided == 0
    Review(folder, "bob").decide("no")
    assert reviewers(folder) == ("ann", "bob")


def test_undo_goes_back_over_a_restart(folder: Path) -> None:
    review = Review(folder, "ann")
    first, second = review.decide("yes").id, review.decide("no").id
    again = Review(folder, "ann")
    taken = again.undo()
    assert taken is not None
    assert taken.id == second
    assert again.undo() is not None
    assert again.undo() is None
    assert Review(folder, "ann").current == read_queue(folder)[0]
    assert first == read_queue(folder)[0].id


def test_a_file_cut_off_at_any_byte_keeps_every_whole_decision(folder: Path) -> None:
    review = Review(folder, "ann")
    for answer in ("yes", "no", "ambiguous"):
        review.decide(answer)
    path = folder / "decisions-ann.jsonl"
    whole = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == 10]
    near = {end + by for end in ends for by in (-2, -1, 0, 1)}
    for cut in sorted(n for n in near | set(range(0, len(whole), 97)) if n <= len(whole)):
        path.write_bytes(whole[:cut])
        kept = sum(end - 1 <= cut for end in ends)
        resumed = Review(folder, "ann")
        assert resumed.decided == kept, cut
        resumed.decide("reject", notes="after the crash")
        assert len(read_decisions(folder, "ann")) == kept + 1, cut


def test_a_killed_process_loses_nothing_that_it_confirmed(folder: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from drawbar.research.horizon.review import Review\n"
        "review = Review(Path(sys.argv[1]), 'ann')\n"
        "for _ in range(4):\n    print(review.decide('yes').id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, 'SIGKILL') else signal.SIGTERM)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=os.environ
    )
    assert run.returncode != 0
    assert list(read_decisions(folder, "ann")) == run.stdout.split()
    assert Review(folder, "ann").number == 5


def test_decisions_of_another_queue_and_strange_names_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_queue(other, _proposals(9)[6:])
    Review(other, "ann").decide("yes")
    (folder / "decisions-ann.jsonl").write_bytes((other / "decisions-ann.jsonl").read_bytes())
    with pytest.raises(BadInputError, match="not in the queue"):
        Review(folder, "ann")
    for name in ("", "../x", "a/b", "x" * 50):
        with pytest.raises(BadInputError, match="give a name"):
            Review(folder, name)


def test_a_queue_is_never_replaced_by_another(folder: Path) -> None:
    before = (folder / QUEUE).read_bytes()
    write_queue(folder, list(reversed(_proposals(6))))
    with pytest.raises(BadInputError, match="another queue"):
        write_queue(folder, _proposals(3))
    assert (folder / QUEUE).read_bytes() == before


def test_the_order_does_not_follow_the_kinds(tmp_path: Path) -> None:
    write_queue(tmp_path, _proposals(60))
    kinds = [row.event_type == "none" for row in read_queue(tmp_path)]
    changes = sum(a != b for a, b in itertools.pairwise(kinds))
    assert changes > 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "sure"}, "row.status"),
        ({"event_type": "echo"}, "row.event_type"),
        ({"motif": {"start_s": -1, "end_s": 3}}, "below 0"),
        ({"motif": {"start_s": 1}}, "end_s is missing"),
        ({"licence": ""}, "row.licence"),
        ({"score": 0.9}, "score is not known"),
        ({"id": "x"}, "does not look like"),
        ({"notes": 3}, "not a string"),
        ({"generation": {"model": "embedded"}}, "fits none"),
        ({"format": 2}, "not 1"),
    ],
)
def test_what_the_schema_forbids_is_refused_by_place(change: dict[str, object], said: str) -> None:
    row = _proposals(1)[0].row()
    assert read_row(row, "here") == _proposals(1)[0]
    with pytest.raises(BadInputError, match=said):
        read_row({**row, **change}, "here")
    missing = dict(row)
    del missing["licence"]
    assert faults(missing, json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))) == ["row: licence is missing"]


def test_a_word_that_the_validator_does_not_know_is_no_silent_pass() -> None:
    with pytest.raises(ValueError, match="multipleOf"):
        faults(3, {"multipleOf": 2})
