"""Models and banks come and go in the window by the same path as in the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drawbar.bank import Bank, pack_bank
from drawbar.bank.library import installed_banks
from drawbar.cli import main
from drawbar.musicgen.checkpoint import hub
from drawbar_desktop.app import App
from drawbar_desktop.state.notices import Question
from tests.bank.test_library import made
from tests.musicgen.fakehub import Hub, serving

NAME = "acme/tiny"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one repository that looks like a model, and an empty cache."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 8000)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    with serving() as running:
        running.add(NAME, folder)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": running.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_OFFLINE": False,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
        }.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        yield running


@pytest.fixture
def asked(app: App) -> list[Question]:
    """Every question across the window."""
    questions: list[Question] = []
    app.desk.notices.asked.connect(questions.append)
    return questions


def until(qtbot: Any, app: App, what: Callable[[], bool]) -> None:
    def drained() -> bool:
        app.jobs.drain()
        return what()

    qtbot.waitUntil(drained, timeout=30_000)


def answer(question: Question, words: str) -> None:
    dict(question.answers)[words]()


def names(app: App) -> list[str]:
    return [entry.name for entry in app.desk.machine.models.value]


def test_a_model_fetched_in_the_window_is_there_by_name_in_the_command_line(
    qtbot: Any, app: App, server: Hub, asked: list[Question], capsys: pytest.CaptureFixture[str]
) -> None:
    app.machinery.fetch_model(NAME)
    until(qtbot, app, lambda: any(question.key == "licence" for question in asked))
    assert "cc-by-nc-4.0" in asked[-1].words
    assert server.ranges == [], "nothing is downloaded before the licence is accepted"
    answer(asked[-1], "Accept and download")
    until(qtbot, app, lambda: NAME in names(app))
    entry = next(entry for entry in app.desk.machine.models.value if entry.name == NAME)
    assert (entry.title, entry.licence) == (NAME, "CC-BY-NC-4.0")
    assert hub.cached(NAME) == entry.folder
    assert main(["model", "get", NAME]) == 0
    assert "here already" in capsys.readouterr().err


def test_a_model_fetched_by_the_command_line_is_there_by_name_in_the_window(
    qtbot: Any, app: App, server: Hub
) -> None:
    assert main(["model", "get", NAME, "--accept-licence"]) == 0
    app.machinery.refresh()
    until(qtbot, app, lambda: NAME in names(app))


def test_a_download_that_is_cancelled_in_the_window_goes_on_later(qtbot: Any, app: App, server: Hub) -> None:
    app.desk.settings.set("accepted_licences", ["CC-BY-NC-4.0"])
    said: list[float] = []

    def stop(state: tuple[str, float] | None) -> None:
        if state is not None and 0.2 < state[1] < 1:
            said.append(state[1])
            app.machinery.cancel_fetch()

    server.slow_s = 0.02
    app.desk.machine.download.changed.connect(stop)
    app.machinery.fetch_model(NAME)
    until(qtbot, app, lambda: bool(said) and app.desk.machine.download.value is None)
    assert hub.cached(NAME) is None
    server.slow_s = 0.0
    server.ranges.clear()
    hub.fetch(NAME)
    (asked,) = [wanted for file, wanted in server.ranges if file == "model.safetensors"]
    assert int(asked.removeprefix("bytes=").rstrip("-")) > 0


def test_an_upgrade_in_the_window_carries_the_users_edits_over(
    qtbot: Any, app: App, asked: list[Question], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "user"))
    app.machinery.add_bank(pack_bank(made(tmp_path / "v1"), tmp_path / "v1.drawbank").path)
    until(qtbot, app, lambda: bool(app.desk.settings["banks"]))
    (first,) = installed_banks()
    with Bank.open(first.folder) as bank:
        bank.add_label("1/2", "taiko")
        bank.star("1/2")
    newer = pack_bank(made(tmp_path / "v2", indices=(4, 5, 7), turn=3), tmp_path / "v2.drawbank").path
    app.machinery.add_bank(newer)
    until(qtbot, app, lambda: any(question.key == "bank" for question in asked))
    answer(asked[-1], "Upgrade")
    until(qtbot, app, lambda: app.desk.machine.download.value is None)
    (second,) = installed_banks()
    assert second.folder == first.folder
    with Bank.open(second.folder) as bank:
        assert (bank.row("1/5").label, bank.row("1/5").starred) == ("taiko", True)
