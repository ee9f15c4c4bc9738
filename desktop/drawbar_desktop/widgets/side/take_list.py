"""The history -> rows with thumbnail, prompt, seed and marks; keys and menu play, star, recall, drag out and delete."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import (
    QAbstractListModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QUrl,
)
from PySide6.QtGui import QColor, QContextMenuEvent, QFontMetrics, QKeyEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.takes import History, TakeItem
from drawbar_desktop.state.transport import format_time
from drawbar_desktop.style.theme import TYPE, P, font, icon, qcolor
from drawbar_desktop.widgets.common.actions import Actions
from drawbar_desktop.widgets.common.basics import Item, plain, popup

ROW_H = 66
TAKE_ROLE = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


def when(created_s: float) -> str:
    """A time as a person says it: today's hour, or the day."""
    then = datetime.fromtimestamp(created_s)
    today = then.date() == datetime.now().date()
    return then.strftime("%H:%M") if today else then.strftime("%d %b %H:%M")


class TakeModel(QAbstractListModel):
    """Rows of the history; a dragged row carries the lasting sound file."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._items: tuple[TakeItem, ...] = history.shown()
        history.changed.connect(self._reset)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._items)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not 0 <= index.row() < len(self._items):
            return None
        item = self._items[index.row()]
        if role == TAKE_ROLE:
            return item
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{item.settings.prompt or 'no prompt'}, seed {item.settings.seed}, {item.seconds:.1f} s"
        return plain(item.notes) or None if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:
        """Files, as every other program understands them."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        data = QMimeData()
        paths = [self._items[i.row()].path for i in indexes if 0 <= i.row() < len(self._items)]
        data.setUrls([QUrl.fromLocalFile(str(Path(p).resolve())) for p in paths])
        return data

    def place_of(self, id: str | None) -> int:
        """The row of a take; -1 when it is not shown."""
        return next((i for i, item in enumerate(self._items) if item.id == id), -1)

    def _reset(self) -> None:
        self.beginResetModel()
        self._items = self._history.shown()
        self.endResetModel()


