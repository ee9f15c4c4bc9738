"""A model and a second implementation of it -> one row for each thing in which they must agree.

Ours is asked through its public methods, teacher-forced and playing frame by frame. Knows nothing of codecs or of
how the other implementation was filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from drawbar.musicgen.generation.sampling import Noise
from drawbar.musicgen.model import Model
from drawbar.musicgen.network.delay import to_steps
from drawbar.musicgen.parity.fixed_steering import FixedSteering
from drawbar.musicgen.parity.interface import Oracle, Passed, Text
from drawbar.musicgen.parity.report import Row
from drawbar.musicgen.spec import CHROMA, ModelSpec

BOUND = 1e-4
"""Largest difference of logits and residuals, float32. Measured: 1e-6 on random small models, 2e-5 on the embedded."""

LONG = 500
"""Frames over which numbers are compared; tokens are compared over all. audiocraft rounds the angles of its positions
otherwise than transformers and we do: 3e-5 apart at 500 positions, 9e-5 at 1500."""

SHORT = 64
"""Frames of the cases that need not be long."""


@dataclass(frozen=True)
class Case:
    """One clip, and what our model makes of it."""

    title: str
    """Put before what is compared; empty for the first case."""
    tokens: Tensor
    """``[1, K, T]``"""
    text: Text
    """The conditional and the null row, unpadded."""
    steering: FixedSteering | None
    logits: Tensor
    """``[2, K, T, card]``: with the prompt and without; one row where steering acts on the conditional one only."""
    residuals: dict[int, Tensor]
    """Layer -> ``[T + 1, D]``"""
    played: Tensor | None = None
    """``[T, N, D]``: the residuals of all N layers while it played, frame t at position t + 1."""
    guidance: float = 3.0
    melody: tuple[int, ...] = ()
    """Pitch classes that a melody model followed; its null row reads none."""
    seed: int | None = None
    """Of a take that was drawn at temperature 1; None for a greedy one."""


class _Everything:
    """An observer of every layer."""

    def __init__(self, layers: int) -> None:
        self.name, self.layers = "every layer", tuple(range(layers))

    def observe(self, residuals: dict[int, Tensor]) -> Tensor:
        return torch.stack([residuals[layer].float().cpu() for layer in self.layers])


def our_cases(
    model: Model,
    prompts: Sequence[str | None],
    frames: int,
    guidance: float,
    seed: int,
    progress: Callable[[str, float], None],
) -> list[Case]:
    """Runs our model: a long greedy take, a second prompt, steering, a long drawn and steered take, faint residuals.

    Models that draw in a way of their own (``change_temperature``) are compared without the drawn one.
    """
    first, second = prompts
    layers = model.spec.n_layers
    short = min(SHORT, model.spec.context_frames)
    generator = torch.Generator().manual_seed(seed)

    def clip() -> Tensor:
        return torch.randint(0, model.spec.card, (1, model.spec.n_q, short), generator=generator)

    melody: tuple[int, ...] = ()
    if model.spec.melody_frames:
        melody = tuple(torch.randint(0, CHROMA, (50,), generator=generator).tolist())
    cases = [_played(model, "", first, frames, None, guidance, progress, melody=melody)]
    if melody:
        cases.append(_forced(model, "no prompt, no melody", None, clip(), None))
        cases.append(_forced(model, "no melody", first, clip(), None))
    cases.append(_forced(model, "2nd prompt", second, clip(), None))
    push = _push(cases[0], layers, generator)
    cases.append(_forced(model, "steered", first, clip(), push))
    cases.append(_played(model, "steered", first, short, push, guidance, progress))
    if model.spec.change_temperature is None:
        cases.append(_played(model, "drawn, steered", first, frames, push, guidance, progress, seed, melody))
    # All but the last layer: every block's norm; the last alone: the final norm.
    for faint in (tuple(range(layers - 1)), (layers - 1,)):
        if faint:
            cases.append(_forced(model, "faint", first, clip(), FixedSteering(faint=faint)))
    return cases


def compare(model: Model, oracle: Oracle, cases: Sequence[Case]) -> Iterator[Row]:
    """Our cases against one implementation."""
    spec, name = model.spec, oracle.name
    faint: list[float] = []
    for number, case in enumerate(cases):
        frames = case.tokens.shape[2]
        steps = oracle.steps(case.tokens)
        if not number:
            wrong = _differing(to_steps(case.tokens, spec.delays, spec.card), steps)
            yield Row.compared("delay pattern", name, wrong, 0, f"{steps.shape[2]} steps")
        edits = case.steering.edits() if case.steering is not None else None
        theirs = oracle.run(steps.repeat(2, 1, 1), case.text, edits, _tones(case, spec))
        pairs = [
            (ours, by_frame(row.cpu(), oracle, frames, spec.card))
            for ours, row in zip(case.logits, theirs.logits, strict=False)
        ]
        logits = [_apart(ours[:, :LONG], row[:, :LONG]) for ours, row in pairs]
        if case.title == "faint":
            faint.extend((logits[0], *(_apart(x, _at(theirs, n, frames)) for n, x in case.residuals.items())))
            continue
        prefix = f"{case.title}: " if case.title else ""
        if case.residuals:
            yield Row.compared(f"{prefix}logits", name, logits[0], BOUND)
        if len(logits) > 1:
            yield Row.compared(f"{prefix}logits, null text", name, logits[1], BOUND)
        yield from _residual_rows(case, theirs, prefix, name)
        if not number:
            yield _numbering(case, theirs, name)
        if case.played is not None:
            what = f"{prefix}greedy tokens" if case.seed is None else f"{prefix}tokens"
            yield _same_tokens(case, steps, theirs, what, name, max(logits), spec.delays)
    yield Row.compared("norm epsilon", name, max(faint), BOUND, "faint residuals")


def by_frame(logits: Tensor, oracle: Oracle, frames: int, card: int) -> Tensor:
    """One row's logits ``[K, S, card]`` -> ``[K, T, card]`` by its own pattern, NaN past the valid steps."""
    books = logits.shape[0]
    # Numbers above every token, sent through the pattern, show where each frame of a codebook is read.
    read = oracle.steps(torch.arange(frames).expand(1, books, frames) + card + 1)[0]
    result = logits.new_full((books, frames, logits.shape[2]), float("nan"))
    for book in range(books):
        places = (read[book] > card).nonzero()[:, 0]
        valid = int((places <= frames).sum())
        result[book, :valid] = logits[book, places[:valid] - 1]
    return result


