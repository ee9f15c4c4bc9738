"""The real window with the embedded model, driven through ten minutes of use -> the pictures of docs/guide.md.

drawbar pictures guide [FOLDER] [--scale 150] [--theme light] [--size 1440x900]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from drawbar.files.destination import check_folder

PROMPT = "slow piano in A minor with drums"
LIMIT_S = 600.0


class _Tour:
    """One application, one picture after the other."""

    def __init__(self, app: Any, application: Any, folder: Path) -> None:
        self.app, self.application, self.folder = app, application, folder

    def wait(self, what: str, done: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Let the window live until something is so."""
        end = time.monotonic() + limit_s
        while not done():
            if self.app.failed is not None or time.monotonic() > end:
                raise SystemExit(f"{what} did not happen: {self.app.failed or 'it took too long'}")
            self.application.processEvents()
            time.sleep(0.005)

    def rest(self, seconds: float = 0.4) -> None:
        end = time.monotonic() + seconds
        self.wait("resting", lambda: time.monotonic() >= end)

    def take_picture(self, name: str, over: Any = None) -> None:
        """The window, with a card that floats over it."""
        self.rest()
        self.app.links.settle("slow")  # the machine that makes the pictures may be busy
        self.rest(0.1)
        picture = self.app.window.grab()
        if over is not None:
            from PySide6.QtGui import QPainter

            painter = QPainter(picture)
            painter.drawPixmap(self.app.window.mapFromGlobal(over.pos()), over.grab())
            painter.end()
        from drawbar_desktop.devtools.picture_file import save_picture

        path = self.folder / f"{name}.png"
        save_picture(picture, path)
        sys.stderr.write(f"{name}.png\n")

    def come_new(self) -> None:
        """A newcomer's way from the first start to steered sound, each click counted."""
        clicks, app = 0, self.app
        app.window.welcome.go.click()
        clicks += 1
        self.wait("the first sound", lambda: app.timeline.played_s > 2.0)
        pulled = {app.links.title_of(id): amount for id, amount in app.rack.effective().items() if amount}
        if not pulled:
            raise SystemExit("the newcomer hears the model without a slider")
        sys.stderr.write(f"from the first start to steered sound: {clicks} click, {pulled}\n")
        self.take_picture("first")

    def open_words(self) -> Any:
        """The card of the words that the model knows."""
        self.app.window.transport.vocabulary.click()
        return self.app.window.transport.words

    def run(self) -> None:
        """The guide, from the first start to the light theme."""
        app, desk = self.app, self.app.desk
        app.window.show()
        app.start()
        self.wait("loading", lambda: app.transport.ready.value)
        self.wait("the welcome", lambda: app.window.welcome.isVisible())
        self.take_picture("welcome")
        self.come_new()
        self.take_picture("words", over=self.open_words())
        app.window.transport.words.close()
        app.actions.end_take()
        self.wait("the end of the first take", lambda: desk.history.total == 1)
        app.rack.restore("the guide's", [])
        app.transport.prompt.set(PROMPT)
        app.transport.set_seed(7)
        app.transport.seed_locked.set(True)
        app.transport.seconds.set(8.0)
        app.window.browser.search.setText("drum")
        self.take_picture("search")
        app.window.browser.search.clear()
        app.rack_actions.add_best()
        ids = list(app.rack.ids())
        app.new_take()
        self.wait("playing", lambda: app.timeline.played_s > 1.0)
        app.rack.set_amount(ids[0], 1.2)
        app.rack.set_amount(ids[2], -0.7)
        self.wait("playing on", lambda: app.timeline.played_s > 4.0)
        self.take_picture("playing")
        self.wait("the end", lambda: desk.history.total == 2)
        app.actions.hear()
        app.window.side.show_tab(1)
        self.wait("listening", lambda: bool(desk.hearing.heard.value))
        self.take_picture("hearing")
        app.library.selected.set(ids[0])
        app.actions.detect_tempo()
        self.rest(1.0)
        desk.lanes.draw(ids[0], [(t / 10, 1.4 if 20 <= t < 50 else 0.0) for t in range(81)])
        desk.macros.make(ids[1:3], "Band")
        self.take_picture("automation")
        app.new_take()
        self.wait("the third take", lambda: desk.history.total == 3)
        desk.history.mark(desk.history.shown()[0].id, starred=True, notes="the piano comes in at bar 2")
        app.window.side.show_tab(2)
        self.take_picture("takes")
        app.actions.export()
        self.take_picture("export")
        app.window.export.dismiss()
        for page, name in (("Models", "models"), ("MIDI", "midi")):
            app.actions.open_settings(page)
            self.take_picture(name)
        app.window.settings.dismiss()
        app.window.overlay.present()
        self.take_picture("keys")
        app.window.overlay.dismiss()
        size = app.window.size()
        app.actions.set_theme("light" if desk.settings["theme"] == "dark" else "dark")
        app.window.resize(size)  # a platform without a screen forgets it
        app.window.settings.dismiss()
        app.actions.play_take(desk.history.shown()[0].id)
        self.wait("the other theme", lambda: bool(app.timeline.title))
        self.rest(1.0)
        self.take_picture("light" if desk.settings["theme"] == "light" else "dark")
        app.listening.stop()


def _size(text: str) -> tuple[int, int]:
    width, height = (int(n) for n in text.split("x"))  # ValueError: argparse says so
    return width, height


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="drawbar pictures guide", description="The pictures of docs/guide.md."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--scale", type=int, default=100)
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--size", type=_size, default=(1440, 900), metavar="WIDTHxHEIGHT")
    given = parser.parse_args(list(arguments))
    width, height = given.size
    from drawbar_desktop.services.display import why_no_window

    if why_no_window() is not None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    check_folder(given.folder)
    with tempfile.TemporaryDirectory() as home:
        from drawbar_desktop.app import App, make_application
        from drawbar_desktop.services.model_loading import load_embedded
        from drawbar_desktop.state.desk import Desk

        desk = Desk(Path(home))
        desk.settings.set("theme", given.theme)
        desk.settings.set("scale_percent", given.scale)
        application = make_application(settings=desk.settings)
        app = App(load_embedded, desk)
        app.window.resize(width, height)
        try:
            _Tour(app, application, given.folder).run()
        finally:
            app.window.close()
    return 0
