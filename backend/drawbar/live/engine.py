"""Prompt and slider moves -> sound while it is generated; one worker thread owns the model.

The window calls methods that return at once and polls `snapshot` and `trace`. The worker generates frame by
frame, stays a short lead ahead of the ear, and hands audio to the output; a second thread only keeps the
output filled while the worker is busy with a slow frame.
"""

from __future__ import annotations

import gc
import logging
import math
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.errors import BadInputError, DrawbarError
from drawbar.live.audio_out.limiter import Monitor
from drawbar.live.audio_out.output import NullOutput, Output, open_output
from drawbar.live.audio_out.player import Player
from drawbar.live.clock import Clock, RealClock
from drawbar.live.controls import Controls, checked_amount
from drawbar.live.failures import typed
from drawbar.live.interfaces import PlayableModel
from drawbar.live.lead import LeadPolicy
from drawbar.live.observer import RowObserver
from drawbar.live.playback import Performance
from drawbar.live.takes.take import Take, TakeSettings
from drawbar.live.takes.trace import Trace
from drawbar.live.threads import playing_threads
from drawbar.steering import DEFAULT_BRANCH, Mixer, directions_for, in_mode

log = logging.getLogger(__name__)
BUSY = frozenset({"loading", "warming", "playing", "finishing"})
FEED_S = 0.004
SLOTS = 64


@dataclass(frozen=True)
class Snapshot:
    """How the engine is doing, as of now."""

    state: str = "idle"
    """idle, loading, warming, playing, finishing, done or error."""
    frame: int = 0
    """Frames generated."""
    played_s: float = 0.0
    real_time_factor: float = 0.0
    """Seconds of music per second of work; 0 before anything was measured."""
    latency_ms: float = 0.0
    """From a slider's move to the ear, as it stands now; 0 while nothing plays."""
    underruns: int = 0
    message: str = ""
    error: str = ""
    """In state "error" the kind of it, as in `drawbar.errors` (``NotFiniteError``, ...); the message says the rest."""
    output_name: str = ""
    amounts: dict[str, float] = field(default_factory=dict)
    bypass: bool = False
    take_id: int = 0
    """Counts the takes begun, so that a poll can tell a new one from the old."""


