"""Steers, pairs and amounts -> clips, judged: every method through the same door.

A block is one steer at all its amounts on all pairs, kept in the run's folder under the digest of everything that it
depends on; a killed run goes on where it stopped. What is measured: the judges' measures, the quality guards, what is
kept of the unsteered twin on four musical axes, and how unnatural the clip is to the unsteered model.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from drawbar.audio_analysis.kept_of_twin import AXES, Curves, curves_of, kept
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.judges import Judge, find_judges
from drawbar.evidence.experiment.naturalness import excess_surprise
from drawbar.evidence.experiment.quality_guards import guard_names, guards
from drawbar.evidence.experiment.trials import Pair, digest_of
from drawbar.evidence.methods.method import Steer
from drawbar.evidence.statistics.responses import Responses
from drawbar.files.atomic_write import atomic
from drawbar.files.reading import json_value
from drawbar.musicgen import Model
from drawbar.musicgen.codec.interface import mono

Floats = NDArray[np.float32]
Told = Callable[[str, float], None]
KEPT = tuple(f"kept:{axis}" for axis in AXES)
SURPRISE = "surprise"
_FORMAT = 1


@dataclass(frozen=True)
class PlaySettings:
    """How clips are played. Raises BadInputError for what could prove nothing."""

    seconds: float = 4.0
    guidance: float | None = 3.0
    temperature: float = 1.0
    top_k: int = 250
    batch: int = 32

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.batch < 1:
            raise BadInputError(f"{self.seconds} s, batch {self.batch}: both must be above 0")


@dataclass(frozen=True)
class Played:
    """One steer, or the twins (one amount, 0)."""

    measures: tuple[str, ...]
    pairs: tuple[Pair, ...]
    amounts: tuple[float, ...]
    values: Floats
    """``[D, P, M]``; NaN where a clip was not finite."""
    seconds_per_clip: float = field(default=0.0, compare=False)

    def of(self, names: Sequence[str]) -> Floats:
        """``[D, P, len(names)]``."""
        found: Floats = self.values[:, :, [self.measures.index(name) for name in names]]
        return found

    def responses(self, twins: "Played", names: Sequence[str]) -> Responses:
        """As the statistics want it. Raises BadInputError for twins of other pairs."""
        if twins.pairs != self.pairs:
            raise BadInputError(
                "these twins are of other pairs: play the twins of the same prompts and seeds"
            )
        doses = dict(zip(self.amounts, self.of(names), strict=True))
        return Responses(
            tuple(names),
            tuple(pair.prompt for pair in self.pairs),
            tuple(pair.seed for pair in self.pairs),
            twins.of(names)[0],
            doses,
        )


class Stage:
    """A model and its judges, and a folder that keeps what was played."""

    def __init__(
        self,
        model: Model,
        folder: Path,
        settings: PlaySettings | None = None,
        *,
        clap: str = "",
        anchors: Mapping[str, Floats] | None = None,
    ) -> None:
        """``clap`` and ``anchors`` as `find_judges` takes them, for models that nobody composes for."""
        self.model, self.folder, self.settings = model, folder, settings or PlaySettings()
        self._clap, self._anchors = clap, anchors
        self._twins: dict[Pair, Curves] = {}

    @cached_property
    def judges(self) -> list[Judge]:
        return find_judges(self.model.spec.sample_rate_hz, clap=self._clap, anchors=self._anchors)

    @property
    def judged(self) -> tuple[str, ...]:
        """What judges measure."""
        return tuple(name for judge in self.judges for name in judge.measures)

    @property
    def guarded(self) -> tuple[str, ...]:
        return guard_names(self.model.spec.n_q)

    def twins(self, pairs: Sequence[Pair]) -> Played:
        """The unsteered takes of the same pairs."""
        return self.play(None, pairs, (0.0,))

    def play(
        self, steer: Steer | None, pairs: Sequence[Pair], amounts: Sequence[float], told: Told | None = None
    ) -> Played:
        """Play and judge, or read what was. ``told`` may raise CancelledError."""
        pairs, amounts = tuple(pairs), tuple(amounts)
        path = self.folder / f"{self._digest(steer, pairs, amounts)}.safetensors"
        found = self._read(path, pairs, amounts)
        if found is None:
            found = self._played(steer, pairs, amounts, path, told or (lambda _what, _share: None))
        return found

    def _played(
        self, steer: Steer | None, pairs: tuple[Pair, ...], amounts: tuple[float, ...], path: Path, tell: Told
    ) -> Played:
        cells = [(amount, pair) for amount in amounts for pair in pairs]
        rows = []
        for first in range(0, len(cells), self.settings.batch):
            tell(f"clip {first + 1} of {len(cells)}", first / len(cells))
            rows.append(self.block(steer, cells[first : first + self.settings.batch]))
        names = (*self.judged, *self.guarded, *KEPT, SURPRISE)
        values = np.concatenate(rows).reshape(len(amounts), len(pairs), len(names))
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic(path) as part:
            save_file({"values": np.ascontiguousarray(values)}, part, {"measures": json.dumps(names)})
        return Played(names, pairs, amounts, values)

    def block(self, steer: Steer | None, cells: Sequence[tuple[float, Pair]]) -> Floats:
        """Play and judge (amount, pair) cells together -> ``[B, M]``; kept nowhere."""
        settings, model = self.settings, self.model
        tokens, audio = self._clips(steer, cells)
        finite = np.isfinite(audio).all(1)
        heard = np.where(finite[:, None], audio, np.float32(0))
        rate = model.spec.sample_rate_hz
        judged = np.concatenate([judge.measure(heard, rate) for judge in self.judges], 1)
        judged[~finite] = np.nan
        curves = [curves_of(clip, rate) for clip in heard]
        if steer is None:
            self._twins |= {pair: one for (_, pair), one in zip(cells, curves, strict=True)}
            alike = np.ones((len(cells), len(KEPT)), np.float32)
        else:
            self._need_twins([pair for _, pair in cells])
            alike = np.stack(
                [kept(one, self._twins[pair]) for (_, pair), one in zip(cells, curves, strict=True)]
            )
        # The prompt of the twin: what words change is judged by what was asked for at first, as sliders are.
        surprise = excess_surprise(model, tokens, [pair.prompt for _, pair in cells])[:, None]
        found: Floats = np.concatenate([judged, guards(model, tokens, audio), alike, surprise], 1).astype(
            "f4"
        )
        assert settings.batch >= len(cells)
        return found

    def _clips(self, steer: Steer | None, cells: Sequence[tuple[float, Pair]]) -> tuple[torch.Tensor, Floats]:
        settings, model = self.settings, self.model
        tokens = model.generate(
            [pair.prompt if steer is None else steer.prompt(pair.prompt, amount) for amount, pair in cells],
            [pair.seed for _, pair in cells],
            settings.seconds,
            guidance=settings.guidance,
            temperature=settings.temperature,
            top_k=settings.top_k,
            steering=[None if steer is None else steer.steering(amount, model.spec) for amount, _ in cells],
            batch=len(cells),
        )
        with torch.inference_mode():
            sound = [mono(model.codec.decode(row[None]))[:, 0].float().numpy() for row in tokens]
        return tokens, np.concatenate(sound)

    def _need_twins(self, pairs: Sequence[Pair]) -> None:
        """Sound of twins whose figures were read from the folder: made again, it is the same to the bit."""
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in self._twins]
        for first in range(0, len(missing), self.settings.batch):
            cells = [(0.0, pair) for pair in missing[first : first + self.settings.batch]]
            _, audio = self._clips(None, cells)
            rate = self.model.spec.sample_rate_hz
            self._twins |= {pair: curves_of(clip, rate) for (_, pair), clip in zip(cells, audio, strict=True)}

    def _digest(self, steer: Steer | None, pairs: tuple[Pair, ...], amounts: tuple[float, ...]) -> str:
        what: Mapping[str, object] = {
            "format": _FORMAT,
            "model": self.model.fingerprint,
            "judges": [judge.key() for judge in self.judges],
            "settings": vars(self.settings),
            "pairs": [[pair.prompt, pair.seed] for pair in pairs],
            "amounts": list(amounts),
            "words": "" if steer is None else steer.words,
            "pushes": []
            if steer is None
            else [[push.layer, push.vector.astype("<f4").tobytes().hex()] for push in steer.pushes],
        }
        return digest_of(json.loads(json.dumps(what)))[:24]

    def _read(self, path: Path, pairs: tuple[Pair, ...], amounts: tuple[float, ...]) -> Played | None:
        try:
            with safe_open(path, framework="numpy") as file:
                names = tuple(json_value((file.metadata() or {})["measures"]))
                values: Floats = file.get_tensor("values")
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        return Played(names, pairs, amounts, values)
