"""A host's clock and taps -> the desk's tempo and transport; what sounds, and its tempo -> our own MIDI clock."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from drawbar_desktop.controllers.context import Links
from drawbar_desktop.services.midi_clock import MidiClock
from drawbar_desktop.services.midi_ports import MidiPorts
from drawbar_desktop.state.interfaces import SnapshotLike


class Sync:
    """Polled with everything else, 30 times a second; messages carry the time at which they came."""

    def __init__(
        self, links: Links, ports: MidiPorts, transport: Mapping[str, Callable[[float], object]]
    ) -> None:
        """`transport`: what ``start``, ``continue``, ``stop`` and ``position`` do, told the place in seconds."""
        self._links, self._ports, self._transport, self.desk = links, ports, transport, links.desk
        self.clock = MidiClock(ports.module)
        self._wanted = ""

    def outputs(self) -> tuple[str, ...]:
        """Where our clock can be sent to."""
        return self.clock.outputs()

    def send_to(self, name: str) -> None:
        """Send our clock to an output; empty is off."""
        if self.clock.choose(name):
            self.desk.settings.set("midi_clock_out", name)
        else:
            self._links.tell(f"{name} cannot be opened: another program may hold it")

    def scan(self) -> None:
        """Every two seconds: the output of last time, once it is plugged in."""
        wanted = self.desk.settings["midi_clock_out"]
        if wanted and not self.clock.name and wanted in self.clock.outputs():
            self.clock.choose(wanted)

    def tap(self) -> None:
        """Somebody beats time."""
        tempo = self.desk.tap.tap(time.monotonic())
        if tempo is not None:
            self._set_tempo(tempo)

    def poll(self, snapshot: SnapshotLike) -> None:
        """What came, and what we are doing."""
        desk = self.desk
        follows = bool(desk.settings["midi_clock_in"])
        for message, time_s in self._ports.realtime():
            if not follows:
                continue
            said = desk.clock_in.feed(message, time_s)
            if said is not None:
                beat_s = 60 / (desk.clock_in.tempo_bpm or desk.timeline.grid.value.tempo_bpm or 120.0)
                self._transport[said](desk.clock_in.beat * beat_s)
        tempo = desk.clock_in.tempo_bpm if follows else None
        if tempo is not None and abs(tempo - desk.timeline.grid.value.tempo_bpm) >= 0.3:
            self._set_tempo(tempo)
        if self.clock.name:
            grid = desk.timeline.grid.value
            sounding = snapshot.state in ("playing", "finishing") and not snapshot.paused
            live = sounding and not desk.timeline.title
            at_s = snapshot.played_s if live else desk.timeline.played_s
            beat = (at_s - grid.offset_s) * grid.tempo_bpm / 60
            self.clock.follow(grid.tempo_bpm, sounding=live or desk.transport.player.value, beat=beat)

    def close(self) -> None:
        self.clock.close()

    def _set_tempo(self, tempo_bpm: float) -> None:
        self.desk.timeline.grid.set(replace(self.desk.timeline.grid.value, tempo_bpm=tempo_bpm))