# --- ours ---------------------------------------------------------------------------------------------------


def _tones(case: Case, spec: ModelSpec) -> Tensor | None:
    """Both rows' pitch classes ``[2, M, 12]``: the melody from its beginning over and over, and none (all C)."""
    if not spec.melody_frames:
        return None
    given = torch.tensor(case.melody or (0,)).repeat(spec.melody_frames)[: spec.melody_frames]
    return F.one_hot(torch.stack([given, torch.zeros_like(given)]), CHROMA).float()


def _states(model: Model, prompt: str | None) -> Text:
    """The conditional and the null row of one prompt."""
    if prompt is None or model.text is None:
        return torch.zeros(2, 1, model.spec.text_dim), torch.zeros(2, 1, dtype=torch.bool)
    states, mask = model.text.encode([prompt])
    return torch.cat([states, torch.zeros_like(states)]), torch.cat([mask, torch.zeros_like(mask)])


def _forced(
    model: Model,
    title: str,
    prompt: str | None,
    tokens: Tensor,
    steering: FixedSteering | None,
    melody: tuple[int, ...] = (),
) -> Case:
    logits = [model.logits(tokens, prompt, steering=steering, melody=melody)]
    # A melody model reads null text in as many places as the prompt takes; alone it takes one.
    if steering is None and not model.spec.melody_frames:
        logits.append(model.logits(tokens, None))
    residuals = model.residuals(tokens, prompt, range(model.spec.n_layers), steering=steering, melody=melody)
    return Case(
        title,
        tokens,
        _states(model, prompt),
        steering,
        torch.cat(logits).cpu(),
        {n: x[0].cpu() for n, x in residuals.items()},
        melody=melody,
    )


def _played(
    model: Model,
    title: str,
    prompt: str | None,
    frames: int,
    steering: FixedSteering | None,
    guidance: float,
    progress: Callable[[str, float], None],
    seed: int | None = None,
    melody: tuple[int, ...] = (),
) -> Case:
    """A greedy take (with a seed: a drawn one), and what every layer put out while it was made."""
    tokens, seen = [], []
    everything = _Everything(model.spec.n_layers)
    with model.stream(
        prompt,
        guidance=guidance,
        temperature=0.0 if seed is None else 1.0,
        top_k=0,
        seed=seed or 0,
        seconds=frames / model.spec.frame_rate_hz,
        steering=steering,
        observers=[everything],
        melody=melody,
    ) as stream:
        for frame in stream:
            tokens.append(frame.tokens)
            seen.append(frame.observed[everything.name])
            progress(f"playing {frames} frames", (frame.index + 1) / frames)
    case = _forced(model, title, prompt, torch.stack(tokens, dim=1)[None], steering, melody)
    # The teacher-forced residuals of steering are a case of their own.
    residuals = case.residuals if steering is None else {}
    return replace(case, residuals=residuals, played=torch.stack(seen), guidance=guidance, seed=seed)


