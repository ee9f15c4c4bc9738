"""A model, settings and automation -> a take, as fast as possible, as playing would give it.

Knows nothing of devices or threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.errors import BadInputError, CancelledError
from drawbar.live.audio_out.channels import from_codec
from drawbar.live.audio_out.ring import Floats
from drawbar.live.decoding import Decoding, Sounds
from drawbar.live.interfaces import RenderModel
from drawbar.live.takes.take import Take, TakeSettings, stored
from drawbar.live.threads import as_when_playing
from drawbar.musicgen.interfaces import Lanes
from drawbar.prompts import MARK, weight_id
from drawbar.steering import DirectionSource, Mixer, directions_for, in_mode, prompt_weight


def render(
    model: RenderModel,
    bank: DirectionSource | None,
    settings: TakeSettings,
    automation: Lanes | None = None,
    *,
    prefix: NDArray[np.uint16] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Take:
    """Generate a whole take. ``automation`` is an `Automation` of `drawbar.steering`; its lanes override
    amounts; ``prefix`` ``[K, P]`` are tokens that the take begins with and goes on from (``seconds`` counts them in).

    ``progress`` is called with frames done and frames in all. Raises BadInputError (endless settings, unknown
    features), SiteMismatchError, NotFiniteError, and CancelledError once ``cancel`` is set.
    """
    if settings.seconds is None:
        raise BadInputError("an endless take cannot be rendered: give it a length in seconds")
    with as_when_playing(model):
        return _render(model, bank, settings, automation, prefix, progress, cancel)


def _render(
    model: RenderModel,
    bank: DirectionSource | None,
    settings: TakeSettings,
    automation: Lanes | None,
    prefix: NDArray[np.uint16] | None,
    progress: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
) -> Take:
    assert settings.seconds is not None
    total = max(1, round(settings.seconds * model.spec.frame_rate_hz))
    mixer = _mixer(model, bank, settings, automation)
    decoding = Decoding(model.codec)
    audio: list[Future[Sounds]] = []
    tokens: list[torch.Tensor] = []
    # The codec is a frame behind the decoder, on a core of its own: both compute without the interpreter's lock.
    threads = torch.get_num_threads()
    with (
        ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(threads,)) as second,
        model.stream(
            settings.prompt,
            seed=settings.seed,
            seconds=settings.seconds,
            guidance=settings.guidance,
            temperature=settings.temperature,
            top_k=settings.top_k,
            steering=mixer,
            automation=automation,
            twin=settings.twin,
            blend=settings.blend,
            melody=settings.melody,
            nudges=settings.nudges,
            prefix=None if prefix is None else torch.from_numpy(prefix.astype(np.int64)),
        ) as stream,
    ):
        for column in () if prefix is None else torch.from_numpy(prefix.astype(np.int64)).T:
            audio.append(second.submit(decoding.push, column))
            tokens.append(column)
        for frame in stream:
            if cancel is not None and cancel.is_set():
                second.shutdown(cancel_futures=True)
                raise CancelledError(f"rendering was cancelled after {frame.index} of {total} frames")
            twin = frame.twin_tokens if frame.apart else None
            audio.append(second.submit(decoding.push, frame.tokens, twin))
            tokens.append(frame.tokens)
            if progress is not None:
                progress(frame.index + 1, total)
        recorded = stream.recorded
    sounds = [*(part.result() for part in audio), decoding.flush()]
    apart = any(twin is not None for _, twin in sounds)
    return Take(
        audio=_joined([take for take, _ in sounds]),
        sample_rate_hz=int(model.spec.sample_rate_hz),
        tokens=torch.stack(tokens, dim=1).to(torch.int32).numpy().astype(np.uint16),
        settings=settings,
        automation=stored(recorded),
        bank=bank.info.name if bank is not None else "",
        site=model.fingerprint,
        twin_audio=_joined([take if twin is None else twin for take, twin in sounds]) if apart else None,
        source=str(getattr(model, "source", "")),
        engine=str(getattr(model, "engine", "drawbar")),
        precision=str(getattr(model, "precision", "float32")),
        prefix_frames=0 if prefix is None else int(prefix.shape[1]),
    )


def _joined(parts: Sequence[torch.Tensor]) -> Floats:
    return from_codec(torch.cat([part.float().cpu() for part in parts], dim=1).numpy())


def _mixer(
    model: RenderModel, bank: DirectionSource | None, settings: TakeSettings, automation: Lanes | None
) -> Mixer | None:
    """The sliders that the settings and the automation need; None when there are none."""
    every = [*settings.amounts, *(automation.ids if automation is not None else ())]
    ids = [id for id in dict.fromkeys(every) if not id.startswith(MARK)]
    if not ids and not settings.blend:
        return None
    modes = settings.modes
    directions = [
        in_mode(direction, modes.get(direction.id, "add"), settings.branch)
        for direction in (directions_for(model, bank, ids) if ids else ())
    ]
    directions += [prompt_weight(place, model.spec.d_model) for place in range(len(settings.blend))]
    mixer = Mixer(directions, spec=model.spec, site=model.fingerprint, stacking=settings.stacking)
    for id, amount in settings.amounts.items():
        mixer.set(id, amount)
    for place, part in enumerate(settings.blend):
        mixer.set(weight_id(place), part.weight)
    return mixer
