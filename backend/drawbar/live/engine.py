"""Prompt and slider moves -> sound while it is generated; one worker thread owns the model.

The window calls methods that return at once and polls `snapshot` and `trace`. The worker generates frame by
frame, stays a short lead ahead of the ear, and hands audio to the output; a second thread only keeps the
output filled while the worker is busy with a slow frame::

    window   --- commands (a queue) ----> worker   model -> codec -> pending blocks
             --- slider moves (`Controls`, the newest wins) --^          |
             <-- `snapshot`, `trace` (polled)                            | hand_over, by whoever comes first,
    feeder   ------ every 4 ms ----------------------------------------->| under the context's lock
                                                                         v
    device   <---- reads only ---------------------------- the output's ring (no lock)

Locks: the engine's guards the numbers of requests and the count of queued commands, the context's a block's way from
pending to the output (never both at once); `Controls` and `Sliders` have their own for their values. The model is under
none: only the worker touches it. What the ring holds cannot be recalled, so it is kept as empty as is safe.
"""

from __future__ import annotations

import gc
import logging
import math
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.errors import BadInputError, DrawbarError
from drawbar.live.audio_out.buffer import checked
from drawbar.live.audio_out.channels import from_codec
from drawbar.live.audio_out.chosen import ChosenOutput
from drawbar.live.audio_out.limiter import Monitor
from drawbar.live.audio_out.output import Output
from drawbar.live.audio_out.player import Player
from drawbar.live.clock import Clock, RealClock
from drawbar.live.context import PlayContext, Status
from drawbar.live.controls import Controls, checked_amount
from drawbar.live.failures import typed
from drawbar.live.interfaces import PlayableModel
from drawbar.live.lead import LeadPolicy
from drawbar.live.playback import Playback
from drawbar.live.sliders import SLOTS, Sliders
from drawbar.live.takes.take import Take, TakeSettings
from drawbar.live.takes.trace import Trace
from drawbar.live.threads import playing_threads
from drawbar.musicgen.interfaces import Lanes
from drawbar.steering import DirectionSource

log = logging.getLogger(__name__)
BUSY = frozenset({"loading", "warming", "playing", "finishing"})
FEED_S = 0.004
SWITCH_S = 0.0005
"""How long a busy thread may keep the interpreter's lock from one that waits for it."""


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
    device_lost: str = ""
    """Why the chosen device is gone; takes then go on without sound. Empty as long as there is one, or none was."""
    output_name: str = ""
    output_reason: str = ""
    """Why this output and no better one."""
    buffer_ms: int = 0
    """What the output is kept filled with, as it stands now; 0 before there is one."""
    amounts: dict[str, float] = field(default_factory=dict)
    bypass: bool = False
    take_id: int = 0
    """Counts the takes begun, so that a poll can tell a new one from the old."""
    paused: bool = False
    waits: bool = False
    """Silent for now, because audio must be made first."""
    loops: bool = False
    """The music repeats itself; `Engine.nudge` leads out of it."""
    ready_s: float = 0.0
    """How much is made and not heard yet."""


