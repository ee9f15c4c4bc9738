"""A prompt, a seed and sliders -> frames from audiocraft's own ``LMModel``, streaming, steered by forward hooks.

The second engine of ``drawbar render``: slow and independent. Delays, caches and network are audiocraft's; seed law,
guidance and the sliding window are those of ``generation``, so that its tokens equal ours. Knows no audio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from drawbar.errors import BadInputError, NotFiniteError, NotSupportedError
from drawbar.musicgen.checkpoint.raw_tensors import Origin
from drawbar.musicgen.codec.interface import Codec
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.generation.stream import Frame
from drawbar.musicgen.interfaces import Hold, Lanes, Steering, SteeringRun
from drawbar.musicgen.model import Model
from drawbar.musicgen.network.windows import Windows
from drawbar.musicgen.parity.audiocraft_model import Reference
from drawbar.musicgen.parity.interface import Edit, Text, hooked
from drawbar.musicgen.spec import ModelSpec
from drawbar.prompts import PromptPart


class ReferenceEngine:
    """Stands in for a ``Model`` where a take is rendered. Raises MissingDependencyError without audiocraft."""

    engine = "audiocraft"

    def __init__(self, model: Model, origin: Origin | None = None) -> None:
        self.spec: ModelSpec = model.spec
        self.codec: Codec = model.codec
        self.fingerprint = model.fingerprint
        self._text = model.text
        self._reference = Reference(model.decoder, origin, model.device)

    def stream(
        self,
        prompt: str | None = None,
        *,
        seed: int = 0,
        guidance: float | None = 3.0,
        temperature: float = 1.0,
        top_k: int = 250,
        seconds: float | None = None,
        steering: Steering | None = None,
        prefix: Tensor | None = None,
        automation: Lanes | None = None,
        twin: bool = False,
        blend: Sequence[PromptPart] = (),
        melody: Sequence[int] = (),
        nudges: Sequence[int] = (),
    ) -> ReferenceStream:
        """One take, frame by frame; see ``Model.stream``. Raises BadInputError and NotSupportedError."""
        if seconds is None:
            raise BadInputError("the reference engine plays no endless takes: give a length in seconds")
        if self.spec.melody_frames or melody:
            raise NotSupportedError(
                "the reference engine plays no melody models: compare them with `drawbar verify` instead"
            )
        if twin:
            raise NotSupportedError(
                "the reference engine decodes no bypass twin: render without sliders instead"
            )
        if blend:
            raise NotSupportedError("the reference engine blends no prompts: render with --engine drawbar")
        if nudges:
            raise NotSupportedError("the reference engine has no nudges: render the take with drawbar's own")
        if prefix is not None:
            raise NotSupportedError(
                "the reference engine continues no take: render from the beginning instead"
            )
        if automation is not None and steering is None:
            raise BadInputError("automation without steering: give the mixer whose sliders it moves")
        text: Text | None = None
        if prompt is not None and prompt.strip():
            if self._text is None:
                raise BadInputError(
                    f"model {self.spec.name!r} has no text encoder here: only null prompts (None) work"
                )
            text = self._text.encode([prompt])
        run = None if steering is None else steering.start(automation, guidance)
        kept = {} if automation is None else automation.kept
        sampler = Sampler(self._reference.card, temperature, top_k, self._reference.device)
        frames = self.spec.frames(seconds)
        return ReferenceStream(self._reference, self.spec, text, sampler, seed, guidance, frames, run, kept)


class ReferenceStream:
    """Frames of one take; a context manager that is iterated."""

    def __init__(
        self,
        reference: Reference,
        spec: ModelSpec,
        text: Text | None,
        sampler: Sampler,
        seed: int,
        guidance: float | None,
        frames: int,
        run: SteeringRun | None,
        kept: Mapping[tuple[int, int], int],
    ) -> None:
        self._reference, self._sampler, self._seed, self._guidance = reference, sampler, seed, guidance
        self._run, self._kept = run, dict(kept)
        self._layout = reference.pattern.get_pattern(frames).layout
        self._rows = 1 if guidance is None else 2
        self._conditions = reference.conditions(self._rows, self._branches(text))
        self._windows = Windows.of(spec)
        self._tokens = torch.full((reference.n_q, frames), -1, dtype=torch.long)
        self._window = -1
        self._position = self._next = 0
        self._first = 0
        """The position at which the present pass begins; the hooks ask for the steering of this one on."""
        self._open = ExitStack()
        self._amounts: dict[int, dict[str, float]] = {}

    def __enter__(self) -> Self:
        layers = self._reference.layers
        edits = {n: self._edit(n) for n in range(len(layers))} if self._run is not None else {}
        self._open.enter_context(torch.inference_mode())
        self._open.enter_context(hooked(layers, edits, {}))
        self._open.enter_context(self._reference.model.streaming())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        """The next frame. Raises NotFiniteError."""
        index = self._next
        if index >= self._tokens.shape[1]:
            raise StopIteration
        while bool((self._tokens[:, index] < 0).any()):
            self._step()
        self._next += 1
        return Frame(index, self._tokens[:, index].clone(), amounts=self._amounts.pop(index, {}))

    @property
    def recorded(self) -> Lanes | None:
        """The steering as it was applied; None without."""
        return None if self._run is None else self._run.recorded.keeping(self._kept)

    def _step(self) -> None:
        """Predicts the entries that audiocraft's pattern places at the next step."""
        position = self._position
        if self._run is not None:
            self._run.advance(position)
            self._amounts[position] = dict(self._run.amounts())
        window = self._windows.window(position)
        start = self._windows.start(window)
        if window != self._window:
            # A new window is a sequence of its own: begin again with what it holds already.
            self._reference.model.reset_streaming()
            self._window = window
            if position > start:
                self._pass(start, position - start, start)
        logits = self._pass(position, 1, start)
        entries = self._layout[position + 1]
        chosen = torch.stack([logits[entry.q] for entry in entries])[None]
        places = [(entry.t, entry.q) for entry in entries]
        drawn = self._sampler.draw(chosen, [self._seed], places)[0].tolist()
        for entry, token in zip(entries, drawn, strict=True):
            if entry.t < self._tokens.shape[1]:
                self._tokens[entry.q, entry.t] = self._kept.get((entry.q, entry.t), token)
        self._position += 1

    def _pass(self, first: int, count: int, start: int) -> Tensor:
        """Runs positions ``first ...`` of the window from frame ``start`` on -> the last logits ``[K, card]``."""
        self._first = first
        columns = torch.full((1, len(self._tokens), count), self._reference.card, dtype=torch.long)
        for place in range(count):
            for entry in self._layout[first + place]:
                if start <= entry.t < self._tokens.shape[1]:
                    columns[0, entry.q, place] = self._tokens[entry.q, entry.t]
        steps = columns.expand(self._rows, -1, -1).to(self._reference.device)
        logits: Tensor = self._reference.model(steps, [], self._conditions)[:, :, -1].float()
        if not bool(torch.isfinite(logits).all()):
            amounts = {} if self._run is None else {i: a for i, a in self._run.amounts().items() if a}
            raise NotFiniteError(
                f"the reference's logits at frame {first} are not finite, with amounts {amounts or 'all 0'}: "
                "use smaller amounts, or check the model's weights"
            )
        if self._guidance is None:
            return logits[0]
        return logits[1] + (logits[0] - logits[1]) * self._guidance

    def _edit(self, layer: int) -> Edit:
        """What a hook does to the residual ``[R, n, D]`` of a layer: the sliders' part of it."""

        def edit(x: Tensor) -> Tensor:
            assert self._run is not None
            count = x.shape[1]
            vectors = self._run.added(self._first, count).get(layer)
            hold = self._run.holds(self._first, count).get(layer)
            if vectors is not None:
                x = x + vectors[: self._rows].to(x)
            return x if hold is None else self._held(hold, x)

        return edit

    def _held(self, hold: Hold, x: Tensor) -> Tensor:
        return torch.cat([hold.apply(x[branch : branch + 1], branch) for branch in range(self._rows)])

    def _branches(self, text: Text | None) -> Text | None:
        """The conditional row, and with guidance the null row behind it."""
        if text is None or self._rows == 1:
            return text
        states, mask = text
        return torch.cat([states, torch.zeros_like(states)]), torch.cat([mask, torch.zeros_like(mask)])
