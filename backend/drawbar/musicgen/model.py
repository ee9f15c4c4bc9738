"""A name or folder and a device -> a model to play, to ask for residuals, or to run in batches.

The one place where network, text encoder, codec, sampling and steering meet. Knows nothing of banks, SAEs or sound
cards.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drawbar.errors import BadInputError
from drawbar.files.reading import shortened
from drawbar.musicgen.checkpoint.memory_needed import check_room, device_here, give_back
from drawbar.musicgen.checkpoint.resolve import read_folder, resolve, source_of
from drawbar.musicgen.checkpoint.weights import fingerprint
from drawbar.musicgen.codec.encodec import EncodecCodec
from drawbar.musicgen.codec.interface import Codec
from drawbar.musicgen.codec.stereo import StereoCodec
from drawbar.musicgen.compiled.program import functions
from drawbar.musicgen.generation.blend import Blend, Weights
from drawbar.musicgen.generation.generation import Generation, GenerationSettings
from drawbar.musicgen.generation.sampling import Sampler
from drawbar.musicgen.generation.stream import Stream
from drawbar.musicgen.interfaces import Edits, Lanes, Observer, SettledSteering, Steering, SteeringRun
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.delay import logits_to_frames, to_steps
from drawbar.musicgen.network.step import Interventions, Stepper, TextMemory
from drawbar.musicgen.network.text_encoder import TextEncoder
from drawbar.musicgen.quantised.precision import (
    check_precision,
    choose,
    make_stepper,
    precisions,
    while_loading,
)
from drawbar.musicgen.spec import CHROMA, ModelSpec
from drawbar.prompts import MOST_PROMPTS, PromptPart

Prompts = Sequence[str | None] | str | None


def load_model(
    name: str | Path = "embedded",
    device: str = "cpu",
    *,
    precision: str = "float32",
    progress: Callable[[int, int, str], None] | None = None,
    seconds: float | None = None,
) -> Model:
    """``"embedded"``, a folder in either released layout, or a Hub name (cached, else downloaded) -> the model.

    ``owner/name@REVISION`` is one commit, branch or tag of a Hub's.
    ``precision`` is ``"float32"`` (exact), ``"bfloat16"`` or ``"float16"`` (GPU), ``"kv8"`` and ``"kv4"`` (CPU:
    float32 with an 8- or 4-bit memory, so that a frame costs nearly the same at any depth), ``"int8"`` or ``"int4"``
    (CPU), or ``"auto"``: what is fast enough here (see ``precision.choose``). ``progress`` hears (bytes done, bytes
    in all, file) of a download. There must be memory for takes of ``seconds`` (None = the model's whole
    context). Raises CheckpointError for a folder that does not fit together or a model that cannot be had,
    NotSupportedError for style variants, other families and for a precision that cannot run here, DeviceError for
    a device that is not there or too small.
    """
    place = device_here(device)
    folder, label = resolve(name, progress)
    source = source_of(folder)

    wanted = "float32" if precision == "auto" else precision

    def room(spec: ModelSpec, text: int, codec: int) -> None:
        check_precision(spec, wanted)
        others = precisions(spec, place)
        check_room(spec, place, wanted, seconds=seconds, text=text, codec=codec, others=others)

    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}
    packing = while_loading(wanted) if place.type == "cpu" else None
    parts = read_folder(folder, label, place, room, half.get(wanted, torch.float32), packing)
    if precision == "auto":
        stepper = choose(parts.decoder, parts.fingerprint)
    else:
        stepper = make_stepper(parts.decoder, precision, packing.packed if packing is not None else None)
    if place.type == "cpu":
        functions()  # the first start on a machine compiles: while it loads, not when play is pressed
    coder = parts.codec.inner if isinstance(parts.codec, StereoCodec) else parts.codec
    if stepper.precision.startswith("int") and isinstance(coder, EncodecCodec):
        coder.precision = "int8"  # where the decoder is short of time, so is the codec
    return Model(
        parts.spec,
        parts.decoder,
        parts.text,
        parts.codec,
        parts.fingerprint,
        parts.notes,
        stepper,
        source,
    )


class Model:
    """A loaded MusicGen. Its methods may be called from one thread at a time."""

    def __init__(
        self,
        spec: ModelSpec,
        decoder: Decoder,
        text: TextEncoder | None,
        codec: Codec,
        digest: str | None = None,
        notes: tuple[str, ...] = (),
        stepper: Stepper | None = None,
        source: str = "",
    ) -> None:
        self.spec = spec
        self.source = source
        """``owner/name@COMMIT`` of a model from the Hub, which loads just this one again; empty for any other."""
        self.decoder = decoder
        self.text = text
        self.codec = codec
        self.fingerprint = digest or fingerprint(decoder.state_dict())
        """SHA-256 of the language model's weights as stored: the site that banks, SAEs and directions belong to."""
        self._notes = notes
        self.device = decoder.positions.device
        self._stepper = stepper or Stepper(decoder)
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()

    @property
    def precision(self) -> str:
        """What the decoder computes in; a take made in one precision is not the same in another."""
        return self._stepper.precision

    @property
    def notes(self) -> tuple[str, ...]:
        """What loading chose, what it did not find, and whether half precision had to be given up."""
        left = self._stepper.fell_back_from
        if left is None:
            return self._notes
        return (*self._notes, f"{left} gave logits that are not finite: it goes on in float32")

    def unload(self) -> None:
        """Gives the memory back, on the device too. Open streams end; any later use raises BadInputError."""
        for stream in list(self.__dict__.get("_streams", ())):
            stream.cancel()
            stream.__exit__(None, None, None)
        kept = {"spec", "source", "fingerprint", "_notes", "device"}
        parts = [vars(self).pop(name) for name in list(vars(self)) if name not in kept]
        for part in parts:
            _emptied(part)
        del parts
        give_back(self.device)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if "spec" in self.__dict__ and "decoder" not in self.__dict__ and not name.startswith("__"):
                raise BadInputError(
                    f"model {self.spec.name!r} was unloaded: load it again with load_model before using it"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # --- teacher-forced -----------------------------------------------------------------------------------

    @torch.inference_mode()
    def logits(
        self,
        tokens: Tensor,
        prompts: Prompts = None,
        *,
        steering: SettledSteering | None = None,
        automation: Lanes | None = None,
        melody: Sequence[int] = (),
    ) -> Tensor:
        """Tokens ``[B, K, T]`` -> logits ``[B, K, T, card]`` of the conditional branch, without guidance.

        Those past the valid steps (the last ``delays[k]`` frames of codebook k) are NaN. Steering applies at every
        position with today's amounts, or with the automation's. Raises BadInputError for tokens that do not fit.
        """
        steps = self._steps(tokens)
        x = self._forward(steps, prompts, steering, automation, {}, melody=melody)
        batch, _, length = steps.shape
        logits = self._stepper.logits(x).view(batch, length, self.spec.n_q, self.spec.card).transpose(1, 2)
        return logits_to_frames(logits, self.spec.delays, tokens.shape[2])

    @torch.inference_mode()
    def residuals(
        self,
        tokens: Tensor,
        prompts: Prompts = None,
        layers: Sequence[int] = (),
        *,
        steering: SettledSteering | None = None,
        automation: Lanes | None = None,
        melody: Sequence[int] = (),
    ) -> dict[int, Tensor]:
        """Tokens ``[B, K, T]`` -> layer -> residual ``[B, S, D]`` with ``S = T + 1`` (the start step, then frames).

        Layer n is the output of block n, counted from 0, after steering; the activation shown at frame t stands at
        position t + 1. Blocks beyond the last layer asked for are not computed. Raises BadInputError for a layer
        that the model does not have.
        """
        steps = self._steps(tokens)
        for layer in layers:
            if not 0 <= layer < self.spec.n_layers:
                raise BadInputError(f"layer {layer}: the model has layers 0..{self.spec.n_layers - 1}")
        if not layers:
            return {}
        batch, _, length = steps.shape
        shape = (batch * length, self.spec.d_model)
        seen = {layer: torch.empty(shape, device=self.device) for layer in layers}
        self._forward(steps, prompts, steering, automation, seen, max(layers), melody)
        return {layer: x.view(batch, length, -1) for layer, x in seen.items()}

    # --- generating ---------------------------------------------------------------------------------------

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
        observers: Sequence[Observer] = (),
        twin: bool = False,
        blend: Sequence[PromptPart] = (),
        melody: Sequence[int] = (),
        nudges: Sequence[int] = (),
    ) -> Stream:
        """One take, frame by frame (a context manager that is iterated).

        ``seconds`` counts the prefix in; None is endless. ``prefix`` is ``[K, P]`` or ``[1, K, P]``; the stream
        begins behind it. ``guidance`` None leaves the null branch out. ``twin`` decodes the unsteered take of the
        same seed beside it. ``blend`` takes the place of ``prompt``: several prompts with weights, which a mixer's
        prompt weights move (``steering.prompt_weight``). ``melody`` are pitch classes
        (``network.chroma``) that a melody model follows; ``nudges`` are what `Stream.nudge` gave in the take that is
        played again. Raises BadInputError for settings that do not fit.
        """
        if automation is not None and steering is None:
            raise BadInputError("automation without steering: give the mixer whose sliders it moves")
        layers = sorted({layer for observer in observers for layer in observer.layers})
        if layers and not 0 <= layers[0] <= layers[-1] < self.spec.n_layers:
            raise BadInputError(
                f"observers of layers {layers}: the model has layers 0..{self.spec.n_layers - 1}"
            )
        frames = None if seconds is None else self.spec.frames(seconds)
        settings = GenerationSettings((int(seed),), guidance, frames, twin, tuple(nudges))
        sampler = Sampler(self.spec.card, temperature, top_k, self.device, self.spec.change_temperature)
        forced = self._prefix(prefix, 1, frames)

        kept = None if automation is None else automation.kept

        def begin() -> tuple[Generation, SteeringRun | None]:
            run = None if steering is None else steering.start(automation, guidance)
            text, mixed = (
                self._blended(blend, settings, run)
                if blend
                else (self._text([prompt], settings, melody), None)
            )
            return Generation(
                self._stepper, text, sampler, settings, [run], forced, layers, kept, blend=mixed
            ), run

        stream = Stream(begin, observers, twin)
        self._streams.add(stream)
        return stream

    def generate(
        self,
        prompts: Prompts = None,
        seeds: Sequence[int] = (0,),
        seconds: float = 8.0,
        *,
        guidance: float | None = 3.0,
        temperature: float = 1.0,
        top_k: int = 250,
        steering: Steering | Sequence[Steering | None] | None = None,
        automation: Lanes | None = None,
        prefix: Tensor | None = None,
        batch: int = 16,
        progress: Callable[[int, int], None] | None = None,
        melody: Sequence[int] = (),
    ) -> Tensor:
        """Clips offline -> tokens ``[B, K, T]``, a prefix included; the same tokens as streams of those settings.

        One prompt serves all seeds and one seed all prompts; ``steering`` is one for all clips or one per clip.
        ``batch`` clips run at once (another batch size may round differently). ``progress`` is called with frames
        done and frames in all; what it raises ends the work. Raises BadInputError for lengths that do not fit.
        """
        texts = [prompts] if prompts is None or isinstance(prompts, str) else list(prompts)
        clips = max(len(texts), len(seeds))
        if {len(texts), len(seeds)} - {1, clips} or batch < 1:
            raise BadInputError(
                f"{len(texts)} prompts and {len(seeds)} seeds: give as many of both, or one of either"
            )
        texts, numbers = texts * (clips // len(texts)), list(seeds) * (clips // len(seeds))
        shared = steering if not isinstance(steering, Sequence) else None
        each = list(steering) if isinstance(steering, Sequence) else None
        if each is not None and len(each) != clips:
            raise BadInputError(f"{len(each)} steerings for {clips} clips: give one for all, or one per clip")
        frames = self.spec.frames(seconds)
        forced = self._prefix(prefix, clips, frames)
        sampler = Sampler(self.spec.card, temperature, top_k, self.device, self.spec.change_temperature)
        result = torch.empty(clips, self.spec.n_q, frames, dtype=torch.long)
        done = 0
        for part in self._alike(texts, batch):
            settings = GenerationSettings(tuple(int(numbers[clip]) for clip in part), guidance, frames)
            chosen = [shared] if each is None else [each[clip] for clip in part]
            runs = [None if one is None else one.start(automation, guidance) for one in chosen]
            text = self._text([texts[clip] for clip in part], settings, melody)
            generation = Generation(
                self._stepper,
                text,
                sampler,
                settings,
                runs,
                None if forced is None else forced[part],
                kept=None if automation is None else automation.kept,
            )
            while generation.position < frames + self.spec.max_delay:
                generation.step()
                if progress is not None and generation.position <= frames:
                    progress(done * frames + generation.position * len(part), clips * frames)
            result[part] = generation.tokens(0, frames)
            done += len(part)
        return result

    # --- inside -------------------------------------------------------------------------------------------

    def _steps(self, tokens: Tensor) -> Tensor:
        self._checked(tokens)
        return to_steps(tokens.to(self.device), self.spec.delays, self.spec.card, valid_only=True)

    def _checked(self, tokens: Tensor) -> None:
        if tokens.ndim != 3 or tokens.shape[1] != self.spec.n_q or tokens.shape[2] == 0:
            raise BadInputError(
                f"tokens of shape {list(tokens.shape)}: the model takes [B, {self.spec.n_q}, T], T > 0"
            )
        low, high = int(tokens.min()), int(tokens.max())
        if low < 0 or high >= self.spec.card:
            raise BadInputError(f"token {low if low < 0 else high} is outside 0..{self.spec.card - 1}")

    def _alike(self, prompts: Sequence[str | None], batch: int) -> list[list[int]]:
        """Which clips run together, ``batch`` at most.

        What stands before a take of a melody model has one length for all that run together; a shorter prompt would
        be another one beside a longer.
        """
        if not self.spec.melody_frames:
            return [
                list(range(len(prompts)))[first : first + batch] for first in range(0, len(prompts), batch)
            ]
        groups: dict[int, list[int]] = {}
        for clip, prompt in enumerate(prompts):
            encoded = self._encoded([prompt])
            groups.setdefault(1 if encoded is None else encoded[1].shape[1], []).append(clip)
        return [
            group[first : first + batch] for group in groups.values() for first in range(0, len(group), batch)
        ]

    def _melody(self, melody: Sequence[int], rows: int) -> Tensor | None:
        """Pitch classes as long as the model reads them, the same for all rows ``[R, M]``; all C without any."""
        if not self.spec.melody_frames:
            if len(melody):
                raise BadInputError(
                    f"{self.spec.name} follows no melody: use a melody model such as facebook/musicgen-melody"
                )
            return None
        if any(not 0 <= tone < CHROMA for tone in melody):
            raise BadInputError(f"a melody of pitch classes 0..{CHROMA - 1}, got {shortened(list(melody))}")
        tones = torch.tensor(list(melody) or [0], dtype=torch.long, device=self.device)
        repeats = -(-self.spec.melody_frames // len(tones))
        return tones.repeat(repeats)[: self.spec.melody_frames].expand(rows, -1)

    def _encoded(self, prompts: Sequence[str | None]) -> tuple[Tensor, Tensor] | None:
        """States and mask, or None when every prompt is null (which then adds nothing at all)."""
        if all(prompt is None or not prompt.strip() for prompt in prompts):
            return None
        if self.text is None:
            raise BadInputError(
                f"model {self.spec.name!r} has no text encoder here: only null prompts (None) work"
            )
        states, mask = self.text.encode(prompts)
        return (states, mask) if bool(mask.any()) else None

    def _text(
        self, prompts: Sequence[str | None], settings: GenerationSettings, melody: Sequence[int] = ()
    ) -> TextMemory | None:
        """The cross-attention memory of the rows ``[conditional, null] * tracks``, or what stands before them."""
        with torch.inference_mode():
            encoded = self._encoded(prompts)
            tones = self._melody(melody, len(prompts))
            if encoded is None and tones is None:
                return None
            states, mask = self._no_words(len(prompts)) if encoded is None else encoded
            if settings.guidance is not None:
                states, mask = torch.cat([states, states]), torch.cat([mask, torch.zeros_like(mask)])
                tones = None if tones is None else torch.cat([tones, torch.zeros_like(tones)])
            if settings.twin:
                states, mask = states.repeat(2, 1, 1), mask.repeat(2, 1)
                tones = None if tones is None else tones.repeat(2, 1)
            return self._stepper.text(states, mask, tones)

    def _no_words(self, rows: int) -> tuple[Tensor, Tensor]:
        """States and mask of null prompts: one place without a word."""
        states = torch.zeros(rows, 1, self.spec.text_dim, device=self.device)
        return states, torch.zeros(rows, 1, dtype=torch.bool, device=self.device)

    def _blended(
        self, parts: Sequence[PromptPart], settings: GenerationSettings, run: SteeringRun | None
    ) -> tuple[TextMemory | None, Blend | None]:
        """The memory of all the prompts' words, with its bias, and what moves that."""
        if len(parts) > MOST_PROMPTS:
            raise BadInputError(f"{len(parts)} prompts at once: blend at most {MOST_PROMPTS}")
        if self.spec.melody_frames:
            raise BadInputError(f"{self.spec.name} reads one prompt at a time: melody models blend none")
        with torch.inference_mode():
            encoded = [self._encoded([part.text]) for part in parts]
            words = [one[0] for one in encoded if one is not None]
            if not words:
                return None, None
            silent = torch.zeros_like(words[0][:, :1])
            states = torch.cat([silent, *words], 1)
            mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
            mask[:, 0] = False
            branches = (False,) if settings.guidance is None else (False, True)
            null_rows = branches * (2 if settings.twin else 1)
            rows = len(null_rows)
            memory = self._stepper.text(states.expand(rows, -1, -1), mask.expand(rows, -1))
            lengths = [0 if one is None else one[0].shape[1] for one in encoded]
            bias = torch.zeros(
                rows, 1, 1, states.shape[1], device=states.device, dtype=memory.layers[0][0].dtype
            )
            return TextMemory(memory.layers, bias), Blend(
                parts, lengths, null_rows, run if isinstance(run, Weights) else None
            )

    def _forward(
        self,
        steps: Tensor,
        prompts: Prompts,
        steering: SettledSteering | None,
        automation: Lanes | None,
        seen: dict[int, Tensor],
        last: int | None = None,
        melody: Sequence[int] = (),
    ) -> Tensor:
        batch, _, length = steps.shape
        texts = [prompts] * batch if prompts is None or isinstance(prompts, str) else list(prompts)
        if len(texts) != batch:
            raise BadInputError(f"{len(texts)} prompts for {batch} clips: give one per clip, or one for all")
        tones = self._melody(melody, batch)
        if tones is None:
            encoded = self._encoded(texts)
            text = None if encoded is None else self._stepper.text(*encoded)
            changes = None if steering is None else _changes(steering.settled(automation), batch, length)
            return self._stepper.forward(steps, None, text, changes, seen, last)
        result = torch.empty(batch, length, self.spec.d_model, device=self.device)
        for part in self._alike(texts, batch):
            encoded = self._encoded([texts[clip] for clip in part])
            states, mask = self._no_words(len(part)) if encoded is None else encoded
            before = self._stepper.text(states, mask, tones[part]).before
            assert before is not None
            cache = self._stepper.cache(len(part), before.shape[2] + length)
            self._stepper.forward(before, cache, None, last=last)
            changes = None if steering is None else _changes(steering.settled(automation), len(part), length)
            some = {n: torch.empty(len(part) * length, self.spec.d_model, device=self.device) for n in seen}
            x = self._stepper.forward(steps[part], cache, None, changes, some, last)
            result[part] = x.view(len(part), length, -1)
            for layer, residual in some.items():
                seen[layer].view(batch, length, -1)[part] = residual.view(len(part), length, -1)
        return result.view(batch * length, -1)

    def _prefix(self, prefix: Tensor | None, clips: int, frames: int | None) -> Tensor | None:
        if prefix is None or prefix.shape[-1] == 0:
            return None
        tokens = (prefix if prefix.ndim == 3 else prefix[None]).cpu().long()
        self._checked(tokens)
        if tokens.shape[0] not in (1, clips):
            raise BadInputError(
                f"a prefix of {tokens.shape[0]} clips for {clips}: give one for all, or one per clip"
            )
        if frames is not None and tokens.shape[2] >= frames:
            raise BadInputError(
                f"the prefix has {tokens.shape[2]} frames, the whole take only {frames}: make it longer"
            )
        return tokens.expand(clips, -1, -1)


def _emptied(part: object) -> None:
    """Lets go of a part's tensors, whoever else still holds the part."""
    inner = [part, *(getattr(part, name, None) for name in ("model", "encoder"))]
    for module in inner:
        if isinstance(module, nn.Module):
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data = tensor.data.new_empty(0)


def _changes(run: Edits, batch: int, length: int) -> Interventions:
    """Steering of ``batch`` conditional rows at all of ``length`` positions."""
    result = Interventions()
    for layer, vectors in run.added(0, length).items():
        result.add[layer] = vectors[0].expand(batch, -1, -1).reshape(batch * length, -1)
    for layer, hold in run.holds(0, length).items():
        result.edit[layer] = lambda x, hold=hold: hold.apply(x.view(batch, length, -1), 0).view_as(x)  # type: ignore[misc]
    return result
