"""A virtual MIDI port of this machine -> messages that the window's ports hear; it comes and goes without a restart."""

import sys
import uuid

import pytest

from drawbar_desktop.services.midi_ports import SEQUENCER, MidiPorts
from drawbar_desktop.state.midi import MidiMap

pytestmark = pytest.mark.xdist_group("display and sound server")


def virtual_port(name: str) -> object:
    rtmidi = pytest.importorskip(
        "rtmidi", reason="python-rtmidi is not installed: pip install 'drawbar[midi]'"
    )
    if sys.platform == "win32":
        pytest.skip("Windows has no virtual MIDI ports")
    if sys.platform.startswith("linux") and not SEQUENCER.exists():
        pytest.skip(f"{SEQUENCER} is not there: modprobe snd-seq")
    port = rtmidi.MidiOut()
    port.open_virtual_port(name)
    return port


def test_a_virtual_controller_is_found_heard_and_let_go(qtbot: object) -> None:
    name = f"faders-{uuid.uuid4().hex[:6]}"
    ports, mapping = MidiPorts(), MidiMap()
    controller = virtual_port(name)
    try:
        assert ports.refresh()
        assert any(name in there for there in ports.names)
        mapping.learn("strip:0")
        controller.send_message([0xB0, 7, 127])  # type: ignore[attr-defined]
        heard: list[tuple[list[int], str]] = []

        def listened() -> bool:
            heard.extend(ports.messages())
            return bool(heard)

        qtbot.waitUntil(listened, timeout=5_000)  # type: ignore[attr-defined]
        mapping.feed(*heard[0])
        assert mapping.of("strip:0") is not None
    finally:
        controller.delete()  # type: ignore[attr-defined]
    assert ports.refresh()
    assert not any(name in there for there in ports.names)
    ports.close()
