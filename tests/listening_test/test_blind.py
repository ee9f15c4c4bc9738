"""The blind test: what a listener can see, what is kept, what is counted."""

import csv
import io
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drawbar.audio_analysis.loudness import equally_loud, loudness_lufs
from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.listening_test.plan import BlindSettings
from drawbar.listening_test.session import BlindSession
from tests.evidence.evidence_bank import fill, info_of

SETTINGS = BlindSettings(trials=12, seconds=1.0)


@pytest.fixture
def six(tmp_path: Path) -> Iterator[Bank]:
    """The bank alone, without its model."""
    with Bank.create(tmp_path / "six", info_of("f" * 64), edits=tmp_path / "edits") as bank:
        fill(bank)
    with Bank.open(tmp_path / "six", edits=tmp_path / "edits") as bank:
        yield bank


@pytest.fixture
def six_with_model(six_assets: Path, tmp_path: Path) -> Iterator[Bank]:
    with Bank.open(six_assets / "bank", edits=tmp_path / "edits") as bank:
        yield bank


def begun(bank: Bank, folder: Path, settings: BlindSettings = SETTINGS) -> BlindSession:
    return BlindSession.begin(folder / "session.json", bank, settings, secret="a")


def right(session: BlindSession) -> str:
    trial = session.current
    assert trial is not None
    return trial.letters[session.hidden(trial).right]


def answer_all(session: BlindSession) -> None:
    while session.current is not None:
        session.answer(right(session))


def test_both_tasks_are_asked_of_named_features_and_some_come_again(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path)
    assert len(session.trials) == 12
    assert {trial.task for trial in session.trials} == {"steered", "intruder"}
    assert all(trial.label and trial.label in trial.question for trial in session.trials)
    items = [session.hidden(trial).item for trial in session.trials]
    assert len(items) - len(set(items)) == 3
    intruders = {session.hidden(t).item: t.feature for t in session.trials if t.task == "intruder"}
    assert len(set(intruders.values())) == len(intruders), (
        "a second one would be known by what was heard before"
    )


def test_nothing_that_can_be_read_tells_the_key_before_the_end(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path)
    session.answer("B")
    text = session.path.read_text()
    content = json.loads(text)
    content.pop("sealed")
    for word in ("bypassed", "random", "seed", "right", "prompt"):
        assert word not in json.dumps({k: v for k, v in content.items() if k != "settings"})
    rows = list(csv.DictReader(io.StringIO(session.csv())))
    assert rows[0]["answer"] == "B"
    assert not any(
        row[name] for row in rows for name in ("chosen", "correct", "right_answer", "repeats_trial", "seed")
    )
    with pytest.raises(BadInputError, match="sealed"):
        session.results()
    with pytest.raises(BadInputError, match="11 trials"):
        session.finish()


def test_the_places_of_the_right_answers_are_spread(six: Bank, tmp_path: Path) -> None:
    settings = BlindSettings(trials=300, tasks=("steered",), seconds=1.0)
    session = begun(six, tmp_path, settings)
    places = np.bincount([session.hidden(trial).right for trial in session.trials], minlength=3)
    assert places.min() > 70


def test_a_session_is_taken_up_where_it_was_left(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path)
    session.answer("A", {"A": 2, "C": 1}, 3.25)
    session.answer("B")
    again = BlindSession.load(session.path, six)
    assert again.answered == 2
    assert again.current == session.current
    assert [again.hidden(t) for t in again.trials] == [session.hidden(t) for t in session.trials]
    assert [path.name for path in tmp_path.glob("session*")] == ["session.json"]
    assert not list(tmp_path.glob("*.part"))


def test_the_last_answer_can_be_taken_back_until_the_key_is_shown(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path)
    first = session.current
    session.answer("A")
    assert session.undo() == first == session.current
    with pytest.raises(BadInputError, match="no answer"):
        session.undo()
    answer_all(session)
    session.undo()
    answer_all(session)
    session.finish()
    with pytest.raises(BadInputError, match="shown"):
        session.undo()


