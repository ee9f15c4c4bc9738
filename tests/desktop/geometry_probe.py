"""Window sizes -> what is cut off, how long the faders are, where the panels stand, as one line of JSON.

A process of its own, because Qt reads its scale once:
``QT_SCALE_FACTOR=1.5 python -m tests.desktop.geometry_probe 853x480``.
"""

import json
import os
import sys
from typing import Any

from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from drawbar_desktop.app import App, make_application
from drawbar_desktop.widgets.window import MainWindow
from tests.desktop.fakes import FakeBank, FakeEngine, fake_load, start_or_stop


def outside(window: MainWindow) -> list[str]:
    """Widgets that a parent cuts off; what can be scrolled to is not cut off."""
    found = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not window:
            continue
        inside, area = widget, widget.rect()
        while inside is not window and (parent := inside.parentWidget()) is not None:
            area.translate(inside.pos())
            inside = parent
            if isinstance(inside.parentWidget(), QAbstractScrollArea):
                break
            if not inside.rect().contains(area):
                name = widget.accessibleName() or widget.objectName()
                found.append(f"{type(widget).__name__} {name!r} at {area} of {inside.size()}")
                break
    return found


def measure(window: MainWindow, asked: tuple[int, int]) -> dict[str, Any]:
    """Where everything stands, in logical pixels."""
    root = window.centralWidget()
    assert isinstance(root, QAbstractScrollArea)
    strips = list(window.rack.strips.values())
    cut = 0
    for strip in strips:
        holder = strip.parentWidget()
        view = holder.parentWidget() if holder is not None else None
        assert holder is not None
        assert view is not None
        cut = max(cut, holder.height() - view.height())
    return {
        "asked": list(asked), "window": [window.width(), window.height()], "ratio": window.devicePixelRatio(),
        "outside": outside(window), "faders": [strip.slider.height() for strip in strips], "strips_cut_px": cut,
        "browser_h": window.panels.browser.height(), "side_h": window.panels.side.height(),
        "side_w": window.side.width(), "rack_w": window.rack.width(), "rack_h": window.rack.height(),
        "timeline_w": window.timeline.width(), "timeline_h": window.timeline.height(),
        "scrolled": bool(root.verticalScrollBar().maximum() or root.horizontalScrollBar().maximum()),
    }  # fmt: skip


def main(sizes: list[str]) -> None:
    """Each size without and with a take."""
    application = make_application(["geometry"])
    answers = []
    for size in sizes:
        width, height = (int(n) for n in size.split("x"))
        engine, bank = FakeEngine(), FakeBank()
        app = App(fake_load(engine, bank))
        app.load_now()
        window = app.window
        window.setMinimumSize(0, 0)  # the screen of the offscreen platform is 800 x 800
        window.resize(width, height)
        window.show()

        def settle() -> None:
            for _ in range(6):
                application.processEvents()

        settle()
        empty = measure(window, (width, height))
        for row in bank.rows[:6]:
            app.rack_actions.add(row.id)
        start_or_stop(app)
        app.links.ask("question", "Something that waits for an answer", ("Yes", lambda: None))
        engine.step(3.0)
        app.poll_plots()
        app.poll_text()
        settle()
        answers.append({"empty": empty, "playing": measure(window, (width, height))})
        window.close()
    sys.stdout.write(json.dumps(answers) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
