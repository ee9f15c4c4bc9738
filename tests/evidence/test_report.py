"""The report: what it says, that it stands alone, that its sounds play."""

import base64
import io
import json
import re
import xml.dom.minidom
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from drawbar import cli
from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.evidence import report
from drawbar.evidence.report.content import best, goals, worst
from drawbar.evidence.report.words import amount_text, figure, measure_words
from tests.evidence.evidence_bank import fill, info_of

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Text, addresses, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.audio: list[dict[str, Any]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]
        if tag == "audio":
            self.audio.append(known)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


@pytest.fixture
def proven(tmp_path: Path) -> Path:
    """The bank alone, without its model."""
    with Bank.create(tmp_path / "bank", info_of("f" * 64), edits=tmp_path / "edits") as bank:
        fill(bank)
    return tmp_path / "bank"


@pytest.fixture
def content(proven: Path) -> report.Content:
    with Bank.open(proven) as bank:
        return report.collect(bank)


def test_the_page_stands_alone_and_is_well_formed(content: report.Content) -> None:
    text = report.page(content)
    page = Page(text)
    assert page.open == []
    assert not page.addresses
    assert not re.search(r"https?://|@import|url\(", text)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.S):
        xml.dom.minidom.parseString(drawing)
    assert "nan" not in " ".join(page.words).lower()
    assert "None" not in " ".join(page.words)


def test_the_page_says_what_was_found(content: report.Content) -> None:
    words = " ".join(" ".join(Page(report.page(content)).words).split())
    assert "2 of 5 sliders tested" in words
    assert "jazz drums" in words
    assert "Noticeable from +0.8" in words
    assert "1 of 25 held-out random directions" in words
    assert "quality breaks before it has an effect" in words
    assert "drawbar prove" not in words
    assert "ab" * 32 in words


def test_goals_are_reached_or_missed_by_the_stated_denominators(content: report.Content) -> None:
    found = {goal.what: goal for goal in goals(content)}
    reached = [goal.reached for goal in found.values()]
    assert reached == [False, True, True, True, True]
    assert found["Concepts with a proven slider"].got.startswith("1 of 2")


def test_a_missing_figure_is_a_goal_that_was_not_measured(content: report.Content) -> None:
    summary = {k: v for k, v in content.summary.items() if k not in ("medians", "null", "concepts")}
    bare = report.Content("x", "y", "z", summary, {}, content.sliders)
    assert [goal.reached for goal in goals(bare)] == [None, True, None, True, None]
    Page(report.page(bare))


def test_the_strongest_come_first_and_the_failures_are_shown(content: report.Content) -> None:
    assert [slider.label for slider in best(content, 6)] == ["jazz drums", "choir chords", "slap bass"]
    assert [slider.verdict for slider in worst(content, 4)] == ["harmful", "not shown"]


def test_labels_cannot_smuggle_markup_into_the_page(tmp_path: Path, content: report.Content) -> None:
    from dataclasses import replace

    evil = replace(content.sliders[0], label="<script>alert(1)</script>", author='"><img src=x>')
    text = report.page(replace(content, sliders=(evil, *content.sliders[1:]), bank="<b>"))
    assert "<script>alert" not in text
    assert "<img" not in text


def test_a_dose_outside_the_usable_range_is_drawn_hollow(content: report.Content) -> None:
    from drawbar.evidence.report.plots import dose_plot

    slap = next(slider for slider in content.sliders if slider.label == "slap bass")
    plot = dose_plot(slap)
    assert plot is not None
    drawing = plot.__html__()
    assert drawing.count('class="point outside"') == 3, "-2, +1 and +2 lie outside -1.5 to +0.5"
    assert drawing.count('class="point"') == 3
    assert 'class="band"' in drawing
    assert 'class="means"' in drawing


def test_clips_decode_are_equally_loud_by_their_gain_and_of_the_middle_take(
    six: Bank, six_assets: Path, content: report.Content
) -> None:
    from drawbar.audio_analysis.loudness import loudness_lufs
    from drawbar.evidence.report.sounds import SoundMaker
    from drawbar.musicgen import load_model

    maker = SoundMaker(load_model(six_assets / "model"), six, content, seconds=1.0)
    slider = content.sliders[0]
    clips = maker.make([slider])
    assert (clips[slider.id].prompt, clips[slider.id].seed) == ("slow piano", 8), (
        "neither the best nor the worst"
    )
    page = Page(report.page(content, clips))
    assert len(page.audio) == 4
    levels = []
    for element in page.audio:
        kind, _, data = element["src"].partition(",")
        assert kind == "data:audio/mpeg;base64"
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
        assert len(sound) / rate == pytest.approx(1.0, abs=0.1)
        assert 0 < float(element["data-gain"]) <= 1
        levels.append(loudness_lufs(np.asarray(sound) * float(element["data-gain"]), rate))
    assert max(levels) - min(levels) < 0.5


def test_the_command_prints_counts_and_the_table_and_writes_the_page(
    proven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    where = str(proven)
    assert cli.main(["report", "evidence", where, "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["candidates"], counts["proven"], counts["not_shown"]) == (5, 2, 1)
    assert (counts["concepts"], counts["concepts_proven"]) == (2, 1)
    assert counts["medians"]["effect"] == 0.9
    assert cli.main(["report", "evidence", where, "--markdown"]) == 0
    table = capsys.readouterr().out
    assert table.startswith("| goal | wanted | measured | |")
    assert "**missed**" in table
    out = tmp_path / "r" / "report.html"
    assert cli.main(["report", "evidence", where, "-o", str(out), "--no-audio"]) == 0
    assert Page(out.read_text(encoding="utf-8")).open == []
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_a_bank_without_evidence_is_told_how_to_get_it(tmp_path: Path) -> None:
    with Bank.create(tmp_path / "bare", info_of("f" * 64), edits=tmp_path / "edits") as bank:
        fill(bank, evidence=False)
    with Bank.open(tmp_path / "bare") as bank, pytest.raises(BadInputError, match="drawbar prove"):
        report.collect(bank)


def test_names_and_numbers_are_written_for_people() -> None:
    assert measure_words("detector:drums:jazz") == "jazz drums"
    assert measure_words("descriptor:chroma_f#") == "pitch class F\u266f"
    assert measure_words("descriptor:onset_rate_hz") == "notes per second"
    assert amount_text(-0.5) == "\u22120.5"
    assert figure(None) == "\u2013"
    assert figure(float("nan")) == "\u2013"


def test_the_users_own_labels_stay_out_of_the_report_unless_asked_for(
    proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path))
    with Bank.open(proven) as bank:
        sliders = report.collect(bank).sliders
        bank.add_label(sliders[0].id, "my secret nickname")
        bank.hide(sliders[1].id)

    def words(*more: str) -> str:
        out = tmp_path / "report.html"
        assert cli.main(["report", "evidence", str(proven), "-o", str(out), "--no-audio", *more]) == 0
        return out.read_text(encoding="utf-8")

    usual = words()
    assert "my secret nickname" not in usual
    assert sliders[0].label in usual
    assert sliders[1].id in usual
    assert "my secret nickname" in words("--own-labels")
