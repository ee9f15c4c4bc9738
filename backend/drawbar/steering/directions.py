"""A bank's rows -> unit vectors with a layer, a scale and an encoder, tied to their site.

Knows nothing of sliders or of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, cast

import torch
from torch import Tensor

from drawbar.bank import BankInfo
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.files.json_object import JsonMapping
from drawbar.musicgen.interfaces import SitedModel
from drawbar.prompts import weight_id

Mode = Literal["add", "clamp", "mute", "prompt"]
Branch = Literal["both", "conditional"]

DEFAULT_BRANCH: dict[Mode, Branch] = {
    "add": "conditional",
    "clamp": "both",
    "mute": "both",
    "prompt": "both",
}
"""A push of the conditional branch alone keeps more of everything else for the same effect (docs/variants.md); what
holds an activation has to hold it in both, or guidance would multiply the difference."""


@dataclass(frozen=True, eq=False)
class Part:
    """What a direction adds at one layer."""

    layer: int
    vector: Tensor
    """``[D]`` float32, unit length."""
    scale: float
    """The norm that amount 1 adds."""


@dataclass(frozen=True, eq=False)
class Direction:
    """What one slider moves. Raises BadInputError for a vector that is not finite or not of unit length."""

    id: str
    """The feature, ``layer/index``."""
    layer: int
    """The residual it is added to: the output of block ``layer``, counted from 0."""
    vector: Tensor
    """``[D]`` float32, unit length."""
    scale: float
    """99th percentile of the activation where the feature fires: amount 1 adds ``scale * vector`` (on the conditional
    branch alone divided by the guidance, see ``Mixer.start``)."""
    encoder: Tensor | None = None
    """``[D]``: the activation is ``relu(encoder . x + bias)``; ``clamp`` and ``mute`` need it."""
    bias: float = 0.0
    threshold: float = 0.0
    """Activations up to this count as silence."""
    mode: Mode = "add"
    """``add``: amount in units of ``scale``; ``clamp``: hold the activation at ``amount * scale``; ``mute``: take
    the share ``amount`` (0 to 1) of the activation away; ``prompt``: pushes nothing (see ``prompt_weight``)."""
    branch: Branch | None = None
    """Which guidance branches it acts on; None is what ``DEFAULT_BRANCH`` says of its mode."""
    further: tuple[Part, ...] = ()
    """What it adds at other layers besides (a concept slider of several layers); ``clamp`` and ``mute`` act on
    ``layer`` alone."""

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or not bool(torch.isfinite(self.vector).all()):
            raise BadInputError(
                f"direction {self.id}: its vector must be one finite row, not {list(self.vector.shape)}"
            )
        length = float(self.vector.norm())
        if abs(length - 1) > 1e-2:
            raise BadInputError(f"direction {self.id}: its vector has length {length:.3g}; divide it by that")
        if not 0 <= self.scale < float("inf"):
            raise BadInputError(f"direction {self.id}: scale {self.scale} must be a finite number, 0 or more")
        for part in self.further:
            if part.layer == self.layer or part.vector.shape != self.vector.shape:
                raise BadInputError(
                    f"direction {self.id}: its further part at layer {part.layer} must be of another layer and as wide"
                )
        if self.branch is None:
            object.__setattr__(self, "branch", DEFAULT_BRANCH.get(self.mode, "both"))
        if self.mode not in DEFAULT_BRANCH or self.branch not in ("both", "conditional"):
            raise BadInputError(
                f"direction {self.id}: mode {self.mode!r}, branch {self.branch!r} are not known"
            )
        if self.mode in ("clamp", "mute") and (
            self.encoder is None or self.encoder.shape != self.vector.shape
        ):
            raise BadInputError(
                f"direction {self.id}: {self.mode} needs the feature's encoder row; use add instead"
            )

    @property
    def parts(self) -> tuple[Part, ...]:
        """What it adds, layer by layer."""
        return (Part(self.layer, self.vector, self.scale), *self.further)


def in_mode(direction: Direction, mode: str, branch: str = DEFAULT_BRANCH["add"]) -> Direction:
    """The same slider acting otherwise; ``branch`` is where it acts if it adds. Raises BadInputError."""
    chosen = branch if mode == "add" else DEFAULT_BRANCH.get(cast("Mode", mode))
    return replace(direction, mode=cast("Mode", mode), branch=cast("Branch | None", chosen))


def prompt_weight(place: int, width: int) -> Direction:
    """A slider that moves no residual of ``width`` but the weight of a take's ``place``-th prompt (0 to 1)."""
    vector = torch.zeros(width)
    vector[0] = 1.0
    return Direction(weight_id(place), 0, vector, 0.0, mode="prompt")


class DirectionSource(Protocol):
    """What features' directions are read from (`drawbar.bank.Bank`)."""

    @property
    def info(self) -> BankInfo: ...

    def vectors(self, ids: Sequence[str]) -> JsonMapping:
        """SAE rows, as `drawbar.bank.Bank.vectors` gives them."""
        ...


def check_site(bank: DirectionSource, model: SitedModel) -> None:
    """Raises SiteMismatchError, naming both sites, unless ``bank`` was made from ``model``."""
    theirs, ours = bank.info.fingerprint, model.fingerprint
    if theirs != ours:
        layers = ", ".join(str(layer) for layer in bank.info.layers)
        raise SiteMismatchError(
            f"bank {bank.info.name!r} belongs to model {bank.info.model_name!r} {theirs[:12]} (layers {layers}), "
            f"not to the loaded model {model.spec.name!r} {ours[:12]}: load that model, or a bank made from this one"
        )


def directions_from_bank(
    bank: DirectionSource, ids: Sequence[str], *, mode: Mode = "add", branch: Branch | None = None
) -> list[Direction]:
    """Feature ids -> their directions. Raises BankError or BadInputError for an id that the bank does not have."""
    if not ids:
        return []
    rows = bank.vectors(list(ids))
    result = []
    for place, id in enumerate(ids):
        layer = int(id.split("/", 1)[0])
        encoder = torch.as_tensor(rows["W_enc"][place]).float()
        shift = torch.as_tensor(rows["b_dec"][layer]).float()
        vector = torch.as_tensor(rows["W_dec"][place]).float()
        result.append(
            Direction(
                id=id,
                layer=layer,
                vector=vector / vector.norm().clamp_min(1e-12),
                scale=float(rows["scale"][place]),
                encoder=encoder,
                bias=float(rows["b_enc"][place]) - float(encoder @ shift),
                threshold=float(rows["threshold"][place]),
                mode=mode,
                branch=branch,
            )
        )
    return result
