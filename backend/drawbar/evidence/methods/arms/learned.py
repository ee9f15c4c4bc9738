"""Clips that have a concept and clips that lack it -> one vector per concept, learned by gradient.

Rank one and added to the residual, as ReFT-r1 in AxBench (arXiv 2501.17148): it should make the takes that have the
concept likelier, and those that lack it less so, than the unsteered model finds them, while everything else it
predicts stays as it is (Kullback-Leibler divergence on clips that have the concept already: there a slider has nothing
to do). All concepts are learned in one batch, each clip pushed by its own; only the blocks above the push are
differentiated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from drawbar.bank import Push
from drawbar.errors import BadInputError
from drawbar.evidence.methods.material import Material, as_tensor, unit
from drawbar.evidence.methods.method import Steer
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.delay import to_steps


@dataclass(frozen=True)
class LearnSettings:
    """How vectors are learned. Raises BadInputError for impossible numbers."""

    steps: int = 60
    clips: int = 2
    """Of each kind, per concept and step."""
    rate: float = 0.05
    keep: float = 0.5
    """Weight of the divergence on clips that have the concept."""
    norm: float = 1.0
    """Of the push while learning, in scales of the layer."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.clips) < 1 or self.rate <= 0 or self.keep < 0 or self.norm <= 0:
            raise BadInputError(f"{self}: at least 1 step and clip, a rate and a norm above 0")


def learned(
    material: Material, concepts: Sequence[str], settings: LearnSettings | None = None
) -> dict[str, Steer]:
    """Every concept that has clips enough and a difference in means to start from."""
    how = settings or LearnSettings()
    known = [name for name in concepts if name in material.examples and material.contrast(name) is not None]
    by_layer: dict[int, list[str]] = {}
    for name in known:
        one = material.contrast(name)
        assert one is not None  # known has only these
        by_layer.setdefault(one.layer, []).append(name)
    found: dict[str, Steer] = {}
    for layer, names in by_layer.items():
        started = perf_counter()
        vectors = _learn(material, layer, names, how)
        each = (perf_counter() - started) / len(names)
        for name, vector in zip(names, vectors, strict=True):
            push = Push(layer, (material.scale(layer) * unit(vector.numpy())).astype("f4"))
            found[name] = Steer((push,), seconds=each)
    return found


def _learn(material: Material, layer: int, names: Sequence[str], how: LearnSettings) -> Tensor:
    """Vectors ``[C, D]``."""
    decoder, scale = material.model.decoder, how.norm * material.scale(layer)
    starts = [material.contrast(name) for name in names]
    free = torch.stack([as_tensor(unit(one.vector)) for one in starts if one is not None]).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=how.rate)
    generator = torch.Generator().manual_seed(how.seed)
    for _ in range(how.steps):
        tokens, of, sign = _batch(material.examples, names, how.clips, generator)
        with torch.no_grad():
            below, targets = _below(material, decoder, tokens, layer)
            before = _log_p(decoder, below, layer)
        pushes = scale * F.normalize(free, dim=1)[of][:, None]
        after = _log_p(decoder, below + pushes, layer)
        gain = (after - before).gather(-1, targets[..., None])[..., 0].mean((1, 2))
        moved = (before.exp() * (before - after)).sum(-1).mean((1, 2))
        loss = -(sign * gain).mean() + how.keep * moved[sign > 0].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return F.normalize(free.detach(), dim=1)


def _batch(
    examples: Mapping[str, tuple[Tensor, Tensor]],
    names: Sequence[str],
    count: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens ``[B, K, T]``, whose vector each clip is pushed by ``[B]``, and +1 (has it) or -1 ``[B]``."""
    tokens, of, sign = [], [], []
    for number, name in enumerate(names):
        for clips, which in zip(examples[name], (1.0, -1.0), strict=True):
            for place in torch.randint(len(clips), (count,), generator=generator).tolist():
                tokens.append(clips[place])
                of.append(number)
                sign.append(which)
    return torch.stack(tokens).long(), torch.tensor(of), torch.tensor(sign)


def _below(material: Material, decoder: Decoder, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor]:
    """The residual ``[B, S, D]`` after block ``layer`` without a prompt, and the steps to predict ``[B, K, S]``."""
    spec = material.model.spec
    steps = to_steps(tokens, spec.delays, spec.card, valid_only=True)
    x = decoder.embedded(steps[:, :, :-1])
    for block in decoder.blocks[: layer + 1]:
        x = block(x, None, None)
    # Where a codebook has not begun yet the next step is the special one: it is in no codebook, so the first counts.
    return x, steps[:, :, 1:].clamp_max(spec.card - 1)


def _log_p(decoder: Decoder, x: Tensor, layer: int) -> Tensor:
    """The residual after block ``layer`` -> log probabilities ``[B, K, S, card]``."""
    for block in decoder.blocks[layer + 1 :]:
        x = block(x, None, None)
    return torch.log_softmax(decoder.logits(x), -1)
