"""A library's result list -> a virtual list of rows: kind, name, tick with its direction, strength."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QByteArray,
    QEvent,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
)
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QFontMetrics, QIcon, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QHeaderView,
    QInputDialog,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from drawbar.bank.kinds import kind_of
from drawbar_desktop.state.interfaces import FeatureLike
from drawbar_desktop.state.library import SHELVES, Library, hits
from drawbar_desktop.state.rack import Rack, feature_title
from drawbar_desktop.style.theme import TYPE, P, font, icon, qcolor
from drawbar_desktop.widgets.common.basics import Item, plain, popup
from drawbar_desktop.widgets.common.kinds import KIND_SIGNS
from drawbar_desktop.widgets.common.verdicts import tick_of

FEATURE_MIME = "application/x-drawbar-feature"
FEATURE_ROLE = Qt.ItemDataRole.UserRole
ROW_H = 30
BAR_W = 34
HOVER_MS = 320
SHOWN_VERDICTS = ("proven", "weak", "harmful")
Index = QModelIndex | QPersistentModelIndex


class FeatureModel(QAbstractListModel):
    """As many rows as the search has; a page is fetched when one of its rows is looked at."""

    def __init__(self, library: Library) -> None:
        super().__init__()
        self._library = library
        library.changed.connect(self._reset)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else self._library.count

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The row's title, what the row has no room for, or the feature itself for `FEATURE_ROLE`."""
        if role == Qt.ItemDataRole.ToolTipRole:
            found = self._library.row(index.row())
            return plain(self._tip(found)) if found is not None else None
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole, FEATURE_ROLE):
            return None
        feature = self._library.row(index.row())
        if feature is None or role == FEATURE_ROLE:
            return feature
        return feature_title(feature)

    def _tip(self, feature: FeatureLike) -> str:
        verdict, usable = feature.verdict, self._library.usable(feature)
        lines = [feature_title(feature), tick_of(verdict, usable)[2]]
        if usable is not None:
            lines.append("Safe from {:+.2g} to {:+.2g}".format(*usable).replace("-", "\u2212"))
        if feature.twins:
            lines.append(f"{feature.twins} more are the same slider")
        return "\n".join(lines)

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:
        """Feature ids, one a line."""
        return [FEATURE_MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        features = [self._library.row(i.row()) for i in indexes]
        result = QMimeData()
        result.setData(FEATURE_MIME, QByteArray("\n".join(f.id for f in features if f).encode()))
        return result

    def _reset(self) -> None:
        self.beginResetModel()
        self.endResetModel()


class FeatureDelegate(QStyledItemDelegate):
    """Paints one row."""

    def __init__(self, rack: Rack, library: Library) -> None:
        super().__init__()
        self._rack, self._library = rack, library
        self._kinds = {
            kind: icon(sign, color=getattr(P, kind) if kind else P.text_faint)
            for kind, sign in KIND_SIGNS.items()
        }
        self._ticks: dict[str, QIcon] = {}
        self._star = icon("star", color=P.solo)
        self._in_rack = icon("tune-vertical", color=P.text_soft)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, ROW_H)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Kind, name, tick with its direction and strength; the rest stands in the inspector."""
        feature: FeatureLike | None = index.data(FEATURE_ROLE)
        if feature is None:
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect: QRect = option.rect  # type: ignore[attr-defined]
        state: QStyle.StateFlag = option.state  # type: ignore[attr-defined]
        self._ground(painter, rect, state)
        right = self._strength(painter, rect, rect.right() - 12, feature)
        right = self._badges(painter, rect, right, feature)
        left = rect.left() + 34
        self._kinds[kind_of(feature.label)].paint(
            painter, QRect(rect.left() + 12, rect.center().y() - 7, 15, 15)
        )
        self._title(painter, QRect(left, rect.top() + 6, right - left - 6, 18), feature)
        painter.restore()

    def _ground(self, painter: QPainter, rect: QRect, state: QStyle.StateFlag) -> None:
        box = QRectF(rect).adjusted(4, 1, -4, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(P.select))
            painter.drawRoundedRect(box, 7, 7)
            painter.setBrush(QColor(P.focus))
            painter.drawRoundedRect(QRectF(box.left(), box.top() + 6, 3, box.height() - 12), 1.5, 1.5)
            if state & QStyle.StateFlag.State_HasFocus:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(qcolor(P.focus, 0.8), 1))
                painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(P.raised))
            painter.drawRoundedRect(box, 7, 7)

    def _title(self, painter: QPainter, box: QRect, feature: FeatureLike) -> None:
        title = feature_title(feature)
        face = font(TYPE.body, QFont.Weight.Medium)
        face.setItalic(not feature.label)
        painter.setFont(face)
        metrics = QFontMetrics(face)
        shown = metrics.elidedText(title, Qt.TextElideMode.ElideRight, box.width())
        for at, length in hits(self._library.text.value, shown):
            x = box.left() + metrics.horizontalAdvance(shown[:at])
            width = metrics.horizontalAdvance(shown[at : at + length])
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(qcolor(P.fill, 0.32))
            painter.drawRoundedRect(QRectF(x - 1, box.top() + 1, width + 2, box.height() - 1), 3, 3)
        painter.setPen(QColor(P.text if feature.label else P.text_soft))
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, shown)

    def _strength(self, painter: QPainter, rect: QRect, right: int, feature: FeatureLike) -> int:
        """How well the label fits what is heard, as a bar."""
        if feature.label_score is None:
            return right - BAR_W - 6
        score = max(0.0, min(1.0, feature.label_score))
        groove = QRectF(right - BAR_W, rect.center().y() - 1, BAR_W, 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(P.well))
        painter.drawRoundedRect(groove, 2, 2)
        painter.setBrush(QColor(P.fill))
        painter.drawRoundedRect(QRectF(groove.left(), groove.top(), max(4.0, BAR_W * score), 4), 2, 2)
        return right - BAR_W - 6

    def _verdict(self, feature: FeatureLike) -> QIcon:
        """Proven sliders with the way they can be pulled."""
        sign, tone, _ = tick_of(feature.verdict, self._library.usable(feature))
        if sign not in self._ticks:
            self._ticks[sign] = icon(sign, color=getattr(P, tone))
        return self._ticks[sign]

    def _badges(self, painter: QPainter, rect: QRect, right: int, feature: FeatureLike) -> int:
        badges = (
            (feature.id in self._rack, self._in_rack),
            (feature.verdict in SHOWN_VERDICTS, self._verdict(feature)),
            (feature.starred, self._star),
        )
        for wanted, picture in badges:
            if wanted:
                picture.paint(painter, QRect(right - 17, rect.center().y() - 7, 15, 15))
                right -= 19
        return right


class FeatureList(QTableView):
    """The list itself: double-click or Enter adds, dragging carries the id, resting on a row plays it.

    A table of one column, because QListView asks the model about every row whenever the list changes.
    """

    def __init__(
        self,
        library: Library,
        rack: Rack,
        add: Callable[[str], object],
        preview: Callable[[str | None], object] = lambda _: None,
    ) -> None:
        super().__init__()
        self._library, self._add, self._preview = library, add, preview
        self.listens = False
        """Whether resting on a row plays its best example."""
        self._hovered: str | None = None
        self.setModel(FeatureModel(library))
        self.setItemDelegate(FeatureDelegate(rack, library))
        across, down = self.horizontalHeader(), self.verticalHeader()
        across.hide()
        across.setStretchLastSection(True)
        down.hide()
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(ROW_H)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setCornerButtonEnabled(False)
        corner = self.findChild(QAbstractButton)  # Qt's, never shown
        if corner is not None:
            corner.setAccessibleName("Every row")
            corner.setToolTip("Every row")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(ROW_H // 2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Features")
        self.doubleClicked.connect(self._activate)
        self.selectionModel().currentChanged.connect(self._select)
        self._rest = QTimer(self, singleShot=True, interval=HOVER_MS)
        self._rest.timeout.connect(lambda: self._preview(self._hovered))
        self.entered.connect(self._hover)
        rack.layout_changed.connect(lambda: self.viewport().update())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter adds the current row, P plays its example, F stars it."""
        current = self._library.row(self.currentIndex().row()) if self.currentIndex().isValid() else None
        if current is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._add(current.id)
        elif current is not None and event.key() == Qt.Key.Key_P:
            self._preview(current.id)
        elif current is not None and event.key() == Qt.Key.Key_F:
            self._library.star(current.id, not current.starred)
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._hover(QModelIndex())
        super().leaveEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        feature = self._library.row(self.indexAt(event.pos()).row())
        if feature is not None:
            popup(self, self.menu_of(feature), event.globalPos())

    def menu_of(self, feature: FeatureLike) -> list[Item]:
        library, id = self._library, feature.id
        own = [shelf.name for shelf in library.shelves()[len(SHELVES) :] if shelf.name != "hidden"]
        items: list[Item] = [
            ("Add to the rack", lambda: self._add(id)),
            ("Play its best example", lambda: self._preview(id)),
            None,
            ("Remove the star" if feature.starred else "Star", lambda: library.star(id, not feature.starred)),
        ]
        items += [
            (f"Put on the shelf \u201c{name}\u201d", lambda n=name: library.shelve(id, n)) for name in own
        ]
        items += [("Put on a new shelf \u2026", lambda: self._new_shelf(id))]
        if library.shelf.value in own:
            shelf = library.shelf.value
            items.append((f"Take off \u201c{shelf}\u201d", lambda: library.shelve(id, shelf, False)))
        hidden = library.shelf.value == "hidden"
        items += [None, ("Show again" if hidden else "Hide", lambda: library.hide(id, not hidden))]
        return items

    def _new_shelf(self, id: str) -> None:
        name, given = QInputDialog.getText(self, "New shelf", "Name of the shelf:")
        if given and name.strip():
            self._library.shelve(id, name.strip())

    def _hover(self, index: QModelIndex) -> None:
        if not self.listens:
            return
        feature = self._library.row(index.row()) if index.isValid() else None
        id = feature.id if feature is not None else None
        if id == self._hovered:
            return
        self._hovered = id
        if id is None:
            self._rest.stop()
            self._preview(None)
        else:
            self._rest.start()

    def _activate(self, index: QModelIndex) -> None:
        feature = self._library.row(index.row())
        if feature is not None:
            self._add(feature.id)

    def _select(self, current: QModelIndex, _previous: QModelIndex) -> None:
        feature = self._library.row(current.row()) if current.isValid() else None
        if feature is not None:
            self._library.selected.set(feature.id)
