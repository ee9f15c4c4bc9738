"""The one Qt style sheet; every colour in it is one of `theme`'s."""

TEMPLATE = """
QWidget { color: $text; }
QMainWindow, #root { background: $ground; }
QToolTip { background: $raised; color: $text; border: 1px solid $line_strong; padding: 5px 8px; }

#transport { background: qlineargradient(x1:0, y1:0, x2:0, y2:1, stop:0 $bar_top, stop:1 $panel);
             border-bottom: 1px solid $line; }
#panel { background: $panel; border: 1px solid $line; border-radius: 10px; }
#rackFloor { background: $well; border: 1px solid $line; border-radius: 10px; }
#strip { background: qlineargradient(x1:0, y1:0, x2:0, y2:1, stop:0 $strip_top, stop:1 $strip_bottom);
         border: 1px solid $line; border-radius: 9px; }
#strip[selected="true"] { border: 1px solid $focus; }
#strip[bypassed="true"] { background: $well; border: 1px dashed $line_strong; }
#statusLine { background: $ground; }

#heading { font-size: 13px; font-weight: 600; color: $text; }
#wordmark { font-size: 18px; font-weight: 600; color: $text; }
#caption { font-size: 10px; font-weight: 600; color: $text_faint; }
#soft { color: $text_soft; }
#small { font-size: 11px; color: $text_soft; }
#faint { font-size: 11px; color: $text_faint; }
#promptHint { font-size: 11px; color: $text_soft; background: $raised; border-radius: 5px;
    padding: 3px 8px; }
#number { font-size: 13px; font-weight: 600; color: $text; }
#number[alarm="true"] { color: $warn; }
#clock { font-size: 20px; font-weight: 600; color: $text; }
#featureTitle { font-size: 17px; font-weight: 600; color: $text; }
#stripTitle { font-size: 12px; font-weight: 600; color: $text; }
#tag { font-size: 10px; font-weight: 600; color: $text_soft; background: $well;
    border: 1px solid $line_strong;
       border-radius: 4px; padding: 1px 5px; }
#tag[tone="accent"] { color: $accent_bright; background: $accent_dim; border-color: $accent_line; }

QLineEdit, QSpinBox, QComboBox { background: $well; color: $text; border: 1px solid $line_strong;
    border-radius: 7px;
    padding: 0 10px; min-height: 32px; selection-background-color: $select; selection-color: $text; }
QLineEdit:hover, QSpinBox:hover, QComboBox:hover { border-color: $line_hover; }
QLineEdit:focus, QSpinBox:focus, QComboBox:focus { border: 1px solid $focus; }
QLineEdit#prompt { font-size: 15px; min-height: 36px; padding: 0 12px; }
QLineEdit#search { padding: 0 6px 0 2px; }
QLineEdit#value { background: $well; border: 1px solid $line; border-radius: 5px; min-height: 22px;
    padding: 0 2px;
    font-weight: 600; font-size: 12px; }
QLineEdit#value:hover { border-color: $line_strong; }
QLineEdit#value:focus { border-color: $focus; }
QComboBox::drop-down { border: 0; width: 22px; }
QComboBox::down-arrow { image: none; width: 0; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $line_strong; padding: 4px; outline: 0;
    selection-background-color: $select; selection-color: $text; }

QPushButton { background: $raised; border: 1px solid $line_strong; border-radius: 7px; padding: 0 12px;
    min-height: 32px; font-weight: 500; }
QPushButton:hover { background: $hover; border-color: $line_hover; }
QPushButton:pressed { background: $well; }
QPushButton:focus { border: 1px solid $focus; }
QPushButton:disabled { color: $text_faint; background: $panel; border-color: $line; }
QPushButton:checked { background: $select; border-color: $line_hover; color: $text; }
QPushButton#primary { background: $ivory; color: $on_ivory; border: 1px solid $ivory; font-weight: 600; }
QPushButton#primary:hover { background: $ivory_bright; }
QPushButton#primary:focus { border: 2px solid $text; }
QPushButton#primary:disabled { background: $panel; color: $text_faint; border-color: $line_strong; }
QPushButton#chip { min-height: 24px; border-radius: 12px; padding: 0 7px; font-size: 11px;
    background: transparent; }
QPushButton#chip[bare="true"] { padding: 0 2px; }
QPushButton#chip:hover { background: $hover; }
QPushButton#chip:checked { background: $select; border-color: $focus; color: $text; }
QPushButton#chip:focus { border-color: $focus; }
QPushButton#link { background: transparent; border: 1px solid transparent; padding: 0 4px; min-height: 22px;
    color: $text; text-align: left; font-size: 12px; text-decoration: underline; }
QPushButton#link:hover { background: $hover; }
QPushButton#link:focus { border-color: $focus; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 3px; }
QToolButton:hover { background: $hover; }
QToolButton:focus { border-color: $focus; }
QToolButton:checked { background: $select; border-color: $line_hover; }
QToolButton#framed { background: $raised; border: 1px solid $line_strong; min-width: 26px; min-height: 26px; }
QToolButton#framed:hover { background: $hover; }
QToolButton#framed:checked { background: $select; border-color: $line_hover; }
QToolButton#framed:focus { border-color: $focus; }

QListView, QTableView { background: transparent; border: 0; outline: 0; }
QScrollArea { background: transparent; border: 0; }
QScrollArea > QWidget > QWidget { background: transparent; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle { background: $line_strong; border-radius: 3px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $text_faint; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $line_hover; }

QSlider::groove:horizontal { height: 4px; background: $well; border: 1px solid $line_strong;
    border-radius: 3px; }
QSlider::sub-page:horizontal { background: $fill; border-radius: 2px; }
QSlider::handle:horizontal { background: $ivory; width: 12px; height: 16px; margin: -7px 0;
    border-radius: 4px;
    border: 1px solid $on_ivory; }
QSlider::handle:horizontal:hover { background: $ivory_bright; }
QSlider:focus { border: 1px solid $focus; border-radius: 6px; }
#separator { background: $line; max-height: 1px; min-height: 1px; border: 0; }
#addSlot { background: transparent; border: 1px dashed $line_strong; border-radius: 9px; color: $text_faint;
    font-size: 11px; font-weight: 500; padding: 0 8px; }
#addSlot:hover { background: $panel; border-color: $text_faint; color: $text_soft; }
#addSlot:focus { border-color: $focus; }
#scrim { background: $scrim; }
#card { background: $raised; border: 1px solid $line_strong; border-radius: 12px; }
QMenu { background: $raised; border: 1px solid $line_strong; border-radius: 8px; padding: 5px; }
QMenu::item { padding: 6px 26px 6px 12px; border-radius: 5px; color: $text; }
QMenu::item:selected { background: $select; color: $text; }
QMenu::item:disabled { color: $text_faint; }
QMenu::separator { height: 1px; background: $line; margin: 5px 8px; }
QMenu::indicator { width: 12px; height: 12px; margin-left: 6px; border-radius: 6px;
    border: 1px solid $line_strong; }
QMenu::indicator:checked { background: $text; border-color: $text; }
QCheckBox { spacing: 8px; color: $text; }
QCheckBox::indicator { width: 16px; height: 16px; border-radius: 4px; border: 1px solid $line_strong;
    background: $well; }
QCheckBox::indicator:hover { border-color: $line_hover; }
QCheckBox::indicator:checked { background: $ivory; border-color: $ivory; image: url($tick); }
QCheckBox:focus { color: $focus; text-decoration: underline; }
QPlainTextEdit, QTextEdit, QTextBrowser { background: $well; color: $text; border: 1px solid $line_strong;
    border-radius: 7px; padding: 6px 8px; selection-background-color: $select;
    selection-color: $text; }
QPlainTextEdit:focus, QTextEdit:focus { border-color: $focus; }
QProgressBar { background: $well; border: 1px solid $line_strong; border-radius: 4px; max-height: 6px;
    min-height: 6px; text-align: center; }
QProgressBar::chunk { background: $fill; border-radius: 3px; }
QDoubleSpinBox { background: $well; color: $text; border: 1px solid $line_strong; border-radius: 7px;
    padding: 0 8px; min-height: 30px; }
QDoubleSpinBox:hover { border-color: $line_hover; }
QDoubleSpinBox:focus { border-color: $focus; }
QPushButton#tab { background: transparent; border: 0; border-bottom: 2px solid transparent; border-radius: 0;
    padding: 0 2px; min-height: 28px; font-size: 12px; font-weight: 600; color: $text_faint; }
QPushButton#tab:hover { color: $text; }
QPushButton#tab:checked { color: $text; border-bottom: 2px solid $focus; background: transparent; }
QPushButton#tab:focus { color: $focus; text-decoration: underline; }
QPushButton#segment { min-height: 28px; min-width: 16px; padding: 0 9px; border-radius: 6px; font-weight: 600;
    background: transparent; border: 1px solid transparent; color: $text_soft; }
QPushButton#segment:hover { background: $hover; }
QPushButton#segment:checked { background: $ivory; color: $on_ivory; border-color: $ivory; }
QPushButton#segment:focus { border-color: $text; }
QPushButton#quiet { background: transparent; border: 1px solid transparent; padding: 0 8px; min-height: 26px;
    color: $text_soft; font-size: 12px; }
QPushButton#quiet:hover { background: $hover; color: $text; }
QPushButton#quiet:focus { border-color: $focus; }
QPushButton#quiet:checked { background: $select; color: $text; border-color: $line_hover; }
QPushButton#quiet:disabled { background: transparent; border-color: transparent; }
QPushButton#danger { color: $warn; border-color: $warn; background: transparent; }
QPushButton#switch { background: $well; border: 1px solid $line; border-radius: 5px; min-height: 20px;
    max-height: 20px; min-width: 0; padding: 0; font-size: 11px; font-weight: 600; color: $text_soft; }
QPushButton#switch:hover { border-color: $line_hover; color: $text; }
QPushButton#switch:focus { border-color: $focus; }
QPushButton#switch:checked { background: $mute; color: $on_lamp; border-color: $mute; }
QPushButton#switch[tone="solo"]:checked { background: $solo; border-color: $solo; color: $on_lamp; }
QPushButton#switch[tone="record"]:checked { background: $record; border-color: $record; color: $on_lamp; }
#group { background: $well; border: 1px solid $line; border-radius: 8px; }
#banner { background: $raised; border: 1px solid $line_hover; border-radius: 8px; }
#bannerText { color: $text; font-size: 12px; }
#toast { background: $raised; border: 1px solid $line_strong; border-radius: 8px; }
#dropMark { background: $focus; }
#takeRow { background: transparent; border-radius: 8px; }
#mono { font-family: "DejaVu Sans Mono", "Menlo", "Consolas", monospace; font-size: 11px; color: $text_soft; }
#sheetTitle { font-size: 18px; font-weight: 600; }
#tag[tone="warn"] { color: $warn; border-color: $warn; }
#tag[tone="good"] { color: $good; border-color: $good; }
#tag[tone="cool"] { color: $cool; border-color: $cool; }
#learning { border: 1px dashed $focus; }
#alarm { font-size: 11px; color: $warn; }
QComboBox#plainMenu { border: 0; background: transparent; color: $text_soft; min-height: 22px;
    padding: 0 20px 0 2px; font-size: 11px; }
QComboBox#plainMenu:focus { color: $focus; }
#fileList { background: $well; border: 1px dashed $line_strong; border-radius: 6px; padding: 4px; }
#fileList:focus { border-color: $focus; }
"""