class Engine:
    """The instrument without its window. Close it when done, or use it in a ``with`` block."""

    def __init__(
        self,
        model: PlayableModel | Callable[[], PlayableModel],
        bank: DirectionSource | None = None,
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
        self.bank = bank
        self._rollback, self._safety_s = rollback, safety_s
        self._sound = ChosenOutput(self.clock, output, sample_rate_hz)
        self._loader = None if isinstance(model, PlayableModel) else model
        self._context: PlayContext | None = None
        self._no_trace = Trace(slots=SLOTS)
        self.player = Player(lambda: self._sound.second(self.sample_rate_hz), self.clock)
        """Old takes and examples; never interrupted by a new take."""
        self._status = Status()
        self.error: DrawbarError | None = None
        """What ended the last command (loading, playing, a change of device); None once another one begins."""
        self._take_id = self._request = self._queued = 0
        self._frozen = False
        self._playback: Playback | None = None
        self._last_take: Take | None = None
        self._lock = threading.RLock()
        self._interrupt = threading.Event()
        self._closed = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        if isinstance(model, PlayableModel):
            self._adopt(model)
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
        automation: Lanes | None = None,
        prefix: NDArray[np.uint16] | None = None,
    ) -> int:
        """Begin a take (a playing one ends, and is kept) -> its number. Raises BadInputError.

        The lanes of ``automation`` (`drawbar.steering.Automation`) move their sliders; ``prefix`` ``[K, P]`` are
        tokens that the take begins with and goes on from (``seconds`` counts them in).
        """
        if self._context is not None:
            self._context.sliders.require(
                [*settings.amounts, *(automation.ids if automation is not None else ())]
            )
        # `_request` also grows on `stop`: a take that was asked for and then stopped before the worker came to it must
        # not begin. `_take_id` counts takes alone, and is what the window knows them by.
        with self._lock:
            self._take_id += 1
            self._request += 1
            number, request = self._take_id, self._request
            self._set_state("loading" if self._context is None else "warming", "")
            self._interrupt.set()
        self._submit(lambda: self._play(settings, request, automation, prefix))
        return number

    def stop(self) -> None:
        """End the take now; what was heard of it is kept."""
        with self._lock:
            self._request += 1
            self._interrupt.set()

    def pause(self, on: bool) -> None:
        """Hold the take that plays (or is made first), or let it go on where it was; a new take is never paused."""
        self._status.paused = on

    def make_first(self, on: bool) -> None:
        """Make takes to their end before they are heard, this one included: for machines that are too slow."""
        self._status.made_first = on

    def set_amount(self, id: str, amount: float) -> None:
        """Move a slider; a feature that has none gets one. Raises BadInputError for unusable values."""
        checked_amount(id, amount)
        self.add_feature(id)
        self.controls.set(id, amount)

    def set_bypass(self, on: bool) -> None:
        """Hear the unsteered twin (or, in a take without one, let go of all sliders from here on)."""
        self.controls.set_bypass(on)

    def nudge(self) -> None:
        """Draw the next second a little hotter, so that music that repeats itself goes on; the take remembers it."""
        self.controls.nudge()

    def set_gain_db(self, gain_db: float) -> None:
        """The listener's volume; takes are not touched by it."""
        if self._context is not None:
            self._context.monitor.set_gain_db(gain_db)

    def set_gain(self, gain: float) -> None:
        """The same as a factor, 0 to 2."""
        self.set_gain_db(20 * math.log10(max(gain, 1e-5)))

    def preview(self, tokens: NDArray[np.uint16]) -> None:
        """Play a feature's example ``[K, T]`` beside whatever is going on. Raises BadInputError, DeviceError."""
        if self._context is None:
            raise BadInputError("no model is loaded, so its codec cannot play the example yet: wait for it")
        frames = torch.from_numpy(np.asarray(tokens, np.int64))[None]
        self.player.play(from_codec(self._context.model.codec.decode(frames)[0].float().cpu().numpy()))

    def add_feature(self, id: str) -> None:
        """Give a feature of the bank a slider. Raises BadInputError, SiteMismatchError."""
        self._on_sliders(lambda sliders: sliders.add(id))

    def set_mode(self, id: str, mode: str) -> None:
        """How a slider acts: ``add``, ``clamp`` or ``mute`` (`drawbar.steering.Direction`). Raises BadInputError."""
        self._on_sliders(lambda sliders: sliders.set_mode(id, mode))

    def remove_feature(self, id: str) -> None:
        """Take its slider away; its effect ramps out."""
        self._on_sliders(lambda sliders: sliders.remove(id))

    def watch(self, ids: Iterable[str]) -> None:
        """Show the activations of these features beside those of the sliders. Raises BadInputError."""
        self._on_sliders(lambda sliders: sliders.watch(ids))

    def _on_sliders(self, change: Callable[[Sliders], None]) -> None:
        """At once, or as soon as there is a model."""
        if self._context is not None:
            change(self._context.sliders)
            return

        def later() -> None:
            if self._context is not None:  # else the loading failed, and its message stays
                change(self._context.sliders)

        self._submit(later)

    def set_output(self, device: str | int | None, kind: str | None = None) -> None:
        """Play through another device from the next take on (a playing take ends)."""
        self.stop()

        def change() -> None:
            self._sound.choose(device)
            if self._context is not None:
                self._sound.open(self.sample_rate_hz, kind)

        self._submit(change)

    def set_buffer(self, buffer_ms: int | None) -> None:
        """How much the output holds, from the next take on: less is faster, more is safer; None: as measured.

        Raises BadInputError for less than 20 or more than 200 ms.
        """
        self._sound.buffer_ms = None if buffer_ms is None else checked(buffer_ms)

    def measure_buffer(self) -> None:
        """Find the smallest buffer without a drop-out, in silence: once per device, and until a take begins."""
        request = self._request

        def measure() -> None:
            with self._lock:
                if request != self._request or self._closed.is_set() or self._context is None:
                    return
                self._interrupt.clear()
            self._sound.measure(self.sample_rate_hz, self._interrupt)

        self._submit(measure)

    def snapshot(self) -> Snapshot:
        """How it is doing; cheap, call it as often as you like."""
        context, playback, output = self._context, self._playback, self.output
        state, message = self._status.state, self._status.message
        playing = playback is not None and state in ("playing", "finishing")
        return Snapshot(
            state=state,
            frame=self.trace.frames,
            played_s=playback.played_s if playback is not None else 0.0,
            real_time_factor=context.lead.real_time_factor if context is not None else 0.0,
            latency_ms=1000 * playback.latency_s if playback is not None and playing else 0.0,
            underruns=self._underruns(),
            message=message,
            error=type(self.error).__name__ if self.error is not None else "",
            device_lost=self._sound.lost,
            output_name=output.name if output is not None else "",
            output_reason=output.reason if output is not None else "",
            buffer_ms=self._buffer_ms(),
            amounts=self.controls.amounts(),
            bypass=self.controls.bypass,
            take_id=self._take_id,
            paused=self._status.paused and playing,
            waits=playing and playback is not None and playback.waits,
            loops=playing and playback is not None and playback.loops,
            ready_s=playback.ready_s if playback is not None else 0.0,
        )

    def _buffer_ms(self) -> int:
        if self.output is None:
            return 0
        spare_s = self._context.lead.spare_s if self._context is not None else 0.0
        return round(1000 * (self.output.min_fill_s + spare_s))

    def _underruns(self) -> int:
        if self._playback is not None:
            return self._playback.underruns
        return self.output.underruns if self.output is not None else 0

    @property
    def context(self) -> PlayContext:
        """The loaded model, and all that plays it. Raises BadInputError while there is none."""
        if self._context is None:
            raise BadInputError("no model is loaded: see the message of the failed loading, then try again")
        return self._context

    @property
    def model(self) -> PlayableModel | None:
        return self._context.model if self._context is not None else None

    @property
    def trace(self) -> Trace:
        """What the take has become so far; empty before there is a model."""
        return self._context.trace if self._context is not None else self._no_trace

    @property
    def output(self) -> Output | None:
        """What plays, once a take has begun."""
        return self._sound.output

    @property
    def take(self) -> Take | None:
        """The last take that ended, whole or stopped."""
        return self._last_take

    @property
    def playback(self) -> Playback | None:
        """The take that is playing or was played last, from inside; benchmarks read it."""
        return self._playback

    def wait(self, timeout_s: float | None = None) -> bool:
        """Until nothing is loading, playing or finishing -> whether that came in time."""
        return self._idle.wait(timeout_s)

    def close(self) -> None:
        """End the take and the threads, and give the device back."""
        if self._closed.is_set():
            return
        self._interrupt.set()
        self._closed.set()
        self.controls.moved.set()
        self._commands.put(lambda: None)  # the worker may be waiting for one
        self._worker.join()
        self.player.close()
        self._sound.close()

    @property
    def sample_rate_hz(self) -> int:
        """The model's rate. Raises BadInputError while there is no model."""
        return self.context.sample_rate_hz

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
        self._status.state = state
        if message is not None:
            self._status.message = message

    def _load(self) -> None:
        self._set_state("loading", "")
        self.error = None
        if self._loader is None:
            return
        self._adopt(self._loader())
        self._set_state("idle")

    def _adopt(self, model: PlayableModel) -> None:
        """Prepare everything whose size the model decides."""
        spec = model.spec
        model.codec.stream()  # what is laid out or compiled once, before a take waits for it
        trace = Trace(spec.n_q, SLOTS, spec.sample_rate_hz, spec.channels)
        self._context = PlayContext(
            model=model,
            bank_name=self.bank.info.name if self.bank is not None else "",
            sliders=Sliders(model, self.bank, self.controls, trace),
            controls=self.controls,
            trace=trace,
            monitor=Monitor(spec.sample_rate_hz),
            sound=self._sound,
            lead=LeadPolicy(
                1.0 / spec.frame_rate_hz, least_s=self._safety_s, most_s=max(0.45, self._safety_s)
            ),
            clock=self.clock,
            status=self._status,
            interrupt=self._interrupt,
            rollback=self._rollback,
        )

    def _play(
        self,
        settings: TakeSettings,
        request: int,
        automation: Lanes | None = None,
        prefix: NDArray[np.uint16] | None = None,
    ) -> None:
        with self._lock:
            if request != self._request or self._closed.is_set():
                if self._status.state in ("loading", "warming"):
                    self._set_state("done")
                return
            self._interrupt.clear()
        context = self.context
        self.error = None
        self._status.paused = False
        self._set_state("warming", "")
        if not self._frozen:
            # A full collection walks everything that was ever imported, 60 ms and more with the interpreter
            # held: frozen once, what is loaded by now is left out of it.
            gc.collect()
            gc.freeze()
            # A frame gives the interpreter's lock up twice, and must not wait 5 ms for a window that paints.
            sys.setswitchinterval(SWITCH_S)
            torch.set_num_threads(playing_threads(context.model))
            self._frozen = True
        output = self._sound.open(context.sample_rate_hz)
        context.sliders.begin(settings, automation.ids if automation is not None else ())
        context.trace.reset()
        playback = Playback(context, settings, output, automation, prefix)
        self._playback = playback
        try:
            playback.run()
        finally:
            with context.lock:
                playback.over = True
            self._last_take = playback.take() or self._last_take
        self._set_state("done", playback.message)

    def _feed(self) -> None:
        """Keep the output filled from the lead while the worker computes."""
        while not self.clock.wait(self._closed, FEED_S):
            playback = self._playback
            if playback is not None and not playback.over:
                try:
                    playback.hand_over()
                except Exception as error:
                    playback.fail(error)
