"""Lists of layers, sizes, k and seeds -> the cells of a sweep: one SAE's layer and settings each."""

from dataclasses import dataclass, replace
from itertools import product

from drawbar.errors import BadInputError
from drawbar.sae import SaeSettings

__all__ = ["Cell", "SweepSettings", "cells"]


@dataclass(frozen=True)
class SweepSettings:
    """Every combination is trained; a list that is empty takes what ``sae`` says. No list at all: no sweep."""

    layers: tuple[int, ...] = ()
    expansion: tuple[int, ...] = ()
    k: tuple[int, ...] = ()
    seed: tuple[int, ...] = ()
    activation: tuple[str, ...] = ()
    k_aux: tuple[int, ...] = ()
    resample_every: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("layers", "expansion", "k", "seed", "activation", "k_aux", "resample_every"):
            values = getattr(self, name)
            if isinstance(values, str) or len(set(values)) != len(values):
                raise BadInputError(f"sweep {name}={values!r}: a list of different values")

    def __bool__(self) -> bool:
        """Whether anything is swept."""
        return any(
            (self.layers, self.expansion, self.k, self.seed, self.activation, self.k_aux, self.resample_every)
        )


@dataclass(frozen=True)
class Cell:
    """One SAE to train."""

    layer: int
    sae: SaeSettings

    @property
    def name(self) -> str:
        """What differs from cell to cell, as a folder's name."""
        s = self.sae
        extra = "" if s.activation == "topk" else f"-{s.activation}"
        extra += f"-resample{s.resample_every}" if s.resample_every else ""
        return f"layer{self.layer}-f{s.d_sae}-k{s.k}-aux{s.k_aux}-seed{s.seed}{extra}"


def cells(sweep: SweepSettings, base: SaeSettings, layers: tuple[int, ...], d_model: int) -> list[Cell]:
    """Every combination, in order of layer, size, k, rule, remedy against dead features, seed."""
    if not sweep:
        return []
    found = []
    for layer, expansion, k, activation, k_aux, resample, seed in product(
        sweep.layers or layers,
        sweep.expansion or (0,),
        sweep.k or (base.k,),
        sweep.activation or (base.activation,),
        sweep.k_aux or (base.k_aux,),
        sweep.resample_every or (base.resample_every,),
        sweep.seed or (base.seed,),
    ):
        size = expansion * d_model if expansion else base.at_width(d_model).d_sae
        found.append(
            Cell(
                layer,
                replace(
                    base,
                    d_sae=size,
                    expansion=0,
                    k=k,
                    activation=activation,  # type: ignore[arg-type]
                    k_aux=k_aux,
                    resample_every=resample,
                    seed=seed,
                ),
            )
        )
    return found