class Engine:
    """The instrument without its window. Close it when done, or use it in a ``with`` block."""

    def __init__(
        self,
        model: PlayableModel | Callable[[], PlayableModel],
        bank: Any = None,
        output: Output | None = None,
        sample_rate_hz: int | None = None,
        *,
        clock: Clock | None = None,
        rollback: bool = True,
        safety_s: float = 0.1,
    ) -> None:
        """``model`` may be a function that loads it: the worker calls it (state "loading").

        Without ``output`` the best one is opened at the first take; ``sample_rate_hz`` then insists on a
        device rate. ``safety_s`` is how much is generated ahead at least; with ``rollback`` a longer one does
        not make sliders later. Raises BadInputError for one outside 0.04 to 5 seconds.
        """
        if not 0.04 <= safety_s <= 5:
            raise BadInputError(f"safety_s {safety_s}: use 0.04 to 5 seconds")
        self.clock = clock or RealClock()
        self.controls = Controls()
        self.rollback = rollback
        self._safety_s = safety_s
        self.lead = self._lead_policy(0.02)
        self.trace = Trace(slots=SLOTS)
        self.bank = bank
        self.output = output
        self._device: str | int | None = None
        self._device_rate = sample_rate_hz
        self._loader = None if hasattr(model, "stream") else model
        self.model: Any = model if self._loader is None else None
        self.mixer: Any = None
        self.monitor: Monitor | None = None
        self.observer = RowObserver(SLOTS)
        self._rack: dict[str, Any] = {}
        self._branch: str = DEFAULT_BRANCH["add"]
        self._watched: dict[str, Any] = {}
        self.player = Player(self._second_output, self.clock)
        """Old takes and examples; never interrupted by a new take."""
        self._bypass = False
        self._state, self._message = "idle", ""
        self.error: DrawbarError | None = None
        """What ended the last command (loading, playing, a change of device); None once another one begins."""
        self._take_id = self._request = self._queued = 0
        self._frozen = False
        self._performance: Performance | None = None
        self._last_take: Take | None = None
        self._lock = threading.RLock()
        self.lock = threading.RLock()
        """Held while audio moves from the lead to the output."""
        self.interrupt = threading.Event()
        self._closed = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        if self.model is not None:
            self._adopt(self.model)
        self._worker = threading.Thread(target=self._work, name="drawbar-engine", daemon=True)
        self._worker.start()
        if isinstance(self.clock, RealClock):
            threading.Thread(target=self._feed, name="drawbar-feeder", daemon=True).start()
        if self._loader is not None:
            self._submit(self._load)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what the window calls ----------------------------------------------------------------------------

    def play(
        self,
        settings: TakeSettings,
        automation: Any = None,
        prefix: NDArray[np.uint16] | None = None,
    ) -> int:
        """Begin a take (a playing one ends, and is kept) -> its number. Raises BadInputError.

        The lanes of ``automation`` (`drawbar.steering.Automation`) move their sliders; ``prefix`` ``[K, P]`` are
        tokens that the take begins with and goes on from (``seconds`` counts them in).
        """
        if self.model is not None:
            for id in [*settings.amounts, *(automation.ids if automation is not None else ())]:
                self._direction(id)
        with self._lock:
            self._take_id += 1
            self._request += 1
            number, request = self._take_id, self._request
            self._set_state("loading" if self.model is None else "warming", "")
            self.interrupt.set()
        self._submit(lambda: self._play(settings, request, automation, prefix))
        return number

    def stop(self) -> None:
        """End the take now; what was heard of it is kept."""
        with self._lock:
            self._request += 1
            self.interrupt.set()

    def set_amount(self, id: str, amount: float) -> None:
        """Move a slider; a feature that has none gets one. Raises BadInputError for unusable values."""
        checked_amount(id, amount)
        if id not in self._rack:
            self.add_feature(id)
        self.controls.set(id, amount)

    def set_bypass(self, on: bool) -> None:
        """Hear the unsteered twin (or, in a take without one, let go of all sliders from here on)."""
        self._bypass = bool(on)
        self.controls.moved.set()

    def set_gain_db(self, gain_db: float) -> None:
        """The listener's volume; takes are not touched by it."""
        if self.monitor is not None:
            self.monitor.set_gain_db(gain_db)

    def set_gain(self, gain: float) -> None:
        """The same as a factor, 0 to 2."""
        self.set_gain_db(20 * math.log10(max(gain, 1e-5)))

    def preview(self, tokens: NDArray[np.uint16]) -> None:
        """Play a feature's example ``[K, T]`` beside whatever is going on. Raises BadInputError, DeviceError."""
        if self.model is None:
            raise BadInputError("no model is loaded, so its codec cannot play the example yet: wait for it")
        frames = torch.from_numpy(np.asarray(tokens, np.int64))[None]
        self.player.play(self.model.codec.decode(frames)[0, 0].float().cpu().numpy())

    def add_feature(self, id: str) -> None:
        """Give a feature of the bank a slider. Raises BadInputError, SiteMismatchError."""
        if self.model is None:
            self._submit(lambda: self._add(id))
        else:
            self._add(id)

    def set_mode(self, id: str, mode: str) -> None:
        """How a slider acts: ``add``, ``clamp`` or ``mute`` (`drawbar.steering.Direction`). Raises BadInputError."""
        with self._lock:
            direction = self._rack.get(id)
            if direction is None:
                return
            changed = in_mode(direction, mode, self._branch)
            if (changed.mode, changed.branch) == (direction.mode, direction.branch):
                return
            self.mixer.remove(id)
            self.mixer.add(changed, self.controls.amounts().get(id, 0.0))
            self._rack[id] = changed
            self.controls.moved.set()

    def remove_feature(self, id: str) -> None:
        """Take its slider away; its effect ramps out."""
        with self._lock:
            if self._rack.pop(id, None) is None:
                return
            self.controls.forget(id)
            self.mixer.remove(id)
            self._rewatch()

    def watch(self, ids: Iterable[str]) -> None:
        """Show the activations of these features beside those of the sliders. Raises BadInputError."""
        wanted = [id for id in dict.fromkeys(ids) if id not in self._rack]
        missing = [id for id in wanted if id not in self._watched]
        fresh = {row.id: row for row in self._directions(missing)} if missing else {}
        with self._lock:
            self._watched = {id: self._watched.get(id) or fresh[id] for id in wanted}
            self._rewatch()

    def set_output(self, device: str | int | None, kind: str | None = None) -> None:
        """Play through another device from the next take on (a playing take ends)."""
        self.stop()

        def change() -> None:
            if self.output is not None:
                self.output.close()
            self.output, self._device = None, device
            if self.model is not None:
                self.output = open_output(
                    device, self.sample_rate_hz, kind=kind, device_rate_hz=self._device_rate
                )

        self._submit(change)

    def snapshot(self) -> Snapshot:
        """How it is doing; cheap, call it as often as you like."""
        performance, output = self._performance, self.output
        playing = performance is not None and self._state in ("playing", "finishing")
        return Snapshot(
            state=self._state,
            frame=self.trace.frames,
            played_s=performance.played_s if performance is not None else 0.0,
            real_time_factor=self.lead.real_time_factor,
            latency_ms=1000 * performance.latency_s if performance is not None and playing else 0.0,
            underruns=output.underruns if output is not None else 0,
            message=self._message,
            error=type(self.error).__name__ if self.error is not None else "",
            output_name=output.name if output is not None else "",
            amounts=self.controls.amounts(),
            bypass=self._bypass,
            take_id=self._take_id,
        )

    @property
    def take(self) -> Take | None:
        """The last take that ended, whole or stopped."""
        return self._last_take

    @property
    def performance(self) -> Performance | None:
        """The take that is playing or was played last, from inside; benchmarks read it."""
        return self._performance

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until nothing is loading, playing or finishing -> whether that came in time."""
        return self._idle.wait(timeout_s)

    def close(self) -> None:
        """End the take and the threads, and give the device back."""
        if self._closed.is_set():
            return
        self.interrupt.set()
        self._closed.set()
        self.controls.moved.set()
        self._commands.put(lambda: None)
        self._worker.join()
        self.player.close()
        if self.output is not None:
            self.output.close()

    def _second_output(self) -> Output:
        """Another player on the device of the takes; silent where those are."""
        if isinstance(self.output, NullOutput):
            return NullOutput(self.sample_rate_hz, clock=self.clock, reason=self.output.reason)
        return open_output(self._device, self.sample_rate_hz, device_rate_hz=self._device_rate)

    @property
    def sample_rate_hz(self) -> int:
        """The model's rate."""
        return int(self.model.spec.sample_rate_hz)

    @property
    def bypass(self) -> bool:
        """Where the bypass switch stands."""
        return self._bypass

    # --- features -----------------------------------------------------------------------------------------

    def _directions(self, ids: Sequence[str]) -> list[Any]:
        return list(directions_for(self.model, self.bank, list(ids)))

    def _direction(self, id: str) -> Any:
        return self._rack.get(id) or self._directions([id])[0]

    def _add(self, id: str) -> None:
        if id in self._rack:
            return
        direction = self._watched.get(id) or self._directions([id])[0]
        with self._lock:
            if id in self._rack:  # another thread was quicker while the bank was read
                return
            self.mixer.add(direction)
            self._rack[direction.id] = direction
            self._watched.pop(direction.id, None)
            self._rewatch()

    def _rewatch(self) -> None:
        self.observer.watch([*self._rack.values(), *self._watched.values()])
        self.trace.set_ids(self.observer.slot_of)

    # --- the worker ---------------------------------------------------------------------------------------

    def _submit(self, command: Callable[[], None]) -> None:
        with self._lock:
            self._queued += 1
            self._idle.clear()
        self._commands.put(command)

    def _work(self) -> None:
        while not self._closed.is_set():
            command = self._commands.get()
            try:
                command()
            except Exception as error:
                if not isinstance(error, DrawbarError):
                    log.exception("the engine failed")
                self.error = typed(error)
                self._set_state("error", str(self.error))
            with self._lock:
                self._queued -= 1
                if self._queued <= 0:
                    self._idle.set()
        self._idle.set()

    def _set_state(self, state: str, message: str | None = None) -> None:
        self._state = state
        if message is not None:
            self._message = message

    def _load(self) -> None:
        self._set_state("loading", "")
        self.error = None
        if self._loader is None:
            return
        self._adopt(self._loader())
        self._set_state("idle")

    def _adopt(self, model: Any) -> None:
        """Prepare everything whose size the model decides."""
        self.mixer = Mixer((), spec=model.spec, slots=SLOTS, site=model.fingerprint)
        layers = tuple(self.bank.info.layers) if self.bank is not None else ()
        self.observer = RowObserver(SLOTS, layers)
        self.trace = Trace(model.spec.n_q, SLOTS, int(model.spec.sample_rate_hz))
        self.monitor = Monitor(int(model.spec.sample_rate_hz))
        self.lead = self._lead_policy(1.0 / float(model.spec.frame_rate_hz))
        self.model = model

    def _lead_policy(self, frame_s: float) -> LeadPolicy:
        return LeadPolicy(frame_s, least_s=self._safety_s, most_s=max(0.45, self._safety_s))

    def _play(
        self,
        settings: TakeSettings,
        request: int,
        automation: Any = None,
        prefix: NDArray[np.uint16] | None = None,
    ) -> None:
        with self._lock:
            if request != self._request or self._closed.is_set():
                if self._state in ("loading", "warming"):
                    self._set_state("done")
                return
            self.interrupt.clear()
        if self.model is None:
            raise BadInputError("no model is loaded: see the message of the failed loading, then try again")
        self.error = None
        self._set_state("warming", "")
        if not self._frozen:
            # A full collection walks everything that was ever imported, 60 ms and more with the interpreter
            # held: frozen once, what is loaded by now is left out of it.
            gc.collect()
            gc.freeze()
            torch.set_num_threads(playing_threads(self.model))
            self._frozen = True
        if self.output is None:
            self.output = open_output(self._device, self.sample_rate_hz, device_rate_hz=self._device_rate)
        self._prepare(settings, automation.ids if automation is not None else ())
        performance = Performance(self, settings, self.output, automation, prefix)
        self._performance = performance
        try:
            performance.run()
        finally:
            with self.lock:
                performance.over = True
            self._last_take = performance.take() or self._last_take
        self._set_state("done", performance.message)

    def _prepare(self, settings: TakeSettings, laned: Iterable[str] = ()) -> None:
        """Sliders as the settings say; features that have a slider keep it, at 0 if not named."""
        self._branch = settings.branch
        for id in [*settings.amounts, *laned]:
            self._add(id)
        for id in self._rack:
            self.set_mode(id, settings.modes.get(id, "add"))
        amounts = {id: settings.amounts.get(id, 0.0) for id in self._rack}
        self.controls.reset(amounts)
        self.mixer.stacking = settings.stacking
        for id, amount in amounts.items():
            self.mixer.set(id, 0.0 if self._bypass and not settings.twin else amount)
        self.trace.reset()

    def device_lost(self, message: str) -> Output:
        """The output is gone: the take goes on without sound, and the message says so."""
        log.warning("output lost: %s", message)
        self._message = f"{message} The take goes on without sound; choose a device in the audio menu."
        if self.output is not None:
            self.output.close()
        self.output = NullOutput(self.sample_rate_hz, clock=self.clock, reason=message)
        self.output.start()
        return self.output

    def move(self, id: str, amount: float) -> None:
        """Pass a move on to the mixer, unless the slider was removed meanwhile."""
        with self._lock:
            if id in self._rack:
                self.mixer.set(id, amount)

    def playing(self) -> None:
        """The first audio has been handed over."""
        self._set_state("playing")

    def finishing(self) -> None:
        """Everything is generated; the rest is being played."""
        self._set_state("finishing")

    def _feed(self) -> None:
        """Keep the output filled from the lead while the worker computes."""
        while not self.clock.wait(self._closed, FEED_S):
            performance = self._performance
            if performance is not None and not performance.over:
                try:
                    performance.hand_over()
                except Exception as error:
                    performance.fail(error)
