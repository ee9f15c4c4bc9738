"""A picture of the window -> a PNG file that is whole or not there."""

from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtGui import QPixmap

from drawbar.files.atomic_write import atomic


def save_picture(picture: QPixmap, path: Path) -> None:
    """Raises DiskError, which Qt's own saving would only answer with False."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    with atomic(path) as part:
        part.write_bytes(buffer.data().data())
