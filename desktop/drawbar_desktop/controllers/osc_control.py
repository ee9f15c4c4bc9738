"""OSC messages -> the same moves as a controller's or a hand's; the address space is written down in docs/studio.md."""

from collections.abc import Callable, Mapping
from functools import partial

from drawbar.files.reading import shortened
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.services.osc import PORT, OscIn, OscServer, OscValue
from drawbar_desktop.state.midi import Move
from drawbar_desktop.state.rack import feature_title

ROOT = "/drawbar/"
Handler = Callable[[str, OscValue], object]


class OscControl:
    """Off until it is switched on in the settings."""

    def __init__(
        self, links: Links, carry_out: Callable[[Move], object], pressed: Mapping[str, Callable[[], object]]
    ) -> None:
        """`pressed` is what addresses without a value do: ``play``, ``new``, ``again``, ``vary``, ``end``."""
        self._links, self._carry_out, self._pressed, self.desk = links, carry_out, pressed, links.desk
        self.server = OscServer()
        self._handlers: dict[str, Handler] = {
            "slider": lambda name, v: self._move(f"strip:{int(name) - 1}", v),
            "amount": self._amount,
            "macro": lambda name, v: self._move(f"macro:{name}", v),
            "share": lambda name, v: self._move(f"share:{int(name) - 1}", v),
            "morph": lambda _, v: self._move("morph", v),
            "gain_db": lambda _, v: self.desk.transport.gain_db.set(min(6.0, max(-36.0, float(v)))),
            "bypass": lambda _, v: self.desk.transport.bypass.set(bool(v)),
            "slot": lambda _, v: self.desk.slots.choose(str(v)) if v in self.desk.slots.NAMES else None,
            "prompt": lambda _, v: self.desk.transport.prompt.set(str(v)[:2000]),
            "seed": lambda _, v: self.desk.transport.set_seed(int(v)),
            "tempo": self._tempo,
            "xy": lambda name, v: self.desk.pad.set_axis(name, float(v)),
        }
        if self.desk.settings["osc"]:
            self.switch(True)

    def switch(self, on: bool) -> None:
        """Listen on the settings' port, or stop."""
        self.desk.settings.set("osc", on)
        self.server.stop()
        if on:
            with self._links.told():
                self.server.start(self.desk.settings["osc_port"] or PORT)

    def poll(self) -> None:
        """30 Hz: carry out what came."""
        for message in self.server.messages():
            self._one(message)

    def close(self) -> None:
        self.server.stop()

    def _one(self, message: OscIn) -> None:
        if not message.address.startswith(ROOT):
            return
        kind, _, name = message.address.removeprefix(ROOT).partition("/")
        try:
            if kind == "state":
                self._tell(partial(self.server.answer, message.sender))
            elif kind in self._pressed and (not message.values or message.values[0]):
                self._pressed[kind]()
            elif kind in self._handlers and message.values:
                self._handlers[kind](name, message.values[0])
        except (ValueError, OverflowError) as error:
            self._links.tell(f"OSC {shortened(message.address)}: {shortened(str(error), 200)}")

    def _move(self, target: str, value: OscValue) -> None:
        self._carry_out(Move(target, position=min(1.0, max(0.0, float(value)))))

    def _amount(self, id: str, value: OscValue) -> None:
        if id in self.desk.rack:
            self.desk.rack.follow(id, float(value), record=True)

    def _tempo(self, _: str, value: OscValue) -> None:
        grid, tempo = self.desk.timeline.grid, float(value)
        if 20 <= tempo <= 300:
            grid.set(type(grid.value)(tempo, grid.value.offset_s, grid.value.beats_per_bar))

    def _tell(self, answer: Callable[..., None]) -> None:
        """Everything that can be asked for, one message each."""
        transport = self.desk.transport
        answer(ROOT + "prompt", transport.prompt.value)
        answer(ROOT + "seed", transport.seed.value)
        answer(ROOT + "playing", int(transport.playing.value))
        answer(ROOT + "bypass", int(transport.bypass.value))
        answer(ROOT + "slot", self.desk.slots.active.value)
        answer(ROOT + "tempo", float(self.desk.timeline.grid.value.tempo_bpm))
        for place, strip in enumerate(self.desk.rack.strips, 1):
            answer(f"{ROOT}slider/{place}", strip.id, feature_title(strip.feature), float(strip.amount))