def _push(case: Case, layers: int, generator: torch.Generator) -> FixedSteering:
    """Half a residual's length along a random direction, on both branches of one layer and one branch of another."""
    add = {}
    for layer, branches in {0: (1.0, 0.0), layers // 2: (1.0, 1.0)}.items():
        residual = case.residuals[layer]
        vector = torch.randn(residual.shape[1], generator=generator)
        vector *= 0.5 * residual.norm(dim=1).mean() / vector.norm()
        add[layer] = torch.stack([vector * branch for branch in branches])
    return FixedSteering(add)


# --- both ---------------------------------------------------------------------------------------------------


def _residual_rows(case: Case, theirs: Passed, prefix: str, name: str) -> Iterator[Row]:
    frames = min(case.tokens.shape[2], LONG)
    for layer, ours in case.residuals.items():
        worst = _apart(ours[: frames + 1], _at(theirs, layer, frames))
        yield _layer_row(layer, prefix, "", name, worst)
    if case.played is not None:
        for layer in range(case.played.shape[1]):
            worst = _apart(case.played[:frames, layer], _at(theirs, layer, frames)[1:])
            yield _layer_row(layer, prefix, ", playing", name, worst)


def _layer_row(layer: int, prefix: str, how: str, name: str, worst: float) -> Row:
    what, group = f"{prefix}residual of layer {layer}{how}", f"{prefix}residuals{how}"
    return Row.compared(what, name, worst, BOUND, group=group, place=f"layer {layer}")


def _numbering(case: Case, theirs: Passed, name: str) -> Row:
    """Our layer n must be their ``layers[n]`` and no other: of all hooks, its own must be the nearest."""
    wrong, nearest_other = [], float("inf")
    for layer, ours in case.residuals.items():
        part = ours[: SHORT + 1]
        apart = [_apart(part, x[0, : len(part)].cpu()) for x in theirs.residuals.values()]
        nearest = min(range(len(apart)), key=apart.__getitem__)
        nearest_other = min([nearest_other, *(a for n, a in enumerate(apart) if n != layer)])
        if nearest != layer or len(theirs.residuals) != len(case.residuals):
            wrong.append(f"{layer} is their {nearest}")
    note = f"layer {', '.join(wrong)}" if wrong else f"others {nearest_other:.2g} away or more"
    return Row.compared("layer numbering", name, len(wrong), 0, note)


def _same_tokens(
    case: Case,
    steps: Tensor,
    theirs: Passed,
    what: str,
    name: str,
    rounding: float,
    delays: Sequence[int],
) -> Row:
    """Whether their likeliest token, given ours so far, is ours at every step.

    That is the same as decoding greedily with theirs: both start from the same step, and as long as every earlier
    token is equal the next is chosen from the same logits, so the first difference would show here (induction over
    steps; the network is causal, so one pass gives all of them). A difference where their two likeliest tokens are
    closer than the two implementations' own rounding (the largest difference of their logits, where it is within its
    bound) is a tie that neither decides: it is counted apart. A drawn take is the likeliest after the seed's noise.
    """
    conditional, null = theirs.logits.float().cpu()
    guided = (null + case.guidance * (conditional - null))[:, :-1]
    if case.seed is not None:
        guided = guided + _noise(case.seed, delays, *guided.shape[1:])
    expected = steps[0, :, 1:].cpu()
    decided = expected < guided.shape[-1]
    top = guided.topk(2, dim=-1)
    margins = (top.values[..., 0] - top.values[..., 1]).masked_fill(~decided, float("inf"))
    differing = decided & (top.indices[..., 0] != expected)
    amplified = 2 * (abs(case.guidance) + abs(case.guidance - 1)) * min(rounding, BOUND)
    ties = differing & (margins <= amplified)
    book, step = divmod(int(margins.argmin()), margins.shape[1])
    note = (
        f"{int(decided.sum())} tokens; least margin {float(margins.min()):.2g} (book {book}, step {step + 1})"
    )
    if bool(ties.any()):
        note += f"; {int(ties.sum())} ties within rounding left out"
    return Row.compared(what, name, int((differing & ~ties).sum()), 0, note)


def _noise(seed: int, delays: Sequence[int], positions: int, card: int) -> Tensor:
    """What is added to the logits of every book and position before the likeliest is taken ``[K, S, card]``."""
    keys = [
        Noise.keys(seed, [(position - delay, book) for position in range(positions)])
        for book, delay in enumerate(delays)
    ]
    return Noise(card).keyed(torch.tensor(keys, dtype=torch.int64))


def _at(theirs: Passed, layer: int, frames: int) -> Tensor:
    """Their conditional row's residual at the valid steps, ``[T + 1, D]``."""
    return theirs.residuals[layer][0, : frames + 1].cpu()


def _differing(ours: Tensor, theirs: Tensor) -> int:
    """Entries that differ; all of them where the shapes do."""
    if ours.shape != theirs.shape:
        return max(ours.numel(), theirs.numel())
    return int((ours != theirs.to(ours.device)).sum())


def _apart(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference; infinite where shapes or the places without a value differ."""
    if ours.shape != theirs.shape or not torch.equal(ours.isnan(), theirs.isnan()):
        return float("inf")
    difference = (ours.float() - theirs.float()).abs().nan_to_num(nan=0.0, posinf=float("inf"))
    return float(difference.max())
