"""One take -> the window as it looks in both themes, at every scale, in a small and a large screen: pictures to judge.

drawbar pictures looks [FOLDER] [--only 200-dark-2560x1440]

One process a picture, because Qt reads the scale once. The take is rendered with the embedded model beforehand; the
windows themselves load only the bank.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drawbar.files.destination import check_folder

LOOKS = tuple(
    (scale, theme, size)
    for theme in ("dark", "light")
    for scale, size in (
        (100, (1280, 720)), (100, (2560, 1440)), (150, (1920, 1080)), (150, (2560, 1440)), (200, (2560, 1440)),
    )
)  # fmt: skip
"""Scale in percent, theme, size in the screen's own pixels."""
SHEETS = {"100-dark-1280x720", "100-light-1280x720"}
"""Where the cards are shown too: the smallest window."""
PROMPT = "slow piano in A minor with drums"
PULLED = (1.2, -0.6, 0.4, 0.0, 2.6)


def main(arguments: Sequence[str]) -> int:
    """Render the take, then a process for every look."""
    parser = argparse.ArgumentParser(
        prog="drawbar pictures looks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/pictures/looks"))
    parser.add_argument(
        "--only", default="", metavar="LOOK", choices=["", *map(_name, *zip(*LOOKS, strict=True))]
    )
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(list(arguments))
    if given.home is not None:
        return _one(given.only, given.home, given.folder)
    check_folder(given.folder)
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder, "home")
        sys.stderr.write("rendering a take\n")
        _render(first)
        for name in map(_name, *zip(*LOOKS, strict=True)):
            if given.only not in ("", name):
                continue
            home = Path(folder, name)
            shutil.copytree(first, home)
            words = ["pictures", "looks", str(given.folder), "--only", name, "--home", str(home)]
            environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
            done = subprocess.run([sys.executable, "-m", "drawbar_desktop", *words], env=environment)
            if done.returncode:
                return done.returncode
    return 0


def _name(scale: int, theme: str, size: tuple[int, int]) -> str:
    return f"{scale}-{theme}-{size[0]}x{size[1]}"


def _render(home: Path) -> None:
    """A take with its heat-map, into a history."""
    from drawbar.bank import Bank
    from drawbar.live import TakeSettings, render
    from drawbar.musicgen import load_model
    from drawbar.paths import embedded_bank_dir
    from drawbar_desktop.services.feature_listener import Ear
    from drawbar_desktop.state.takes import TakeStore

    model = load_model("embedded")
    bank = Bank.open(embedded_bank_dir())
    store = TakeStore(home / "takes")
    take = render(model, bank, TakeSettings(PROMPT, 7, 8.0))
    store.add(take, heat=Ear(model, bank).rows(take.tokens))
    bank.close()


def _one(name: str, home: Path, folder: Path) -> int:
    scale, theme, size = name.split("-")
    width, height = (round(int(n) * 100 / int(scale)) for n in size.split("x"))
    from drawbar_desktop.state.settings import Settings

    settings = Settings(home / "settings.json")
    settings.set("theme", theme)
    settings.set("scale_percent", int(scale))
    settings.set("welcomed", True)
    settings.save()
    from PySide6.QtWidgets import QApplication

    from drawbar.bank import Bank
    from drawbar.paths import embedded_bank_dir
    from drawbar_desktop.app import App, make_application
    from drawbar_desktop.devtools.bench_window import StandIn
    from drawbar_desktop.devtools.picture_file import save_picture
    from drawbar_desktop.services.interfaces import Loaded
    from drawbar_desktop.state.desk import Desk

    desk = Desk(home)
    application = make_application(settings=desk.settings)
    engine: Any = StandIn(1.0, 64)
    bank: Any = Bank.open(embedded_bank_dir())
    app = App(lambda say: Loaded(engine, bank, name="drawbar-embedded"), desk)
    app.window.resize(width, height)
    app.window.show()
    app.load_now()

    def rest(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            app.poll_plots()
            app.poll_text()
            application.processEvents()
            time.sleep(0.01)

    for row, amount in zip(app.library.best(len(PULLED)), PULLED, strict=False):
        app.rack_actions.add(row.id)
        app.rack.set_amount(row.id, amount)
    desk.macros.make(list(app.rack.ids())[1:3], "Band")
    desk.history.mark(desk.history.shown()[0].id, starred=True, notes="the piano comes in at bar 2")
    app.transport.prompt.set(PROMPT)
    app.transport.set_seed(7)
    app.actions.play_take(desk.history.shown()[0].id)
    while app.timeline.played_s < 5.0:
        rest(0.1)
    app.library.selected.set(next(iter(app.rack.ids())))
    app.window.rack.show_activations(app.timeline.now())
    rest(0.5)

    def grab(what: str) -> None:
        rest(0.3)
        save_picture(app.window.grab(), folder / f"{what}.png")
        sys.stderr.write(f"{what}.png\n")

    grab(name)
    if name in SHEETS:
        app.window.side.show_tab(2)
        for page in ("Sound", "Models", "Appearance"):
            app.actions.open_settings(page)
            grab(f"{name}-{page.lower()}")
        app.window.settings.dismiss()
        app.actions.export()
        grab(f"{name}-export")
        app.window.export.dismiss()
        app.window.overlay.present()
        grab(f"{name}-keys")
    app.listening.stop()
    app.window.close()
    QApplication.processEvents()
    return 0
