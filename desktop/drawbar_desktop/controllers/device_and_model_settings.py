"""Devices, MIDI ports, models and banks that come and go -> the settings' pages, the engine, the desk."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from drawbar.bank.library import Carried, Installed, install_bank, installed_as
from drawbar.bank.licences import normal_licence
from drawbar.errors import CancelledError
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.osc_control import OscControl
from drawbar_desktop.controllers.sync import Sync
from drawbar_desktop.services.interfaces import Load, Loaded
from drawbar_desktop.services.midi_ports import MidiPorts
from drawbar_desktop.services.model_loading import load
from drawbar_desktop.state.midi import Move
from drawbar_desktop.state.models import (
    BankEntry,
    FoundModel,
    ModelEntry,
    bank_entries,
    free_memory_bytes,
    model_entries,
    size_words,
)

SCANS_MS = 2_000


class DeviceAndModelSettings:
    """What is plugged in, installed and loaded."""

    def __init__(
        self,
        links: Links,
        reload: Callable[[Load], object],
        pressed: Mapping[str, Callable[[], object]],
        ports: MidiPorts | None = None,
    ) -> None:
        """`pressed` is what a learned key or pad for a switch does, by the switch's name."""
        self._links, self._reload, self._pressed = links, reload, pressed
        self.desk, self._machine = links.desk, links.desk.machine
        self.ports = ports if ports is not None else MidiPorts()
        self.sync: Sync | None = None
        self.osc: OscControl | None = None
        self._cancel = threading.Event()
        self._found: tuple[FoundModel, ...] = ()

    # -- devices --------------------------------------------------------------------------------------

    def refresh(self) -> None:
        from drawbar.live import list_devices

        def found(names: list[str] | None, error: Exception | None) -> None:
            if names is not None:
                self.desk.transport.devices.set(tuple(dict.fromkeys(names)))

        self._links.jobs.run(list_devices, found)
        loaded, settings = self._links.loaded, self.desk.settings
        self._list_models(self._found)
        self._links.jobs.run(self._look_for_models, self._models_found)
        self._machine.banks.set(bank_entries(settings["banks"], self.desk.library.bank))
        free = free_memory_bytes()
        name = f"Loaded: {loaded.name}." if loaded is not None else "Nothing is loaded."
        self._machine.memory.set(name + (f"   {size_words(free)} of memory are free." if free else ""))

    def choose_device(self, name: str) -> None:
        """Play through another device from now on; a playing take ends."""
        self.desk.transport.device.set(name)
        engine = self._links.engine
        if engine is not None:
            with self._links.told():
                engine.set_output(name or None)
            engine.measure_buffer()
        self._links.settle("device")
        self._links.tell(f"Output: {name or 'the device of the system'}")

    def choose_buffer(self, buffer_ms: int) -> None:
        """How much the output holds from the next take on; 0: as measured, measured now if it was not yet."""
        self.desk.transport.buffer_ms.set(buffer_ms)
        engine = self._links.engine
        if engine is not None:
            with self._links.told():
                engine.set_buffer(buffer_ms or None)
            engine.measure_buffer()

    def device_lost(self, reason: str) -> None:
        """The take goes on without sound; say why and offer what there is."""
        from drawbar.live import list_devices

        def found(names: list[str] | None, error: Exception | None) -> None:
            there = tuple(dict.fromkeys(names or ()))
            self.desk.transport.devices.set(there)
            self._links.ask(
                "device",
                f"{reason} The take goes on without sound; choose a device.",
                ("The system's device", lambda: self.choose_device("")),
                *((name, partial(self.choose_device, name)) for name in there[:2]),
                sign="volume-off",
            )

        self._links.jobs.run(list_devices, found)

    # -- MIDI -----------------------------------------------------------------------------------------

    def scan_midi(self) -> None:
        """Every two seconds: what was plugged in or out."""
        if self.ports.refresh():
            self._machine.midi_ports.set(self.ports.names)
            self._machine.midi_trouble.set(self.ports.trouble)

    def clock_outputs(self) -> tuple[str, ...]:
        """Where our MIDI clock can be sent to."""
        return self.sync.outputs() if self.sync is not None else ()

    def send_clock(self, name: str) -> None:
        """To an output of MIDI; empty is off."""
        if self.sync is not None:
            self.sync.send_to(name)

    def switch_osc(self, on: bool) -> None:
        """Listen to OSC, or stop."""
        if self.osc is not None:
            self.osc.switch(on)

    def poll_midi(self) -> None:
        """30 Hz: carry out what came."""
        for message, port in self.ports.messages():
            for move in self.desk.midi.feed(message, port):
                self.carry_out(move)

    def carry_out(self, move: Move) -> None:
        """One move of a controller; no undo step, but an armed lane records it."""
        desk = self.desk
        kind, _, name = move.target.partition(":")
        if kind == "strip":
            ids = list(desk.rack.ids())
            place = int(name)
            if not 0 <= place < len(ids):
                return
            kind, name = "amount", ids[place]
        if kind == "amount" and name in desk.rack:
            strip = desk.rack.strip(name)
            at = (
                move.position
                if move.position is not None
                else strip.taper.to_position(strip.amount) + move.change
            )
            desk.rack.follow(name, strip.taper.to_amount(max(0.0, min(1.0, at))), record=True)
        elif kind == "macro":
            macro = desk.macros.get(name)
            if macro is not None:
                at = move.position if move.position is not None else macro.value + move.change
                desk.macros.turn(name, at, undoable=False)
        elif kind == "share" and name.isdigit():
            at = (
                move.position
                if move.position is not None
                else desk.blending.share_of(int(name)) + move.change
            )
            desk.blending.set_share(int(name), at)
        elif kind == "gain":
            now = (desk.transport.gain_db.value + 36) / 42
            at = move.position if move.position is not None else now + move.change
            desk.transport.gain_db.set(round(max(0.0, min(1.0, at)) * 42 - 36, 1))
        elif kind == "morph":
            share = desk.slots.morph.value
            now = share if share is not None else (0.0 if desk.slots.active.value == "A" else 1.0)
            desk.slots.set_morph(move.position if move.position is not None else now + move.change)
        elif move.pressed and kind in self._pressed:
            self._pressed[kind]()

    # -- models ---------------------------------------------------------------------------------------

    def load_model(self, entry: ModelEntry) -> None:
        """Load another model in place of this one; memory is looked at first."""
        free = free_memory_bytes()
        if free is not None and entry.needs_bytes > free:
            self._links.tell(
                f"{entry.title} needs about {size_words(entry.needs_bytes)}, {size_words(free)} are free: "
                "unload the loaded model, or choose a smaller one"
            )
            return
        self.desk.settings.set("model", entry.name)
        self._reload(partial(load, entry.name, self._bank_folder()))

    def _bank_folder(self) -> Path | None:
        folder = self.desk.settings["bank"]
        return Path(folder) if folder else None

    def unload_model(self) -> None:
        self._reload(_nothing_loaded)

    def add_model(self, folder: Path) -> None:
        self.desk.settings.remember("models", str(folder), 20)
        self.refresh()

    def _list_models(self, found: Sequence[FoundModel]) -> None:
        loaded = self._links.loaded
        self._machine.models.set(model_entries(found, loaded.folder if loaded else None))

    def _look_for_models(self) -> tuple[FoundModel, ...]:
        """What was downloaded, here or by `drawbar model get`, and the user's folders."""
        from drawbar.musicgen.checkpoint import hub

        here = [(name, folder) for name in hub.names_in_cache() if (folder := hub.cached(name)) is not None]
        here += [(folder, Path(folder)) for folder in self.desk.settings["models"]]
        return tuple(
            FoundModel(name, folder, normal_licence(hub.licence_of(folder).name)) for name, folder in here
        )

    def _models_found(self, found: tuple[FoundModel, ...] | None, error: Exception | None) -> None:
        if found is not None and found != self._found:
            self._found = found
            self._list_models(found)

    def fetch_model(self, name: str) -> None:
        """Download from the Hub, once its licence is accepted; cancelling keeps what has arrived."""
        from drawbar.musicgen.checkpoint import hub

        show = self._machine.download
        if show.value is not None:
            self._links.tell("one download at a time: wait for the other, or cancel it")
            return

        def look() -> hub.Listing | None:
            return None if hub.cached(name) is not None else hub.listing(name)

        def found(there: hub.Listing | None, error: Exception | None) -> None:
            show.set(None)
            if error is not None:
                self._links.tell(str(error))
            elif there is None:
                self._links.tell(f"{name} is here already")
                self.refresh()
            elif (
                there.licence.free
                or normal_licence(there.licence.name) in self.desk.settings["accepted_licences"]
            ):
                self._download(name)
            else:
                self._links.ask(
                    "licence",
                    f"{name}: {there.licence.terms}",
                    ("Accept and download", partial(self._download, name)),
                    ("Not now", lambda: None),
                )

        show.set((f"asking for {name}", -1.0))
        self._links.jobs.run(look, found)

    def _download(self, name: str) -> None:
        from drawbar.musicgen.checkpoint import hub

        self._cancel = cancel = threading.Event()
        jobs, show = self._links.jobs, self._machine.download
        shown = -1

        def tell(done: int, total: int, file: str) -> None:
            nonlocal shown
            if cancel.is_set():
                raise CancelledError(f"fetching {name} was cancelled; what has arrived is kept")
            share = done / max(total, 1)
            if shown != (shown := int(200 * share)):
                words = f"{file}: {size_words(done)} of {size_words(total)}"
                jobs.post(lambda: show.set((words, share)))

        def fetched(path: Path | None, error: Exception | None) -> None:
            show.set(None)
            self._links.tell(str(error) if path is None else f"{name} is on the list")
            self.refresh()

        show.set((f"downloading {name}", -1.0))
        jobs.run(lambda: hub.fetch(name, tell), fetched)

    def cancel_fetch(self) -> None:
        self._cancel.set()

    # -- banks ----------------------------------------------------------------------------------------

    def open_bank(self, entry: BankEntry) -> None:
        self.desk.settings.set("bank", "" if entry.embedded else str(entry.folder))
        model = self.desk.settings["model"] or "embedded"
        self._reload(partial(load, model, None if entry.embedded else entry.folder))

    def open_bank_folder(self, folder: Path) -> None:
        """One that was just built: load the model again with it."""
        self.desk.settings.set("bank", str(folder))
        self._reload(partial(load, self.desk.settings["model"] or "embedded", folder))

    def add_bank(self, path: Path) -> None:
        """A folder goes on the list; a .drawbank is checked and unpacked first."""
        if path.is_dir():
            self.desk.settings.remember("banks", str(path), 20)
            self.refresh()
            return

        def found(old: Path | None, error: Exception | None) -> None:
            if error is not None:
                self._links.tell(f"{path.name} was not installed: {error}")
            elif old is None:
                self._install(path)
            else:
                self._links.ask(
                    "bank",
                    f"{path.name} takes the place of an installed bank; your labels and marks go along",
                    ("Upgrade", partial(self._install, path)),
                    ("Keep the old one", lambda: None),
                )

        self._links.jobs.run(lambda: installed_as(path), found)

    def _install(self, path: Path) -> None:
        """Unpack a .drawbank; cancelling leaves everything as it was."""
        self._cancel = cancel = threading.Event()
        jobs, show = self._links.jobs, self._machine.download
        shown = -1

        def tell(done: int, total: int) -> None:
            nonlocal shown
            if cancel.is_set():
                raise CancelledError(f"installing {path.name} was cancelled; nothing was changed")
            share = done / max(total, 1)
            if shown != (shown := int(200 * share)):
                jobs.post(lambda: show.set((f"unpacking {path.name}", share)))

        def installed(found: tuple[Installed, Carried] | None, error: Exception | None) -> None:
            show.set(None)
            if found is None:
                self._links.tell(f"{path.name} was not installed: {error}")
                return
            bank, carried = found
            self.desk.settings.remember("banks", str(bank.folder), 20)
            left = f"; {len(carried.left)} of your edits have no counterpart in it" if carried.left else ""
            self._links.tell(f"{bank.info.name} is installed{left}")
            self.refresh()

        show.set((f"checking {path.name}", -1.0))
        jobs.run(lambda: install_bank(path, progress=tell), installed)

    def remove_bank(self, entry: BankEntry) -> None:
        kept = [folder for folder in self.desk.settings["banks"] if folder != str(entry.folder)]
        self.desk.settings.set("banks", kept)
        self.refresh()

    def close(self) -> None:
        self._cancel.set()
        self.ports.close()


def _nothing_loaded(say: Callable[[str], object]) -> Loaded:
    raise CancelledError("Nothing is loaded. Settings, Models: load one to play")
