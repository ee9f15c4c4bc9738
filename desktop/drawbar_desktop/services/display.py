"""The environment -> None when a window can open, else one line: what is missing, what to do."""

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Mapping

NO_DISPLAY = (
    "Drawbar has no display to open its window on ({why}); make music without one: "
    'drawbar render "slow piano in A minor with drums" -o out.wav'
)
BASE_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
}
XCB_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def why_no_window(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str | None:
    """None, or one line; checked before Qt is loaded, because Qt aborts the process instead."""
    if not platform.startswith("linux"):
        return None
    chosen = environment.get("QT_QPA_PLATFORM", "")
    display = environment.get("DISPLAY", "")
    if not chosen and not display and not environment.get("WAYLAND_DISPLAY"):
        return NO_DISPLAY.format(why="neither DISPLAY nor WAYLAND_DISPLAY is set")
    on_x11 = chosen.startswith("xcb") or (not chosen and not environment.get("WAYLAND_DISPLAY"))
    wanted = BASE_LIBRARIES | (XCB_LIBRARIES if on_x11 else {})
    missing = [package for soname, package in wanted.items() if not _loads(soname)]
    if missing:
        return f"Drawbar's window needs system libraries; install them: apt-get install {' '.join(missing)}"
    if on_x11 and not _answers(display):
        return NO_DISPLAY.format(why=f"no X server answers at DISPLAY={display}")
    return None


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


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