def test_a_changed_key_or_another_banks_session_is_refused(
    six: Bank, tmp_path: Path, six_assets: Path
) -> None:
    session = begun(six, tmp_path)
    content = json.loads(session.path.read_text())
    other = begun(six, tmp_path / "other")
    content["sealed"] = json.loads(other.path.read_text())["sealed"]
    session.path.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="changed"):
        BlindSession.load(session.path)
    content = json.loads(other.path.read_text())
    content["about"]["identity"] = "0"
    other.path.write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="belongs to the bank"):
        BlindSession.load(other.path, six)
    (tmp_path / "config.json").write_text('{"kind": "take"}')
    with pytest.raises(BadInputError, match="not a session"):
        BlindSession.load(tmp_path / "config.json")


def test_a_perfect_listener_is_right_everywhere_and_agrees_with_themselves(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path)
    answer_all(session)
    overall = {t.task: t for t in session.finish() if not t.feature}
    assert sum(t.trials for t in overall.values()) == 9
    assert all(t.right == t.trials and t.high == 1.0 and t.same == t.repeats for t in overall.values())
    assert sum(t.repeats for t in overall.values()) == 3
    steered = overall["steered"]
    assert steered.p == pytest.approx((1 / 3) ** steered.trials)
    assert steered.low == pytest.approx(0.025 ** (1 / steered.trials)), "Clopper and Pearson's lower end"
    assert session.chosen_instead()["steered"] == steered.trials
    rows = list(csv.DictReader(io.StringIO(session.csv())))
    assert [row["correct"] for row in rows] == ["1"] * 12
    assert sum(bool(row["repeats_trial"]) for row in rows) == 3
    assert json.loads(session.path.read_text())["key"]


def test_a_guesser_is_not_told_that_they_hear_something(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path, BlindSettings(trials=90, tasks=("steered",), repeats=0.0, seconds=1.0))
    while session.current is not None:
        session.answer("A")
    (overall, *_) = session.finish()
    assert overall.low < 1 / 3 < overall.high
    assert overall.p > 0.05
    assert overall.repeats == 0


def test_wrong_letters_and_unnamed_features_are_refused_with_a_cure(six: Bank, tmp_path: Path) -> None:
    session = begun(six, tmp_path, BlindSettings(trials=4, tasks=("steered",), seconds=1.0))
    with pytest.raises(BadInputError, match="A, B, C"):
        session.answer("D")
    with pytest.raises(BadInputError, match="named it"):
        BlindSession.begin(tmp_path / "x.json", six, SETTINGS, ["1/5"])
    with pytest.raises(BadInputError, match="already"):
        begun(six, tmp_path)
    with pytest.raises(BadInputError, match="above 0"):
        BlindSettings(amount=-1.0)


def test_a_slider_is_not_pulled_beyond_its_usable_range(six: Bank, tmp_path: Path) -> None:
    settings = BlindSettings(trials=4, tasks=("steered",), seconds=1.0)
    session = BlindSession.begin(tmp_path / "s.json", six, settings, ["slap bass"])
    assert {session.hidden(trial).amount for trial in session.trials} == {0.5}


def test_clips_are_as_the_key_says_equally_loud_and_the_same_when_they_come_again(
    six_with_model: Bank, six_assets: Path, tmp_path: Path
) -> None:
    from drawbar.listening_test.clips import ClipMaker
    from drawbar.musicgen import load_model

    model = load_model(six_assets / "model")
    session = begun(six_with_model, tmp_path)
    maker = ClipMaker(model, six_with_model, session)
    for task, count in (("steered", 3), ("intruder", 5)):
        trial = next(t for t in session.trials if t.task == task)
        hidden = session.hidden(trial)
        clips = maker.clips(trial)
        assert len(clips) == count
        assert len({len(clip) for clip in clips}) == 1
        loudness = [loudness_lufs(clip, maker.rate_hz) for clip in clips]
        assert max(loudness) - min(loudness) < 0.3
        twin = next(
            (t for t in session.trials if session.hidden(t).item == hidden.item and t != trial), trial
        )
        again = dict(zip(session.hidden(twin).sources, maker.clips(twin), strict=True))
        for source, clip in zip(hidden.sources, clips, strict=True):
            np.testing.assert_array_equal(clip, again[source])


