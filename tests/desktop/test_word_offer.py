"""A word that no slider has: the list offers to make one, says how far it is, and the strip appears."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from drawbar.errors import BadInputError
from drawbar_desktop.app import App
from drawbar_desktop.state.word_making import WordMade
from tests.desktop.fakes import FakeBank
from tests.desktop.test_making import settled


class WordMakerFake:
    """In place of the model: waits until it is let go, as the test says."""

    def __init__(self, bank: FakeBank) -> None:
        self.go = threading.Event()
        self.bank = bank
        self.error: Exception | None = None

    def __call__(self, word: str, tell: Callable[[str, float], None]) -> WordMade:
        tell(f"{word}: playing takes", 0.25)
        self.go.wait(20)
        tell(f"{word}: trying it", 0.9)
        if self.error is not None:
            raise self.error
        row = replace(self.bank.rows[-1], id=f"mine/{word}", label=word, verdict="proven")
        self.bank.rows.append(row)
        return WordMade(row.id, "proven", 0.83)


@pytest.fixture
def words(app: App, bank: FakeBank) -> Iterator[WordMakerFake]:
    made = WordMakerFake(bank)
    assert app.links.loaded is not None
    app.links.loaded = replace(app.links.loaded, make_word=made)
    app.word_maker.follow()
    yield made
    made.go.set()


def test_searched_pressed_heard_of_and_in_the_rack(app: App, words: WordMakerFake) -> None:
    offer = app.window.browser.offer
    assert not offer.isVisible()
    app.window.browser.search.setText("taiko")
    assert offer.isVisible()
    assert offer.make.text() == "Make it a slider"
    offer.make.click()
    settled(app, lambda: app.desk.words.progress.value[1] == 0.25)
    assert offer.bar.value() == 250
    assert offer.words.text() == "taiko: playing takes"
    assert offer.make.text() == "Stop"
    words.go.set()
    settled(app, lambda: not app.desk.words.busy.value)
    assert "mine/taiko" in app.rack
    assert app.library.count == 1
    assert not offer.isVisible()


def test_stopped_it_leaves_nothing_and_can_begin_again(app: App, words: WordMakerFake) -> None:
    app.window.browser.search.setText("taiko")
    offer = app.window.browser.offer
    offer.make.click()
    settled(app, lambda: app.desk.words.progress.value[1] == 0.25)
    offer.make.click()
    words.go.set()
    settled(app, lambda: not app.desk.words.busy.value)
    assert not any(id.startswith("mine/") for id in app.rack.ids())
    assert offer.isVisible()
    assert offer.make.text() == "Make it a slider"


def test_a_word_that_gives_nothing_says_why_where_it_was_asked(app: App, words: WordMakerFake) -> None:
    words.error = BadInputError("the model found nothing in 'blorp'")
    words.go.set()
    app.window.browser.search.setText("blorp")
    offer = app.window.browser.offer
    offer.make.click()
    settled(app, lambda: not app.desk.words.busy.value)
    assert offer.words.text() == "the model found nothing in 'blorp'"
    app.window.browser.search.setText("another")
    assert offer.words.text() == ""


def test_without_a_model_that_reads_words_nothing_is_offered(app: App) -> None:
    app.word_maker.follow()
    app.window.browser.search.setText("taiko")
    assert not app.window.browser.offer.isVisible()
