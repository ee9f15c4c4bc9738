"""A trial and its key -> its clips, in the order in which they are offered, all equally loud.

Generated takes go through the same sliders as in the window; examples are decoded from the bank's tokens.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from drawbar.audio_analysis.loudness import equally_loud
from drawbar.bank import Bank
from drawbar.errors import DrawbarError, NotFiniteError
from drawbar.listening_test.key import Hidden
from drawbar.listening_test.plan import Trial
from drawbar.listening_test.session import BlindSession
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono
from drawbar.steering import Direction, Mixer, check_site, directions_from_bank

Floats = NDArray[np.float32]


class ClipMaker:
    """A model and its bank, making trials. Raises SiteMismatchError for another model's bank."""

    def __init__(self, model: Model, bank: Bank, session: BlindSession) -> None:
        check_site(bank, model)
        self._model, self._bank, self._session = model, bank, session

    @property
    def rate_hz(self) -> int:
        return int(self._model.spec.sample_rate_hz)

    def clips(self, trial: Trial) -> list[Floats]:
        """Mono clips ``[N]``, one per letter; the same every time. Raises DrawbarError without naming which failed."""
        hidden = self._session.hidden(trial)
        try:
            sounds = self._steered(trial, hidden) if trial.task == "steered" else self._examples(hidden)
        except NotFiniteError as error:
            raise DrawbarError(
                f"a clip of trial {trial.number + 1} could not be generated: start a session with a smaller amount"
            ) from error
        length = min(map(len, sounds))
        return equally_loud([_faded(sound[:length], self.rate_hz) for sound in sounds], self.rate_hz)

    def _steered(self, trial: Trial, hidden: Hidden) -> list[Floats]:
        (feature,) = directions_from_bank(self._bank, [trial.feature])
        noise = np.random.default_rng(hidden.direction).standard_normal(len(feature.vector))
        vector = torch.as_tensor(noise / np.linalg.norm(noise), dtype=torch.float32)
        other = Direction("random", feature.layer, vector, feature.scale)
        mixers: dict[str, Mixer | None] = {"bypassed": None}
        for name, direction in (("steered", feature), ("random", other)):
            mixer = mixers[name] = Mixer([direction], spec=self._model.spec)
            mixer.set(direction.id, hidden.amount)
        # Always generated in one order: rounding may depend on the place in a batch, and a repeat plays the same.
        names = ("steered", "bypassed", "random")
        tokens = self._model.generate(
            [hidden.prompt] * len(names),
            [hidden.seed] * len(names),
            self._session.settings.seconds,
            guidance=self._session.settings.guidance,
            steering=[mixers[name] for name in names],
        )
        found = {name: self._decoded(row) for name, row in zip(names, tokens, strict=True)}
        return [found[source] for source in hidden.sources]

    def _examples(self, hidden: Hidden) -> list[Floats]:
        found = []
        for source in hidden.sources:
            feature, _, number = source.partition("#")
            example = self._bank.examples(feature)[int(number)]
            found.append(self._decoded(torch.from_numpy(example.tokens.astype(np.int64))))
        return found

    @torch.inference_mode()
    def _decoded(self, tokens: torch.Tensor) -> Floats:
        sound: Floats = mono(self._model.codec.decode(tokens[None]))[0, 0].float().cpu().numpy()
        return sound


def _faded(sound: Floats, rate_hz: int) -> Floats:
    """10 ms in and out: a cut tells nothing."""
    result = sound.copy()
    count = min(len(result) // 2, rate_hz // 100)
    ramp = np.linspace(0, 1, count, dtype=np.float32)
    result[:count] *= ramp
    result[len(result) - count :] *= ramp[::-1]
    return result
