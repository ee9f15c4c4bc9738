"""One take while it plays: frames from the model -> codec -> lead -> output, slider moves included.

Owned by the engine's worker; `hand_over` may be called by a second thread as well. Knows nothing of the
window.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.live.audio_out.channels import from_codec, scaled
from drawbar.live.audio_out.output import Output
from drawbar.live.bypass import Bypass
from drawbar.live.context import PlayContext
from drawbar.live.decoding import Decoding, Sounds
from drawbar.live.rollback import Block, Pending
from drawbar.live.takes.take import Take, TakeSettings, stored
from drawbar.musicgen.generation.loops import repeated
from drawbar.musicgen.interfaces import Lanes
from drawbar.prompts import MARK

FIRST_S = 0.06
"""Audio that is ready before the first sample is handed over (and after an under-run)."""
REBUFFER_S = 2.0
"""The same after an under-run on a machine that makes less than a second of music a second: one wait, no stutter."""
FADE_S = 0.01
LOOP_FRAMES, LOOK_FRAMES, LOOP_SHARE = 500, 50, 0.9
"""How much of the past is looked at for repetition, how often, and from which share on it counts as a loop."""
REWIND_INTERVAL_S = 0.04


class Playback:
    """A take from its first frame to silence."""

    def __init__(
        self,
        context: PlayContext,
        settings: TakeSettings,
        output: Output,
        automation: Lanes | None = None,
        prefix: NDArray[np.uint16] | None = None,
    ) -> None:
        self._context, self.settings, self.output = context, settings, output
        self._prefix = prefix
        self.rate = context.sample_rate_hz
        self.frame_s = 1.0 / context.model.spec.frame_rate_hz
        self.pending = Pending()
        self.bypass = Bypass(round(FADE_S * self.rate), context.controls.bypass and settings.twin)
        self.over = False
        self.message = ""
        self.rewinds: list[int] = []
        self.splices: list[int] = []
        """Samples at which what was decided again follows what stood; benchmarks look for clicks there."""
        self.moves: list[tuple[float, int]] = []
        """When (clock) a move was taken over, and the first frame that it can change; benchmarks read it."""
        self._decoding = Decoding(context.model.codec)
        self._apart = False
        """Whether the twin ever was something else than the take."""
        self._stream = context.model.stream(
            settings.prompt,
            seed=settings.seed,
            seconds=settings.seconds,
            guidance=settings.guidance,
            temperature=settings.temperature,
            top_k=settings.top_k,
            steering=context.sliders.mixer,
            observers=[context.sliders.observer],
            twin=settings.twin,
            blend=settings.blend,
            melody=settings.melody,
            nudges=settings.nudges,
            automation=automation,
            prefix=None if prefix is None else torch.from_numpy(np.asarray(prefix, np.int64)),
        )
        self._recorded: Lanes | None = None
        self._nudges: list[int] = list(settings.nudges)
        self.loops = False
        """Whether the music repeats itself: nine tenths of the last ten seconds came before in them."""
        self._started = False
        self._waiting = True
        self._handed = 0
        self._level = 1.0
        self._excused = 0
        self._before_loss = 0
        self._underruns = 0
        self._next_frame = 0
        self._rewound_at = -1e9
        self._released = context.controls.bypass and not settings.twin
        self._complete = False
        self._failure: Exception | None = None

    # --- for the engine -----------------------------------------------------------------------------------

    @property
    def played_s(self) -> float:
        """How much has been heard."""
        return min(self._before_loss + self.output.played(), self._handed) / self.rate

    @property
    def underruns(self) -> int:
        """How often audio was not ready in time; running dry while paused is none."""
        return max(0, self.output.underruns - self._excused)

    @property
    def waits(self) -> bool:
        """Whether it is silent because audio must be made first."""
        return self._waiting and not self._context.status.paused

    @property
    def ready_s(self) -> float:
        """How much is made and not heard yet."""
        return self.pending.samples / self.rate

    @property
    def latency_s(self) -> float:
        """From a slider's move to the ear: what cannot be recalled, the codec's look-ahead, the device."""
        spec, codec = self._context.model.spec, self._context.model.codec
        lead_s = (self.output.queued() + self.pending.samples) / self.rate
        steps = codec.look_ahead + (0 if self._context.rollback else max(spec.delays))
        if self._context.rollback:
            lead_s = min(lead_s, self._low_water_s() + self.frame_s)
        return float(lead_s + steps * self.frame_s + self.output.latency_s)

    def take(self) -> Take | None:
        """What was generated and handed over, or None if nothing was."""
        trace, model = self._context.trace, self._context.model
        if not trace.samples:
            return None
        twin = trace.twin() if self._apart else None
        frames = -(-trace.samples // model.spec.samples_per_frame) + model.codec.look_ahead
        return Take(
            audio=trace.steered(),
            sample_rate_hz=self.rate,
            tokens=trace.tokens()[:, :frames],
            settings=replace(self.settings, nudges=tuple(self._nudges)),
            automation=stored(self._recorded),
            bank=self._context.bank_name,
            site=model.fingerprint,
            source=str(getattr(model, "source", "")),
            precision=str(getattr(model, "precision", "float32")),
            twin_audio=twin,
            bypass=tuple(self.bypass.edges),
            rewinds=tuple(self.rewinds),
            complete=self._complete,
            prefix_frames=0 if self._prefix is None else int(self._prefix.shape[1]),
        )

    # --- the worker's loop --------------------------------------------------------------------------------

    def run(self) -> None:
        """Play until the end or until the engine's ``interrupt``; errors leave the output silent."""
        self._context.monitor.reset()
        self.output.start()
        try:
            with self._stream:
                try:
                    self._begin_with_prefix()
                    self._generate()
                finally:
                    self._recorded = self._stream.recorded
            self._check_failure()
            self._drain()
            self._check_failure()
        except BaseException:
            self.over = True
            self.output.stop()
            raise

    def fail(self, error: Exception) -> None:
        """Called by the second thread: the take ends, and the worker raises ``error``."""
        with self._context.lock:
            self._failure, self.over = error, True
        self._context.interrupt.set()

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _begin_with_prefix(self) -> None:
        """What the take goes on from is heard first; it is never decided again."""
        if self._prefix is None:
            return
        for frame, tokens in enumerate(np.asarray(self._prefix).T):
            if self._context.interrupt.is_set():
                return
            audio = self._decoding.push(torch.from_numpy(tokens.astype(np.int64)))
            with self._context.lock:
                twin = tokens.astype(np.uint16) if self.settings.twin else None
                self._context.trace.put_frame(frame, tokens.astype(np.uint16), twin, None)
                self._add(frame, audio, None)
                self._next_frame = frame + 1

    def _generate(self) -> None:
        context = self._context
        began: float | None = None
        while not context.interrupt.is_set():
            self._take_over_moves()
            self.hand_over()
            wait_s = self._ahead_s() - context.lead.target_s
            if wait_s > 0 and not self._fills_up():
                began = None
                self._wait(wait_s)
                continue
            # From the end of one frame to the end of the next: the speed is what is heard, not what is computed.
            began = self._frame(context.clock.now() if began is None else began)
            if began is None:
                self._complete = True
                with context.lock:
                    self._push_flush()
                return

    def _wait(self, wait_s: float) -> None:
        """The lead is long enough: until it is not, or until a slider moves."""
        context = self._context
        due_s = context.controls.wait_s(context.clock.now())
        if due_s is not None:
            wait_s = min(wait_s, due_s)
            context.clock.wait(context.interrupt, max(0.0005, min(wait_s, 0.01)))
        else:
            context.clock.wait(context.controls.moved, max(0.0005, min(wait_s, 0.01)))
            context.controls.moved.clear()

    def _fills_up(self) -> bool:
        """Make as much as can be made: before it is heard, after it ran dry, and on a machine that is too slow."""
        if self._context.status.paused:
            return False
        slow = 0 < self._context.lead.real_time_factor < 1
        return self._held or (self._started and (self._waiting or slow))

    def _frame(self, began: float) -> float | None:
        """One more frame -> when it was done; None when there is none left."""
        context = self._context
        frame = next(self._stream, None)
        if frame is None:
            return None
        # A take that is made first is never gone back in, and its codec's states would fill the memory.
        before = None if self._held and not context.status.paused else self._decoding.snapshot()
        twin = frame.twin_tokens
        apart = twin is not None and frame.apart
        self._apart |= apart
        audio = self._decoding.push(frame.tokens, twin if apart else None)
        observed = frame.observed.get(context.sliders.observer.name)
        # Model and codec have run without the lock: the feeder must never wait for a frame to be computed.
        with context.lock:
            context.trace.put_frame(
                frame.index,
                _numbers(frame.tokens),
                None if twin is None else _numbers(twin),
                None if observed is None else observed.numpy(),
            )
            self._add(frame.index, audio, before)
            self._next_frame = frame.index + 1
        if self._next_frame % LOOK_FRAMES == 0 and self._next_frame >= LOOP_FRAMES:
            self.loops = repeated(context.trace.tokens()[0, -LOOP_FRAMES:]) >= LOOP_SHARE
        done = context.clock.now()
        context.lead.note(done - began)
        return done

    def _add(self, frame: int, audio: Sounds, before: object) -> None:
        take, twin = (None if part is None else from_codec(part.float().cpu().numpy()) for part in audio)
        assert take is not None
        if twin is None and self.settings.twin:
            twin = take
        self.pending.add(Block(frame, take, twin, before))

    def _push_flush(self) -> None:
        self._add(self._next_frame, self._decoding.flush(), None)

    def _ahead_s(self) -> float:
        """How much is ready and not yet played."""
        return (self.output.queued() + self.pending.samples) / self.rate

    # --- slider moves -------------------------------------------------------------------------------------

    def _take_over_moves(self) -> None:
        context = self._context
        now = context.clock.now()
        # A drag moves at 30 Hz. If each move went back, no frame would ever be finished.
        if context.rollback and now < self._rewound_at + REWIND_INTERVAL_S:
            return
        if context.controls.nudged:
            context.controls.nudged = False
            self._nudges.append(self._stream.nudge())
        moves = context.controls.take(now)
        release = context.controls.bypass and not self.settings.twin
        if not moves and release == self._released:
            return
        changed = release != self._released
        self._released = release
        amounts = context.controls.amounts() if changed else moves
        for id, amount in amounts.items():
            context.sliders.move(id, 0.0 if release and not id.startswith(MARK) else amount)
        if release and not changed:
            return
        frame = self._rewind() if context.rollback else None
        self.moves.append((now, self._next_frame if frame is None else frame))

    def _low_water_s(self) -> float:
        """What must stay ready while frames are decided again: their first needs one position per delay."""
        delays = self._context.model.spec.delays
        return max(self._fill_s(), self._context.lead.redo_s(max(delays) + 1))

    def _fill_s(self) -> float:
        """What the output is kept filled with: it cannot be recalled, so no more than this machine needs."""
        return self.output.min_fill_s + self.output.held_s + self._context.lead.spare_s

    def _rewind(self) -> int | None:
        """Go back to the first frame that can be redone in time -> it, or None when there is none."""
        context = self._context
        with context.lock:
            low_water = round(self._low_water_s() * self.rate)
            frame = self.pending.recallable(self.output.queued(), low_water)
            fixed = 0 if self._prefix is None else self._prefix.shape[1]
            if frame is None or not fixed < frame < self._next_frame or self._waiting:
                return None
            state = self.pending.take_back(frame)
            context.trace.take_back(frame)
            self._next_frame = frame
            self.splices.append(self._handed + self.pending.samples)
        # From here on the feeder only finds blocks of before `frame`; codec and stream are the worker's own.
        self._decoding.restore(state)
        self._stream.rewind(frame)
        self.rewinds.append(frame)
        self._rewound_at = context.clock.now()
        return frame

    # --- to the output ------------------------------------------------------------------------------------

    def hand_over(self) -> None:
        """Fill the output as far as it needs; with rollback no further."""
        with self._context.lock:
            if self.over:
                return
            self._check_device()
            if self._held and (self._level == 0.0 or not self._started):
                return
            if self._waiting:
                if self.pending.samples < self._enough_s() * self.rate and not self._complete:
                    return
                self._waiting = False
            goal = self._fill_s() if self._context.rollback else self._context.lead.most_s
            while len(self.pending) and self.output.queued() < goal * self.rate:
                if self.output.available() < len(self.pending.first().steered) + 64:  # type: ignore[union-attr]
                    return
                self._hand(self.pending.hand_over())
                if self._held:
                    return

    @property
    def _held(self) -> bool:
        """Paused, or made to its end before it is heard (an endless take has none)."""
        status = self._context.status
        first = status.made_first and self.settings.seconds is not None and not self._complete
        return status.paused or first

    def _enough_s(self) -> float:
        """What must be ready before it is heard (again)."""
        factor = self._context.lead.real_time_factor
        return REBUFFER_S if self._started and 0 < factor < 1 else FIRST_S

    def _check_device(self) -> None:
        if self.output.failed:
            self._before_loss = self._handed
            self._context.lose_output(self.output.failed)
            self.output = self._context.sound.open(self.rate)
            self._underruns = self._excused = 0
            self.message = self._context.status.message
        if self.output.underruns > self._underruns:
            missed = self.output.underruns - self._underruns
            self._underruns = self.output.underruns
            if self._level == 0.0:
                self._excused += missed
            else:
                self._context.lead.note_underrun()
                self._waiting = not self._complete

    def _hand(self, block: Block) -> None:
        context = self._context
        if self.settings.twin:
            self.bypass.switch(context.controls.bypass, self._handed)
        heard = self.bypass.mix(block.steered, block.twin)
        context.trace.put_audio(heard, block.steered, block.twin)
        self._handed += len(heard)
        self.output.write(context.monitor.process(self._eased(heard)))
        if not self._started and len(heard):
            self._started = True
            context.status.state = "playing"

    def _eased(self, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """Faded out when the take is paused, in when it goes on; the take itself keeps every sample."""
        target = 0.0 if self._held else 1.0
        if self._level == target:
            return heard
        ramp = np.linspace(self._level, target, max(1, min(len(heard), round(FADE_S * self.rate))))
        gain = np.full(len(heard), target, np.float32)
        gain[: len(ramp)] = ramp
        self._level = target
        return scaled(heard, gain)

    # --- the end ------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Play what is ready; after an interrupt, fade out instead."""
        context = self._context
        if context.interrupt.is_set():
            self._fade_out()
        context.status.state = "finishing"
        while len(self.pending):
            if context.interrupt.is_set():
                self._fade_out()
                break
            self.hand_over()
            context.clock.wait(context.interrupt, 0.005)
        with context.lock:
            self.output.write(context.monitor.flush())
            self.output.finish()
        patience = itertools.count()
        while self.output.queued() and next(patience) < 400 and not self.output.failed:
            context.clock.wait(threading.Event(), 0.005)
        self.output.stop()

    def _fade_out(self) -> None:
        """The next 10 ms, faded, are the last."""
        context = self._context
        with context.lock:
            ready = self.pending.first()
            if ready is not None and not self._waiting and self._level:
                heard = self.bypass.mix(ready.steered, ready.twin)[: round(FADE_S * self.rate)]
                fade = np.linspace(1.0, 0.0, len(heard), dtype=np.float32)
                self.output.write(context.monitor.process(scaled(heard, fade)))
            self.pending.clear()
            self._complete = False


def _numbers(tokens: torch.Tensor) -> NDArray[np.uint16]:
    return tokens.to("cpu", torch.int32).numpy().astype(np.uint16)
