"""Labels, prompts and notes from anyone, in every view: shown as they are, never read as rich text with pictures."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6 import QtGui
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QLabel, QTextEdit, QWidget

import drawbar_desktop
from drawbar_desktop.app import App
from drawbar_desktop.state.takes import TakeStore
from drawbar_desktop.widgets.common.basics import plain
from tests.desktop.fakes import FakeBank
from tests.desktop.test_state_keeping import make_take

HOSTILE = 'drums <img src="file:///etc/passwd"><b>bold</b> &lt;i&gt; & more'
SOURCES = sorted(Path(drawbar_desktop.__file__).parent.rglob("*.py"))


def calls(path: Path, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and name in (getattr(node.func, "attr", ""), getattr(node.func, "id", ""))
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.stem))
def test_every_tooltip_and_label_is_plain(path: Path) -> None:
    """A tooltip is written in the code, or goes through `plain`; labels are made by `label`, which is plain."""
    for call in calls(path, "setToolTip"):
        given = call.args[-1]
        known = isinstance(given, ast.Constant) or getattr(getattr(given, "func", None), "id", "") == "plain"
        assert known, f"{path.name}:{call.lineno}: setToolTip(plain(...))"
    if path.name != "basics.py":
        assert not calls(path, "QLabel"), f"{path.name}: use label() of widgets.common.basics"
    for name in ("setHtml", "QMessageBox", "drawStaticText"):
        assert not calls(path, name), f"{path.name}: {name} reads rich text"


@pytest.mark.parametrize("text", ["drums", HOSTILE, "a\nb <c>", "&lt;", ""])
def test_a_tooltip_shows_the_text_itself(qapp: object, text: str) -> None:
    seen = QTextEdit()
    (seen.setHtml if QtGui.Qt.mightBeRichText(plain(text)) else seen.setPlainText)(plain(text))
    assert seen.toPlainText() == text


def shown(root: QWidget) -> list[str]:
    """What every widget would have Qt read as rich text, but for what `plain` escaped."""
    found = []
    for widget in (root, *root.findChildren(QWidget)):
        texts = [widget.toolTip(), widget.statusTip(), widget.whatsThis()]
        if isinstance(widget, QLabel) and widget.textFormat() != Qt.TextFormat.PlainText:
            texts.append(QLabel.text(widget))
        if isinstance(widget, QAbstractItemView) and widget.model() is not None:
            model: Any = widget.model()
            roles = (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.StatusTipRole)
            for row in range(min(model.rowCount(), 20)):
                texts += [str(model.data(model.index(row, 0), role) or "") for role in roles]
        found += [f"{type(widget).__name__}: {text}" for text in texts if "<img" in text or "<b>" in text]
    return found


def test_hostile_texts_are_rich_text_in_no_view(app: App, bank: FakeBank, tmp_path: Path) -> None:
    ids = [row.id for row in bank.rows[:4]]
    bank.rows = [
        replace(row, label=HOSTILE, label_author=HOSTILE, verdict=row.verdict, tags=(HOSTILE,))
        if row.id in ids
        else row
        for row in bank.rows
    ]
    app.library.refresh()
    for id in ids:
        app.rack_actions.add(id)
        app.library.selected.set(id)
    app.transport.prompt.set(HOSTILE)
    take = make_take(0.2)
    store = TakeStore(tmp_path / "home" / "takes")
    item = store.add(replace(take, settings=replace(take.settings, prompt=HOSTILE)))
    app.desk.history.put(store.mark(item, notes=HOSTILE))
    app.poll_plots()
    app.poll_text()
    assert any(
        HOSTILE in QLabel.text(w) or HOSTILE in w.accessibleName() for w in app.window.findChildren(QLabel)
    )
    assert shown(app.window) == []
