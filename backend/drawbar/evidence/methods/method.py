"""What a method makes of a concept -> something that steers: pushes at layers, or words in the prompt.

A method is anything that gives a `Steer` per concept: one of ours (``arms``), a safetensors file of somebody else's
directions, or a Python function. Knows nothing of how it is judged.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from drawbar.bank import ConceptSlider, Push
from drawbar.errors import BadInputError
from drawbar.musicgen.interfaces import Steering
from drawbar.musicgen.spec import ModelSpec
from drawbar.steering import Direction, Mixer
from drawbar.steering.directions import Part

_ID = "method"


@dataclass(frozen=True, eq=False)
class Steer:
    """What a method does for one concept. Raises BadInputError for neither pushes nor words."""

    pushes: tuple[Push, ...] = ()
    """What amount 1 adds, at most one per layer."""
    words: str = ""
    """Put into the prompt instead (``with drums``); amounts above 0 only."""
    features: tuple[tuple[str, float], ...] = ()
    """(feature id, share) of what it is made of."""
    seconds: float = 0.0
    """What it took to make."""

    def __post_init__(self) -> None:
        if bool(self.pushes) == bool(self.words):
            raise BadInputError("a method gives pushes or words for a concept, and not both")

    def scaled(self, factor: float) -> "Steer":
        """The same with amount 1 adding ``factor`` times as much."""
        pushes = tuple(Push(p.layer, (factor * p.vector).astype(np.float32)) for p in self.pushes)
        return Steer(pushes, self.words, self.features, self.seconds)

    def steering(self, amount: float, spec: ModelSpec) -> Steering | None:
        """What steers a clip; None where only the prompt changes."""
        if not self.pushes or amount == 0:
            return None
        parts = [
            Part(p.layer, torch.from_numpy(p.vector / norm), norm)
            for p in self.pushes
            if (norm := float(np.linalg.norm(p.vector)))
        ]
        main = parts[0]
        mixer = Mixer(
            [Direction(_ID, main.layer, main.vector, main.scale, further=tuple(parts[1:]))], spec=spec
        )
        mixer.set(_ID, amount)
        return mixer

    def prompt(self, prompt: str, amount: float) -> str:
        """The prompt of a clip."""
        return f"{prompt} {self.words}" if self.words and amount > 0 else prompt


@dataclass(frozen=True)
class Method:
    """A named way, and what it made of each concept that it can make."""

    name: str
    steers: Mapping[str, Steer]
    about: Mapping[str, object] = field(default_factory=dict)


Maker = Callable[[Sequence[str]], Mapping[str, Sequence[tuple[int, NDArray[np.float32]]]]]
"""Somebody else's function: concepts -> concept -> (layer, vector with its norm)."""


def method_of_file(path: Path, concepts: Sequence[str], spec: ModelSpec) -> Method:
    """``FILE.safetensors`` with tensors ``CONCEPT@LAYER`` ``[D]``, or ``FILE.py`` with ``directions(concepts)``.

    Raises BadInputError for a file that has no direction for any of the concepts, or one of another width.
    """
    if path.suffix == ".py":
        rows = _called(path, concepts)
    elif path.suffix == ".safetensors":
        rows = _read(path)
    else:
        raise BadInputError(
            f"{path}: give a .safetensors file of directions, or a .py file with directions()"
        )
    steers = {}
    for concept in concepts:
        if not rows.get(concept):
            continue
        for layer, vector in rows[concept]:
            if vector.shape != (spec.d_model,) or not 0 <= layer < spec.n_layers:
                raise BadInputError(
                    f"{path}: {concept}@{layer} has shape {vector.shape}; model {spec.name!r} has {spec.n_layers} "
                    f"layers of width {spec.d_model}"
                )
        pushes = [Push(layer, np.asarray(vector, np.float32)) for layer, vector in rows[concept]]
        steers[concept] = Steer(tuple(sorted(pushes, key=lambda p: -float(np.linalg.norm(p.vector)))))
    if not steers:
        raise BadInputError(
            f"{path} has no direction for {', '.join(concepts)}; name its tensors CONCEPT@LAYER"
        )
    return Method(path.stem, steers)


def methods_of_sliders(sliders: Sequence[ConceptSlider]) -> Mapping[str, Steer]:
    """A bank's concept sliders by the concept that their page names."""
    return {
        str(one.page.get("concept", one.name)): Steer(one.pushes, features=one.features) for one in sliders
    }


_Rows = Mapping[str, Sequence[tuple[int, NDArray[np.float32]]]]


def _read(path: Path) -> _Rows:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadInputError(
            f"{path} cannot be read ({error}): give a safetensors file of directions"
        ) from error
    found: dict[str, list[tuple[int, NDArray[np.float32]]]] = {}
    for name, vector in tensors.items():
        concept, at, layer = name.rpartition("@")
        if not at or not layer.isdecimal():
            raise BadInputError(f"{path}: tensor {name[:60]!r} is not named CONCEPT@LAYER, as in drums@4")
        found.setdefault(concept, []).append((int(layer), vector))
    return found


def _called(path: Path, concepts: Sequence[str]) -> _Rows:
    plan = importlib.util.spec_from_file_location(path.stem, path)
    if plan is None or plan.loader is None or not path.is_file():
        raise BadInputError(f"{path} is no Python file: give one that defines directions(concepts)")
    module = importlib.util.module_from_spec(plan)
    plan.loader.exec_module(module)
    maker: Maker | None = getattr(module, "directions", None)
    if maker is None:
        raise BadInputError(f"{path} defines no directions(concepts) -> {{concept: [(layer, vector)]}}")
    return maker(concepts)
