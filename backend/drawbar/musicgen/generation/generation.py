"""Text memory, seeds and steering -> tokens, one position after the other, for B clips at once.

The arithmetic of generation: guidance, the bypass twin, forced entries, the sliding window and going back. Knows no
text, files or threads.

Rows of the network, for B = 2 clips with guidance and a twin (tracks x branches = 4 x 2 rows)::

    row     0        1        2       3       4        5        6       7
    clip    a        b        a       b       a        b        a       b
    branch  prompt   prompt   null    null    prompt   prompt   null    null
            '--------- steered ----------'    '--------- twins ----------'

Until something is steered, the twins are what is steered: their rows are computed from the first such position on, and
take over what the others remember. (A GPU computes them from the start: more rows cost it nothing, another graph does.)

Entries (codebook k, frame t) are decided along a diagonal: codebook k is ``delays[k]`` positions late (0 1 2 3)::

    position   0        1        2        3        4
    decides    k0 t0    k0 t1    k0 t2    k0 t3    k0 t4
                        k1 t0    k1 t1    k1 t2    k1 t3
                                 k2 t0    k2 t1    k2 t2
                                          k3 t0    k3 t1     frame 0 is complete after position 3
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drawbar.errors import BadInputError, NotFiniteError
from drawbar.musicgen.generation.blend import Blend
from drawbar.musicgen.generation.compiled_frame import CompiledFrame, can_compile
from drawbar.musicgen.generation.graph import FrameGraph
from drawbar.musicgen.generation.loops import NUDGE_FRAMES, nudged
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.interfaces import Hold, SteeringRun
from drawbar.musicgen.network.cache import Cache
from drawbar.musicgen.network.step import Edit, Interventions, Stepper, TextMemory
from drawbar.musicgen.network.windows import Windows


@dataclass(frozen=True)
class GenerationSettings:
    """What does not change while it generates."""

    seeds: tuple[int, ...]
    """One per clip."""
    guidance: float | None = 3.0
    """Weight of the prompt; None computes the conditional branch only."""
    frames: int | None = None
    """Frames in all (a prefix included); None is endless."""
    twin: bool = False
    """Also decodes every clip unsteered, as soon as that is something else."""
    nudges: tuple[int, ...] = ()
    """Positions from which on a second is drawn a little hotter (see `loops`)."""


class Generation:
    """Tokens of B clips as they come into being. Position s decides codebook k of frame ``s - delays[k]``."""

    def __init__(
        self,
        stepper: Stepper,
        text: TextMemory | None,
        sampler: Sampler,
        settings: GenerationSettings,
        steering: Sequence[SteeringRun | None],
        prefix: Tensor | None = None,
        watched: Sequence[int] = (),
        kept: Mapping[tuple[int, int], int] | None = None,
        *,
        graphed: bool | None = None,
        blend: Blend | None = None,
    ) -> None:
        """``text`` has R rows; ``steering`` one run for all clips, or one per clip; ``prefix`` is ``[B, K, P]``.

        ``kept`` maps ``(codebook, frame)`` to tokens that the only clip takes over (see ``rewind``). ``graphed`` None
        takes one graph a frame on CUDA and one compiled call on a CPU, where there is one; clamped and muted sliders
        always run outside both. ``blend`` moves the bias of ``text``, which it then owns.
        """
        self.spec = stepper.spec
        self._stepper, self._every_text, self._sampler, self.settings = stepper, text, sampler, settings
        self._blend = blend
        self.clips = len(settings.seeds)
        self._branches = 1 if settings.guidance is None else 2
        self._runs: list[tuple[SteeringRun, slice]] = [
            (run, slice(None) if len(steering) == 1 else slice(clip, clip + 1))
            for clip, run in enumerate(steering)
            if run is not None
        ]
        self._device = stepper.decoder.positions.device
        self._compiled = graphed is None and can_compile(stepper)
        self._graphed = self._compiled or (self._device.type == "cuda" if graphed is None else graphed)
        self._graphs: dict[int, FrameGraph | CompiledFrame] = {}
        self._forked_at: int | None = None
        """The first position that was computed of the twins alone."""
        self._set_tracks(2 if settings.twin and self._graphed and not self._compiled else 1)
        self._windows = Windows.of(self.spec, per_step=1 if self._compiled else 4)
        last = self._windows.span if settings.frames is None else settings.frames + self.spec.max_delay + 1
        self._before = 0 if text is None else text.length
        """Positions that stand before every window (what a melody model reads); caches hold and count them, too."""
        self._capacity = min(self._windows.span, last) + self._before
        self._caches: dict[int, Cache] = {0: self._cache()}
        length = (1500 if settings.frames is None else settings.frames) + self.spec.max_delay + 2
        self._steps = self._padded(length)
        self._delays = torch.tensor(self.spec.delays)
        self.position = 0
        """The next position to compute."""
        self.committed = 0
        """Entries of frames before this one are forced."""
        self.kept: dict[tuple[int, int], int] = dict(kept or {}) if self.clips == 1 else {}
        """``(codebook, frame)`` -> tokens decided before a rewind from a position that was computed again."""
        self.nudges = list(settings.nudges)
        self._temperature = sampler.temperature
        self.watch = dict.fromkeys(watched, torch.empty(0))
        """Layer -> the residual of the last position computed, ``[R, D]``."""
        self.watch = self._watching()
        if prefix is not None:
            self._force(prefix)

    # --- twins --------------------------------------------------------------------------------------------

    @property
    def apart(self) -> bool:
        """Whether twins are computed: before, they are what is steered."""
        return self._tracks > self.clips

    def _set_tracks(self, times: int) -> None:
        self._tracks = self.clips * times
        self.rows = self._tracks * self._branches
        self._text = None if self._every_text is None else self._every_text.first(self.rows)
        self._graphs.clear()
        self._still: Interventions | None = None

    def _fork(self, position: int) -> None:
        """Something is steered from ``position`` on: the twins go on alone from what was computed so far."""
        self._forked_at = position
        self._set_tracks(2)
        self._steps = self._steps.repeat(2, 1, 1)
        for cache in self._caches.values():
            cache.widen()
        self.watch = self._watching()

    def _join(self) -> None:
        """Everything that was steered is void: the twins are what is steered again."""
        self._forked_at = None
        self._set_tracks(1)
        self._steps = self._steps[: self._tracks].clone()
        for cache in self._caches.values():
            cache.narrow(self.rows)
        self.watch = self._watching()

    def _watching(self) -> dict[int, Tensor]:
        return {layer: torch.zeros(self.rows, self.spec.d_model, device=self._device) for layer in self.watch}

    # --- stepping -----------------------------------------------------------------------------------------

    @torch.inference_mode()
    def step(self) -> None:
        """Computes one position and decides the entries it predicts. Raises NotFiniteError."""
        position = self.position
        self._make_room(position + 2)
        for run, _ in self._runs:
            if run.advance(position):
                self._still = None  # a slider moves: what is added has to be laid out anew
        if self._still is None:
            self._still = self._interventions(position, 1)
            if self._still.anything and self.settings.twin and not self.apart:
                self._fork(position)
                self._still = self._interventions(position, 1)
        cache = self._cache_for(position)
        self._prepare_next(position)
        self._weigh(position)
        steps = self._columns(position, 1, self._windows.start(self._windows.window(position)))
        drawn = self._computed(position, steps, cache)
        # Half precision overflows where float32 does not: the stepper switches once, for the rest of the take.
        if drawn is None and self._stepper.become_exact():
            self._renew()
            cache = self._cache_for(position)
            drawn = self._computed(position, steps, cache)
        if drawn is None:
            raise self._not_finite(position, steps, cache)
        self._place(position, drawn)
        self.position += 1

    def _computed(self, position: int, steps: Tensor, cache: Cache) -> Tensor | None:
        """One position -> the tokens it predicts ``[tracks, K]``; None when the logits are not finite."""
        assert self._still is not None
        hot = any(first <= position < first + NUDGE_FRAMES for first in self.nudges)
        self._sampler.temperature = nudged(self._temperature) if hot else self._temperature
        places = self._places(position)
        seeds = self.settings.seeds * (self._tracks // self.clips)
        # Clamp and mute read the residual before they change it, as Python code: a captured graph cannot.
        # A graph on a GPU has its temperature captured.
        if self._graphed and not self._still.edit and (self._compiled or not hot):
            graph = self._graph(cache)
            graph.steer(self._still.add)
            graph.launch(steps, cache.length, [self._sampler.noise.keys(seed, places) for seed in seeds])
            drawn, finite = graph.result()
            for layer, seen in graph.watch.items():
                self.watch[layer].copy_(seen)
            return drawn if finite else None
        x = self._stepper.forward(steps, cache, self._text, self._still, self.watch or None)
        logits = self._guided(self._stepper.logits(x).float())
        if not bool(torch.isfinite(logits).all()):
            return None
        return self._sampler.draw(logits, seeds, places, self._first_branch(steps)).cpu()

    def _graph(self, cache: Cache) -> FrameGraph | CompiledFrame:
        if id(cache) not in self._graphs:
            kind = CompiledFrame if self._compiled else FrameGraph
            self._graphs[id(cache)] = kind(
                self._stepper,
                cache,
                self._text,
                self._sampler,
                clips=self.clips,
                guidance=self.settings.guidance,
                watched=list(self.watch),
            )
            self._graphs[id(cache)].warm_up()
        return self._graphs[id(cache)]

    def _renew(self) -> None:
        """The stepper changed its dtype: what was remembered in the old one is computed again."""
        self._caches.clear()
        self._every_text = None if self._every_text is None else self._every_text.to(self._stepper.dtype)
        still = self._still
        self._set_tracks(self._tracks // self.clips)
        self._still = still

    def tokens(self, first: int, count: int) -> Tensor:
        """Complete frames ``first .. first + count - 1`` -> ``[B, K, count]``, or ``[2 B, ...]`` with twins apart."""
        parts = [
            self._steps[:, k, first + d + 1 : first + d + 1 + count] for k, d in enumerate(self.spec.delays)
        ]
        return torch.stack(parts, dim=1)

    def rewind(self, frame: int) -> None:
        """Goes back to where frame ``frame`` begins; entries of earlier frames stay and are forced.

        Those of them that are predicted from the positions computed again are noted in ``kept``.
        """
        if not 0 <= frame <= self.position:
            raise BadInputError(f"cannot go back to frame {frame}: {self.position} positions are computed")
        self.kept = {place: token for place, token in self.kept.items() if place[1] < frame}
        # The diagonal above: positions computed again also predict late codebooks of frames before ``frame``. Those
        # were heard already, so they are kept instead of drawn again.
        for book, delay in enumerate(self.spec.delays):
            for earlier in range(max(0, frame - delay), frame):
                self.kept[book, earlier] = int(self._steps[0, book, earlier + delay + 1])
        self.position = self.committed = frame
        self._still = None
        for run, _ in self._runs:
            run.rewind(frame)
        if self._forked_at is not None and frame <= self._forked_at:
            self._join()
        # What the caches hold past ``frame`` was computed from tokens that are void now. The next window's cache keeps
        # what was prepared before ``frame``; windows beyond it go.
        window = self._windows.window(frame)
        for number in list(self._caches):
            if number > window + 1:
                del self._caches[number]
        if window in self._caches:
            self._caches[window].truncate(
                min(self._caches[window].length, frame - self._windows.start(window) + self._before)
            )
        following = self._caches.get(window + 1)
        if following is not None:
            ready = (
                self._windows.prepared(frame - 1)
                if frame and self._windows.window(frame - 1) == window
                else 0
            )
            following.truncate(min(following.length, ready + self._before))

    # --- steering and guidance ----------------------------------------------------------------------------

    def _interventions(self, first: int, count: int) -> Interventions:
        result = Interventions()
        holds: dict[int, list[tuple[slice, Hold]]] = {}
        for run, clips in self._runs:
            for layer, vectors in run.added(first, count).items():
                if layer not in result.add:
                    shape = (self.rows, count, self.spec.d_model)
                    result.add[layer] = torch.zeros(shape, device=self._device)
                for branch in range(self._branches):
                    self._clip_rows(result.add[layer], branch)[clips] = vectors[branch]
            for layer, hold in run.holds(first, count).items():
                holds.setdefault(layer, []).append((clips, hold))
        result.add = {layer: vectors.flatten(0, 1) for layer, vectors in result.add.items()}
        result.edit = {layer: self._edit(held, count) for layer, held in holds.items()}
        return result

    def _clip_rows(self, rows: Tensor, branch: int) -> Tensor:
        """The steered clips' rows of one branch."""
        return rows[branch * self.clips : (branch + 1) * self.clips]

    def _edit(self, held: list[tuple[slice, Hold]], count: int) -> Edit:
        def edit(x: Tensor) -> Tensor:
            rows = x.view(self.rows, count, -1).clone()
            for clips, hold in held:
                for branch in range(self._branches):
                    part = self._clip_rows(rows, branch)
                    part[clips] = hold.apply(part[clips], branch)
            return rows.view_as(x)

        return edit

    def _guided(self, logits: Tensor) -> Tensor:
        """Rows' logits ``[R, K, card]`` -> tracks' ``[B or 2 B, K, card]``."""
        if self.settings.guidance is None:
            return logits
        pairs = logits.view(-1, 2, self.clips, *logits.shape[1:])
        conditional, null = pairs[:, 0].flatten(0, 1), pairs[:, 1].flatten(0, 1)
        return null + (conditional - null) * self.settings.guidance

    def _first_branch(self, steps: Tensor) -> Tensor:
        """Rows' column of steps ``[R, K, 1]`` -> tracks' ``[B or 2 B, K]``: the codes that sound now."""
        return steps.view(-1, self._branches, self.clips, steps.shape[1])[:, 0].flatten(0, 1)

    def _places(self, position: int) -> list[tuple[int, int]]:
        """The (frame, codebook) entries that a position predicts."""
        return [(position - delay, book) for book, delay in enumerate(self.spec.delays)]

    def _place(self, position: int, drawn: Tensor) -> None:
        end, first = self.settings.frames, position - self.spec.max_delay
        if not self.kept and first >= self.committed and (end is None or position < end):
            self._steps[..., position + 1] = drawn
            return
        for frame, book in self._places(position):
            if frame >= self.committed and (end is None or frame < end):
                self._steps[:, book, position + 1] = drawn[:, book]
                if (book, frame) in self.kept:
                    self._steps[0, book, position + 1] = self.kept[book, frame]

    def _weigh(self, position: int) -> TextMemory | None:
        """The prompts as they are heard at a position."""
        every = self._every_text
        if self._blend is not None and every is not None and every.bias is not None:
            self._blend.write(every.bias, position)
        return self._text

    def _weighed(self, first: int, count: int) -> TextMemory | None:
        """The same for several positions in one pass."""
        if self._blend is None or self._text is None or self._text.bias is None:
            return self._text
        return TextMemory(self._text.layers, self._blend.over(first, count, self._text.bias)[: self.rows])

    # --- memory -------------------------------------------------------------------------------------------

    def _padded(self, length: int) -> Tensor:
        return torch.full((self._tracks, self.spec.n_q, length), self.spec.card, dtype=torch.long)

    def _make_room(self, length: int) -> None:
        if length > self._steps.shape[2]:
            longer = self._padded(2 * self._steps.shape[2])
            longer[..., : self._steps.shape[2]] = self._steps
            self._steps = longer

    def _cache(self) -> Cache:
        cache = self._stepper.cache(
            self.clips * self._branches * (2 if self.settings.twin else 1), self._capacity
        )
        if cache.rows > self.rows:
            cache.narrow(self.rows)
        if self._text is not None and self._text.before is not None:
            with torch.inference_mode():
                self._stepper.forward(self._text.before, cache, None)
        return cache

    def _columns(self, first: int, count: int, start: int) -> Tensor:
        """The steps at positions ``first ...`` as rows ``[R, K, count]``; the window starts at frame ``start``."""
        columns = self._steps[:, :, first : first + count]
        # A window is a sequence of its own: frames before its start read as not there, as in a take that begins here.
        if start and first <= start + self.spec.max_delay:
            frames = torch.arange(first, first + count) - 1 - self._delays[:, None]
            columns = columns.masked_fill(frames < start, self.spec.card)
        tracks = columns.view(-1, 1, self.clips, *columns.shape[1:]) if self._branches == 2 else columns
        if self._branches == 2:
            tracks = tracks.expand(-1, 2, -1, -1, -1).reshape(self.rows, *columns.shape[1:])
        return tracks.to(self._device)

    def _cache_for(self, position: int) -> Cache:
        """The cache that holds everything before ``position``; rebuilt where going back lost it."""
        window = self._windows.window(position)
        start = self._windows.start(window)
        if window not in self._caches:
            self._caches[window] = self._spare(window)
        cache = self._caches[window]
        while cache.length - self._before < position - start:
            self._extend(cache, start, min(256, position - start - cache.length + self._before))
        return cache

    def _spare(self, window: int) -> Cache:
        """A cache for a new window: the one of the window before last, if there is one.

        Two caches for a take of any length, and on a GPU two sets of captured graphs, each tied to a cache's memory.
        """
        for number in list(self._caches):
            if number < window - 1:
                cache = self._caches.pop(number)
                cache.truncate(self._before)
                return cache
        return self._cache()

    def _prepare_next(self, position: int) -> None:
        ready = self._windows.prepared(position)
        end = self.settings.frames
        window = self._windows.window(position) + 1
        start = self._windows.start(window)
        needed = end is None or end + self.spec.max_delay > start + self._windows.kept
        if not ready or not needed:
            return
        if window not in self._caches:
            self._caches[window] = self._spare(window)
        cache = self._caches[window]
        if cache.length - self._before < ready:
            self._extend(cache, start, ready - cache.length + self._before)

    def _extend(self, cache: Cache, start: int, count: int) -> None:
        """Computes ``count`` more positions of a window, each with its own amounts."""
        first = start + cache.length - self._before
        steps = self._columns(first, count, start)
        interventions = self._interventions(first, count)
        text = self._weigh(first) if count == 1 else self._weighed(first, count)
        frame = self._graph(cache) if count == 1 and self._compiled and not interventions.edit else None
        if isinstance(frame, CompiledFrame):
            frame.steer(interventions.add)
            frame.extend(steps)
        else:
            self._stepper.forward(steps, cache, text, interventions)

    @torch.inference_mode()
    def _force(self, prefix: Tensor) -> None:
        """Takes ``prefix [B, K, P]`` as given and computes its positions."""
        frames = prefix.shape[2]
        self._make_room(frames + self.spec.max_delay + 2)
        for run, _ in self._runs:
            for position in range(frames):
                run.advance(position)
        if self.settings.twin and not self.apart and frames and self._interventions(0, frames).anything:
            self._fork(0)
        given = prefix.repeat(self._tracks // self.clips, 1, 1)
        for book, delay in enumerate(self.spec.delays):
            self._steps[:, book, 1 + delay : 1 + delay + frames] = given[:, book]
        self.position = self.committed = frames
        if frames:
            self._cache_for(frames)

    def _not_finite(self, position: int, steps: Tensor, cache: Cache) -> NotFiniteError:
        """Computes the position once more to find the layer at which it went wrong."""
        cache.truncate(cache.length - 1)
        seen = {
            n: torch.zeros(self.rows, self.spec.d_model, device=self._device)
            for n in range(self.spec.n_layers)
        }
        self._stepper.forward(steps, cache, self._text, self._still, seen)
        bad = [layer for layer, x in seen.items() if not bool(torch.isfinite(x).all())]
        amounts: dict[str, float] = {}
        for run, _ in self._runs:
            amounts.update(_active(run.amounts()))
        where = f"layer {bad[0]}" if bad else "the output heads"
        return NotFiniteError(
            f"the logits at frame {position} are not finite; it began at {where}, with amounts {amounts or 'all 0'}: "
            "use smaller amounts, or check the model's weights"
        )


def _active(amounts: Mapping[str, float]) -> dict[str, float]:
    return {id: amount for id, amount in amounts.items() if amount}