def test_the_bypassed_clip_is_the_unsteered_take(
    six_with_model: Bank, six_assets: Path, tmp_path: Path
) -> None:
    from drawbar.listening_test.clips import ClipMaker
    from drawbar.musicgen import load_model

    model = load_model(six_assets / "model")
    session = begun(six_with_model, tmp_path, BlindSettings(trials=4, tasks=("steered",), seconds=1.0))
    trial = session.trials[0]
    hidden = session.hidden(trial)
    sounds = dict(zip(hidden.sources, ClipMaker(model, six_with_model, session).clips(trial), strict=True))
    tokens = model.generate(hidden.prompt, [hidden.seed], 1.0)
    plain = model.codec.decode(tokens)[0, 0].numpy()
    middle = slice(1000, -1000)

    def unlike(name: str) -> float:
        gain = sounds[name][middle] @ plain[middle] / (plain[middle] @ plain[middle])
        return float(np.abs(sounds[name][middle] - gain * plain[middle]).max())

    assert unlike("bypassed") < 1e-5
    assert unlike("steered") > 1e-3
    assert unlike("random") > 1e-3


def test_levels_meet_without_clipping_and_silence_stays_silent() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=32_000).astype(np.float32)
    peaky = 0.01 * noise
    peaky[::8000] = 0.9
    quiet, loud, sharp, silent = equally_loud([0.01 * noise, 0.3 * noise, peaky, 0 * noise], 32_000)
    levels = [loudness_lufs(clip, 32_000) for clip in (quiet, loud, sharp)]
    assert max(levels) - min(levels) < 0.05
    assert max(float(np.abs(clip).max()) for clip in (quiet, loud, sharp)) < 0.99
    assert not silent.any()


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are of POSIX systems")
def test_a_whole_session_in_a_terminal(six_assets: Path, tmp_path: Path) -> None:
    import pty

    session, wavs, table = tmp_path / "s.json", tmp_path / "wav", tmp_path / "t.csv"
    program = "import sys; from drawbar.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["blind", "--trials", "4", "--seconds", "1", "--session", session, "--wav", wavs, "--csv", table]
    environment = {
        **os.environ,
        "DRAWBAR_ASSETS": str(six_assets),
        "DRAWBAR_HOME": str(tmp_path),
        "TERM": "dumb",
    }
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", program, *map(str, words)]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = _converse(ours, ("1 of 4", "a1"), ("2 of 4", "u"), ("1 of 4", "b2"), ("2 of 4", "q"))
    assert child.wait(60) == 0
    assert "1 of 4 answers are kept" in " ".join(shown.split())
    assert sorted(path.name for path in wavs.iterdir())[:3] == [f"trial-01-{letter}.wav" for letter in "ABC"]
    ours, theirs = pty.openpty()
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = _converse(
        ours, ("2 of 4", "1"), ("3 of 4", "1"), ("4 of 4", "1"), ("Every trial", "\r"), ("commitment", "")
    )
    assert child.wait(60) == 0
    assert "taken for the steered clip" in shown
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows[0]["answer"] == "B"
    assert all(row["right_answer"] for row in rows)
    assert not re.search(r"bypassed|random", shown[: shown.index("Every trial")])


def _converse(terminal: int, *turns: tuple[str, str]) -> str:
    """Wait for a text, type keys, and so on -> everything shown."""
    shown, at, limit = "", 0, time.monotonic() + 300
    for text, typed in turns:
        while (found := shown.find(text, at)) < 0:
            assert time.monotonic() < limit, f"{text!r} did not come; shown: {shown[-2000:]}"
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"{text!r} did not come; shown: {shown[-2000:]}") from None
        at = found + len(text)
        os.write(terminal, typed.encode())
    return shown + _rest(terminal)


def _rest(terminal: int) -> str:
    shown = ""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            return shown
        if not part:
            return shown
        shown += part.decode(errors="replace")
