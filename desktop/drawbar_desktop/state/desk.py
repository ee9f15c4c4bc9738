"""A home folder -> every state object of the window, wired to each other; what `app` hands to the widgets."""

from pathlib import Path

from drawbar_desktop.state.blending import Blending
from drawbar_desktop.state.building import Building
from drawbar_desktop.state.hearing import Hearing
from drawbar_desktop.state.lanes import Lanes
from drawbar_desktop.state.library import Library
from drawbar_desktop.state.machine import Machine
from drawbar_desktop.state.macros import Macros
from drawbar_desktop.state.midi import MidiMap
from drawbar_desktop.state.modulation import Modulation
from drawbar_desktop.state.notices import Notices
from drawbar_desktop.state.pad import Pad
from drawbar_desktop.state.presets import Presets, macros_from, macros_to, strips_from, strips_to
from drawbar_desktop.state.quantise import Quantiser
from drawbar_desktop.state.rack import Rack as RackState
from drawbar_desktop.state.rack import Resolve
from drawbar_desktop.state.recording import Recorder
from drawbar_desktop.state.settings import Settings
from drawbar_desktop.state.slots import Slots
from drawbar_desktop.state.takes import History, TakeStore
from drawbar_desktop.state.tempo import ClockIn, Tap
from drawbar_desktop.state.timeline import Timeline
from drawbar_desktop.state.transport import Transport
from drawbar_desktop.state.undo import UndoStack
from drawbar_desktop.state.votes import Votes
from drawbar_desktop.state.word_making import WordMaking


class Desk:
    """All of it; `home` None keeps everything in memory."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home
        self.settings = Settings(home / "settings.json" if home else None)
        self.undo = UndoStack()
        self.rack = RackState(self.undo)
        self.macros = Macros(self.rack, self.undo)
        self.slots = Slots(self.rack, self.undo)
        self.lanes = Lanes(self.undo)
        self.transport = Transport()
        self.blending = Blending()
        self.pad = Pad(self.rack, self.undo)
        self.modulation = Modulation(self.rack, self.undo)
        self.quantiser = Quantiser()
        self.tap, self.clock_in = Tap(), ClockIn()
        self.library = Library()
        self.timeline = Timeline()
        self.presets = Presets(home / "presets" if home else None)
        self.history = History(TakeStore(home / "takes") if home else None)
        self.recorder = Recorder(home / "takes") if home else None
        self.hearing = Hearing()
        self.midi = MidiMap()
        self.machine = Machine()
        self.notices = Notices()
        self.votes = Votes(home / "votes.json" if home else None)
        self.words = WordMaking()
        self.building = Building(home / "build.json" if home else None)
        self._recall_settings()
        self.rack.moved.connect(self._record_move)
        self.transport.bypass.bind(self.rack.bypassed.set)

    def _record_move(self, id: str, amount: float) -> None:
        """An armed slider was moved while a take plays."""
        if self.transport.playing.value and self.rack.strip(id).armed:
            self.lanes.record(id, self.timeline.played_s, amount)

    # -- remembering ----------------------------------------------------------------------------------

    def _recall_settings(self) -> None:
        settings, transport = self.settings, self.transport
        transport.prompt.set(settings["prompt"])
        transport.prompts.set(tuple(str(p) for p in settings["prompts"]))
        self.blending.recall(settings["share"], settings["blend"])
        transport.seconds.set(None if settings["endless"] else settings["seconds"])
        transport.guidance.set(settings["guidance"])
        transport.temperature.set(settings["temperature"])
        transport.top_k.set(settings["top_k"])
        transport.twin.set(settings["twin"])
        transport.kept_bars.set(settings["kept_bars"])
        transport.gain_db.set(settings["gain_db"])
        transport.device.set(settings["device"])
        transport.buffer_ms.set(settings["buffer_ms"])
        transport.match_loudness.set(settings["match_loudness"])
        self.quantiser.step.set(settings["quantise"])
        self.slots.match.set(settings["level_match_ab"])
        self.midi.restore([value for value in settings["midi"] if isinstance(value, dict)])

    def recall_rack(self, resolve: Resolve) -> list[str]:
        """Put the last session's strips back -> the names of those that this bank does not have."""
        strips, missing = strips_from(self.settings["rack"], resolve)
        if strips:
            self.rack.restore("last session", strips, undoable=False)
            self.macros.restore(macros_from(self.settings["macros"]))
            self.modulation.restore(self.settings["movement"])
            self.pad.restore(self.settings["pad"])
        return missing

    def note_settings(self) -> None:
        """Copy what the user sees into the settings; `settings.save` writes what changed."""
        settings, transport = self.settings, self.transport
        settings.set("prompt", transport.prompt.value)
        settings.set("prompts", list(transport.prompts.value))
        settings.set("share", self.blending.share.value)
        settings.set("blend", self.blending.to_values())
        settings.set("endless", transport.seconds.value is None)
        if transport.seconds.value is not None:
            settings.set("seconds", transport.seconds.value)
        settings.set("guidance", transport.guidance.value)
        settings.set("temperature", transport.temperature.value)
        settings.set("top_k", transport.top_k.value)
        settings.set("twin", transport.twin.value)
        settings.set("kept_bars", transport.kept_bars.value)
        settings.set("gain_db", transport.gain_db.value)
        settings.set("device", transport.device.value)
        settings.set("buffer_ms", transport.buffer_ms.value)
        settings.set("match_loudness", transport.match_loudness.value)
        settings.set("level_match_ab", self.slots.match.value)
        settings.set("quantise", self.quantiser.step.value)
        settings.set("midi", self.midi.to_values())
        if self.library.bank is not None:
            settings.set("rack", strips_to(self.rack.strips))
            settings.set("macros", macros_to(self.macros.all))
            settings.set("movement", self.modulation.to_values())
            settings.set("pad", self.pad.to_values())
