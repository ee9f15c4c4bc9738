"""Sources -> one file of directions, and each source back as something that steers.

Features and controls are added exactly as the sliders add them (a Mixer with one direction); pass-through replaces
the residual by what the bank's features rebuild of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from drawbar.bank import Bank
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.trials import KINDS, Condition, Source
from drawbar.files.atomic_write import atomic
from drawbar.musicgen.interfaces import Hold, Lanes, Steering
from drawbar.musicgen.spec import ModelSpec
from drawbar.steering import DEFAULT_BRANCH, Automation, Direction, Mixer, in_mode

Sources = dict[tuple[str, str], Source]


def save_sources(path: Path, sources: Sequence[Source]) -> None:
    """Write directions, layers, scales and names; what is read back steers alike to the bit."""
    names = "\n".join(f"{source.kind}\t{source.id}" for source in sources)
    with atomic(path) as part:
        save_file(
            {
                "vector": np.stack([np.asarray(source.vector, np.float32) for source in sources]),
                "layer": np.array([source.layer for source in sources], np.int64),
                "scale": np.array([source.scale for source in sources], np.float64),
                "names": np.frombuffer(names.encode(), np.uint8).copy(),
            },
            part,
        )


def load_sources(path: Path) -> Sources:
    """(kind, id) -> source. Raises BadInputError for one that is no unit vector or of an unknown kind."""
    rows = load_file(path)
    names = [line.split("\t") for line in rows["names"].tobytes().decode().splitlines()]
    found: Sources = {}
    for (kind, id), layer, vector, scale in zip(
        names, rows["layer"], rows["vector"], rows["scale"], strict=True
    ):
        if kind not in KINDS or abs(float(np.linalg.norm(vector)) - 1) > 1e-3:
            raise BadInputError(
                f"{path}: {kind} {id} is of no known kind or no unit vector; make the run anew"
            )
        found[kind, id] = Source(kind, id, int(layer), vector, float(scale))
    return found


def steering_of(
    condition: Condition,
    sources: Sources,
    rebuilt: Mapping[int, "PassThrough"],
    spec: ModelSpec,
    branch: str = DEFAULT_BRANCH["add"],
) -> Steering | None:
    """A condition -> its steering, on one or both guidance branches; None for the unsteered twin."""
    if condition.kind == "unsteered":
        return None
    if condition.kind == "pass-through":
        return rebuilt[condition.layer]
    source = sources[condition.kind, condition.id]
    vector = torch.from_numpy(np.array(source.vector, np.float32))
    direction = Direction(condition.id, source.layer, vector / vector.norm(), source.scale)
    mixer = Mixer([in_mode(direction, "add", branch)], spec=spec)
    mixer.set(condition.id, condition.amount)
    return mixer


class _Rebuilt(Hold):
    def __init__(
        self, encoder: Tensor, bias: Tensor, threshold: Tensor, decoder: Tensor, centre: Tensor
    ) -> None:
        self._encoder, self._bias, self._threshold = encoder, bias, threshold
        self._decoder, self._centre = decoder, centre

    def apply(self, x: Tensor, branch: int) -> Tensor:
        """The bank's features of x, put together again."""
        activation = torch.relu((x - self._centre) @ self._encoder.T + self._bias)
        activation = torch.where(activation > self._threshold, activation, 0.0)
        return activation @ self._decoder + self._centre


class PassThrough:
    """Steering that moves nothing and lets the residual through the SAE: what the SAE itself costs.

    Only published features take part, each above its stored threshold.
    """

    def __init__(self, layer: int, hold: Hold) -> None:
        self.layer, self._hold = layer, hold

    def start(self, lanes: Lanes | None = None, guidance: float | None = None) -> "PassThrough":
        return self

    def settled(self, lanes: Lanes | None = None) -> "PassThrough":
        return self

    def advance(self, position: int) -> bool:
        """See SteeringRun: the same at every position."""
        return position == 0

    def added(self, first: int, count: int) -> dict[int, Tensor]:
        return {}

    def holds(self, first: int, count: int) -> dict[int, Hold]:
        return {self.layer: self._hold}

    def rewind(self, position: int) -> None: ...

    def amounts(self) -> dict[str, float]:
        return {}

    @property
    def recorded(self) -> Lanes:
        return Automation([])


def pass_through(bank: Bank, layer: int) -> PassThrough:
    """A bank's layer -> the reconstruction of its residual."""
    ids = [row.id for row in bank.search(layer=layer, limit=1_000_000)]
    rows = bank.vectors(ids)

    def tensor(name: str) -> Tensor:
        return torch.as_tensor(np.asarray(rows[name], np.float32))

    centre = torch.as_tensor(np.asarray(rows["b_dec"][layer], np.float32))
    return PassThrough(
        layer, _Rebuilt(tensor("W_enc"), tensor("b_enc"), tensor("threshold"), tensor("W_dec"), centre)
    )