class TakeDelegate(QStyledItemDelegate):
    """Paints one take: waveform on the left, prompt and figures on the right."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._star = icon("star", color=P.solo)
        self._note = icon("note-text-outline", color=P.text_soft)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, ROW_H)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item: TakeItem | None = index.data(TAKE_ROLE)
        if item is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        box = QRectF(rect).adjusted(4, 1, -4, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(P.select))
            painter.drawRoundedRect(box, 7, 7)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(P.raised))
            painter.drawRoundedRect(box, 7, 7)
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_Selected:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(qcolor(P.focus, 0.8), 1))
            painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)
        thumb = QRectF(rect.left() + 12, rect.top() + 10, 84, ROW_H - 20)
        self._thumbnail(painter, thumb, item)
        self._words(painter, rect, int(thumb.right()) + 10, item)
        painter.restore()

    def _thumbnail(self, painter: QPainter, box: QRectF, item: TakeItem) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(box, 5, 5)
        if item.thumb:
            loudest = max(0.05, max(max(-a, b) for a, b in item.thumb))
            middle, half = box.center().y(), box.height() / 2 - 4
            step = (box.width() - 8) / len(item.thumb)
            top = [
                QPointF(box.left() + 4 + i * step, middle - max(0.02, b / loudest) * half)
                for i, (_, b) in enumerate(item.thumb)
            ]
            low = [
                QPointF(box.left() + 4 + i * step, middle - min(-0.02, a / loudest) * half)
                for i, (a, _) in enumerate(item.thumb)
            ]
            painter.setBrush(QColor(P.fill))
            painter.drawPolygon(QPolygonF([*top, *reversed(low)]))
        if self._history.playing.value == item.id:
            painter.setBrush(qcolor(P.well, 0.55))
            painter.drawRoundedRect(box, 5, 5)
            icon("volume-high", color=P.text).paint(painter, box.toRect().adjusted(28, 8, -28, -8))

    def _words(self, painter: QPainter, rect: QRect, left: int, item: TakeItem) -> None:
        right = rect.right() - 14
        for wanted, picture in ((item.starred, self._star), (bool(item.notes), self._note)):
            if wanted:
                picture.paint(painter, QRect(right - 15, rect.top() + 10, 15, 15))
                right -= 19
        painter.setFont(font(TYPE.body))
        painter.setPen(QColor(P.text if item.settings.prompt else P.text_faint))
        words = item.settings.prompt or "no prompt"
        metrics = QFontMetrics(painter.font())
        box = QRect(left, rect.top() + 8, right - left, 18)
        painter.drawText(
            box,
            Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(words, Qt.TextElideMode.ElideRight, box.width()),
        )
        painter.setFont(font(TYPE.small))
        painter.setPen(QColor(P.text_soft))
        below = f"{when(item.created_s)}   {format_time(item.seconds)}   seed {item.settings.seed}"
        painter.drawText(
            QRect(left, rect.top() + 26, rect.right() - 12 - left, 16), Qt.AlignmentFlag.AlignVCenter, below
        )
        count = len(item.sliders)
        parts = [f"{count} slider{'s' if count != 1 else ''}"] if count else ["no sliders"]
        parts += ["recovered"] if item.recovered else [] if item.complete else ["stopped"]
        parts += ["compared with"] if self._history.against.value == item.id else []
        painter.setPen(QColor(P.text_faint))
        painter.drawText(
            QRect(left, rect.top() + 42, rect.right() - 12 - left, 16),
            Qt.AlignmentFlag.AlignVCenter,
            "   ".join(parts),
        )


class TakeList(QListView):
    """The list itself."""

    def __init__(self, desk: Desk, actions: Actions) -> None:
        super().__init__()
        self._history, self._actions = desk.history, actions
        self._model = TakeModel(desk.history)
        self.setModel(self._model)
        self.setItemDelegate(TakeDelegate(desk.history))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Takes")
        self.doubleClicked.connect(lambda index: self._with(index, actions.play_take))
        self.selectionModel().currentChanged.connect(self._select)
        self._model.modelReset.connect(self._reselect)
        for value in (desk.history.playing, desk.history.against):
            value.changed.connect(lambda _: self.viewport().update())
        desk.history.selected.changed.connect(lambda _: self._reselect())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter plays, F stars, R recalls, Delete deletes."""
        item = self._item(self.currentIndex())
        key = Qt.Key(event.key())
        if item is None:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._actions.play_take(item.id)
        elif key == Qt.Key.Key_F:
            self._history.mark(item.id, starred=not item.starred)
        elif key == Qt.Key.Key_R:
            self._actions.recall(item.id)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._actions.delete_take(item.id)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        item = self._item(self.indexAt(event.pos()))
        if item is not None:
            self._history.selected.set(item.id)
            popup(self, self.menu_of(item), event.globalPos())

    def menu_of(self, item: TakeItem) -> list[Item]:
        """Everything that the buttons below do, and more."""
        history, actions, id = self._history, self._actions, item.id
        return [
            ("Play", lambda: actions.play_take(id)),
            ("Restore its settings", lambda: actions.recall(id)),
            ("Compare with this one", lambda: history.against.set(id)),
            None,
            (
                "Remove the star" if item.starred else "Star",
                lambda: history.mark(id, starred=not item.starred),
            ),
            ("Export \u2026", lambda: actions.export()),
            None,
            ("Delete", lambda: actions.delete_take(id)),
        ]

    def _item(self, index: Index) -> TakeItem | None:
        item = index.data(TAKE_ROLE) if index.isValid() else None
        return item if isinstance(item, TakeItem) else None

    def _with(self, index: QModelIndex, call: object) -> None:
        item = self._item(index)
        if item is not None:
            call(item.id)  # type: ignore[operator]

    def _select(self, current: QModelIndex, _previous: QModelIndex) -> None:
        item = self._item(current)
        if item is not None:
            self._history.selected.set(item.id)

    def _reselect(self) -> None:
        place = self._model.place_of(self._history.selected.value)
        if place >= 0 and self.currentIndex().row() != place:
            self.setCurrentIndex(self._model.index(place, 0))
