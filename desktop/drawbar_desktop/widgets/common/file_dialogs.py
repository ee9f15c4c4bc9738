"""The system's file dialogs, opened where the last one was left."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QWidget

from drawbar_desktop.state.settings import Settings


class FileDialogs:
    """One memory for all of the window's dialogs; it survives restarts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def folder(self) -> Path:
        """Where the last file was read or written, while that is still there; else the home folder."""
        last = self._settings["last_folder"]
        return Path(last) if last and Path(last).is_dir() else Path.home()

    def note(self, path: Path) -> None:
        folder = path if path.is_dir() else path.parent
        self._settings.set("last_folder", str(folder.expanduser()))

    def open_files(self, parent: QWidget, title: str, kinds: str) -> list[Path]:
        """Files to read; empty when it was left."""
        names, _ = QFileDialog.getOpenFileNames(parent, title, str(self.folder), kinds)
        paths = [Path(name) for name in names]
        if paths:
            self.note(paths[0])
        return paths

    def open_file(self, parent: QWidget, title: str, kinds: str) -> Path | None:
        name, _ = QFileDialog.getOpenFileName(parent, title, str(self.folder), kinds)
        return self._noted(name)

    def open_folder(self, parent: QWidget, title: str) -> Path | None:
        return self._noted(QFileDialog.getExistingDirectory(parent, title, str(self.folder)))

    def save_file(self, parent: QWidget, title: str, name: str, kinds: str) -> Path | None:
        """A file to write; ``name`` may carry a folder of its own."""
        chosen, _ = QFileDialog.getSaveFileName(parent, title, str(self.folder / name), kinds)
        return self._noted(chosen)

    def _noted(self, name: str) -> Path | None:
        if not name:
            return None
        self.note(Path(name))
        return Path(name)
