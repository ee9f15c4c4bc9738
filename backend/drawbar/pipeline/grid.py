"""Lists of layers, sizes, k and seeds -> the cells of a sweep: one SAE's layer and settings each."""

from dataclasses import dataclass, fields, replace
from itertools import product

from drawbar.errors import BadInputError
from drawbar.sae import SaeSettings


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
    nested: tuple[bool, ...] = ()
    """True keeps the nested and slow groups that ``sae`` asks for, False trains without."""

    def __post_init__(self) -> None:
        for name in self._lists():
            values = getattr(self, name)
            if isinstance(values, str) or len(set(values)) != len(values):
                raise BadInputError(f"sweep {name}={values!r}: a list of different values")

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self._lists())

    def _lists(self) -> list[str]:
        return [field.name for field in fields(self)]


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
        extra += f"-nested{len(s.prefixes)}" if s.prefixes else ""
        extra += f"-slow{s.slow}" if s.slow else ""
        return f"layer{self.layer}-f{s.d_sae}-k{s.k}-aux{s.k_aux}-seed{s.seed}{extra}"


def cells(sweep: SweepSettings, base: SaeSettings, layers: tuple[int, ...], d_model: int) -> list[Cell]:
    """Every combination, in order of layer, size, k, rule, remedy against dead features, seed."""
    if not sweep:
        return []
    found = []
    for layer, expansion, k, activation, k_aux, resample, nested, seed in product(
        sweep.layers or layers,
        sweep.expansion or (0,),
        sweep.k or (base.k,),
        sweep.activation or (base.activation,),
        sweep.k_aux or (base.k_aux,),
        sweep.resample_every or (base.resample_every,),
        sweep.nested or (bool(base.prefixes),),
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
                    prefixes=base.prefixes if nested else (),
                    slow=base.slow if nested else 0,
                ),
            )
        )
    return found
