"""The environment -> None when a window can open, else one line: what is missing, what to do."""

import ctypes
import os
import sys
from collections.abc import Mapping

from drawbar.native_packages import WINDOW_LIBRARIES, X11_LIBRARIES, loads

NO_DISPLAY = (
    "Drawbar has no display to open its window on ({why}); make music without one: "
    'drawbar render "slow piano in A minor with drums" -o out.wav'
)


def why_no_window(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str | None:
    """None, or one line; checked before Qt is loaded, because Qt aborts the process instead."""
    if not platform.startswith("linux"):
        return None
    chosen = environment.get("QT_QPA_PLATFORM", "")
    display = environment.get("DISPLAY", "")
    if not chosen and not display and not environment.get("WAYLAND_DISPLAY"):
        return NO_DISPLAY.format(why="neither DISPLAY nor WAYLAND_DISPLAY is set")
    on_x11 = chosen.startswith("xcb") or (not chosen and not environment.get("WAYLAND_DISPLAY"))
    wanted = WINDOW_LIBRARIES | (X11_LIBRARIES if on_x11 else {})
    missing = [package for soname, package in wanted.items() if not loads(soname)]
    if missing:
        return f"Drawbar's window needs system libraries; install them: apt-get install {' '.join(missing)}"
    if on_x11 and not _answers(display):
        return NO_DISPLAY.format(why=f"no X server answers at DISPLAY={display}")
    return None


def _answers(display: str) -> bool:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # let Qt say it
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed
