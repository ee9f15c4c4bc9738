"""Codec tokens and prompts -> a trained decoder and text encoder; resumable. Knows nothing of audio."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from drawbar.bundled.chord_heads import ChordHeads
from drawbar.bundled.context_noise import from_there, gone_wrong
from drawbar.bundled.lag_heads import plant
from drawbar.bundled.material import Material
from drawbar.bundled.own_takes import OwnTake, play
from drawbar.bundled.recipe import DecoderSettings
from drawbar.bundled.tempo_heads import TempoHeads
from drawbar.bundled.text import make_text_encoder, make_tokenizer
from drawbar.corpus import CONCEPTS, Piece, prompt_for
from drawbar.corpus.composer.chord_names import chord_name
from drawbar.corpus.composer.loops import PHRASE_BARS, PHRASE_FRAMES
from drawbar.corpus.composer.prompt_words import PLACES, QUALITY_WORDS, ROOT_WORDS, tempo_word
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.delay import targets_for, to_steps
from drawbar.musicgen.spec import ModelSpec

_SHORT_FRAMES = 200
"""Clips up to here: plain attention; the blocked kernel's backward pass took a third of their steps."""
_PAUSED_S = 120.0
"""No step takes so long: the process was stopped, and the time does not count as training."""


@dataclass
class Language:
    """What is trained together: the decoder, its text encoder, and the tokenizer."""

    decoder: Decoder
    text_encoder: T5EncoderModel
    tokenizer: PreTrainedTokenizerFast

    def modules(self) -> nn.ModuleList:
        """Both networks as one module (for the optimiser and the checkpoint)."""
        return nn.ModuleList([self.decoder, self.text_encoder])

    def logits(self, steps: Tensor, prompts: list[str], start: int = 0) -> Tensor:
        """Steps ``[B, K, S]`` from position ``start`` and B prompts (an empty one is null text) -> logits
        ``[B, K, S, card]``."""
        states, mask = self.read(prompts)
        result: Tensor = self.decoder(steps, states, mask, start)
        return result

    def read(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """B prompts (an empty one is null text) -> text states ``[B, L, D]`` and mask ``[B, L]``."""
        coded = self.tokenizer([p or "<pad>" for p in prompts], return_tensors="pt", padding=True)
        mask = coded["attention_mask"].bool()
        states = self.text_encoder(input_ids=coded["input_ids"], attention_mask=mask.long()).last_hidden_state
        return states, mask & torch.tensor([bool(p) for p in prompts])[:, None]


def excerpt_prompt(
    piece: Piece, concepts: NDArray[np.bool_], start: int, frames: int, rng: random.Random
) -> str:
    """The prompt of an excerpt: only parts heard in at least a quarter of it, only motifs that return inside it, and
    the progression as the phrase has it in which the excerpt begins, where it comes round.

    A short excerpt names the whole phrase's chords: of those that sound in it alone nobody could learn which chord of
    a progression belongs where.
    """
    share = concepts[start : start + frames].mean(axis=0)
    parts = tuple(p for p in piece.parts if share[CONCEPTS.index(p.role)] >= 0.25)
    begin_s, end_s = start / 50, (start + frames) / 50
    motifs = tuple(m for m in piece.motifs if m.start_s >= begin_s and m.end_s <= end_s)
    phrase = start // PHRASE_FRAMES * PHRASE_FRAMES
    loop = _loop_from(piece, phrase / 50, max(end_s, (phrase + 2 * PHRASE_FRAMES) / 50))
    heard = dataclasses.replace(piece, parts=parts, motifs=motifs if len(motifs) > 1 else (), loop=loop)
    return prompt_for(heard, rng)


def _loop_from(piece: Piece, begin_s: float, end_s: float) -> tuple[str, ...]:
    count = len(piece.loop)
    names = [chord_name(c.root, c.quality) for c in piece.chords if begin_s - 0.01 <= c.start_s < end_s - 0.2]
    returns = names[count : 2 * count]
    if not count or sorted(names[:count]) != sorted(piece.loop) or names[: len(returns)] != returns:
        return ()
    return tuple(names[:count])


def first_notes(piece: Piece) -> Piece:
    """The piece with one note a part: prompts name the parts that have notes, and the rest would only fill memory."""
    firsts = {note.part: note for note in reversed(piece.notes)}
    return dataclasses.replace(piece, notes=tuple(firsts.values()))


class _Excerpts:
    """Batches of one shape that begin with a phrase, as the clock does, a function of the step and of the pieces."""

    def __init__(
        self, material: Material, tokens: Path, settings: DecoderSettings, *, held_out: bool = False
    ) -> None:
        self.settings = settings
        self.seeds = [s for s in material.seeds(held_out=held_out) if (tokens / f"{s}.npy").exists()]
        self.tokens = {s: np.load(tokens / f"{s}.npy") for s in self.seeds}
        self.pieces = {s: first_notes(material.piece(s)) for s in self.seeds}
        self.concepts = {s: material.concepts(s) for s in self.seeds}

    def blind(self, step: int) -> tuple[Tensor, list[str], int]:
        """Short clips ``[B, K, T]``, the prompts of the two seconds around each, and where they stand on the clock."""
        s, rng = self.settings, random.Random(self.settings.seed * 7_000_003 + step)
        shortest = min(tokens.shape[1] for tokens in self.tokens.values())
        phase = rng.randrange(min(PHRASE_FRAMES, shortest - s.blind_frames + 1))
        rows, prompts = [], []
        for _ in range(s.blind_batch):
            seed = rng.choice(self.seeds)
            latest = (self.tokens[seed].shape[1] - s.blind_frames - phase) // PHRASE_FRAMES
            start = phase + PHRASE_FRAMES * rng.randint(0, max(0, latest))
            rows.append(self.tokens[seed][:, start : start + s.blind_frames].astype(np.int64))
            around = max(0, start - s.opening_frames // 2)
            prompt = excerpt_prompt(self.pieces[seed], self.concepts[seed], around, s.opening_frames, rng)
            prompts.append("" if rng.random() < s.text_dropout else prompt)
        return torch.from_numpy(np.stack(rows)), prompts, phase

    def pasts(self, step: int, tokens: Tensor) -> Tensor:
        """What the network is told of tokens ``[B, K, T]``: for some clips what it might have played instead."""
        s, rng = self.settings, np.random.default_rng((self.settings.seed, step))
        told = [
            gone_wrong(clip, rng.uniform(0.0, s.noise_rate), rng) if rng.random() < s.noise_share else clip
            for clip in tokens.numpy()
        ]
        return torch.from_numpy(np.stack(told))

    def starts(self, step: int, count: int, frames: int) -> tuple[Tensor, list[str]]:
        """Excerpts ``[B, K, T]`` that begin with a phrase, for takes of the network's own, and their prompts."""
        rng = random.Random(self.settings.seed * 3_000_017 + step)
        rows, prompts = [], []
        for _ in range(count):
            seed = rng.choice(self.seeds)
            latest = (self.tokens[seed].shape[1] - frames) // PHRASE_FRAMES
            start = PHRASE_FRAMES * rng.randint(0, max(0, latest))
            rows.append(self.tokens[seed][:, start : start + frames].astype(np.int64))
            prompts.append(excerpt_prompt(self.pieces[seed], self.concepts[seed], start, frames, rng))
        return torch.from_numpy(np.stack(rows)), prompts

    def batch(self, step: int, *, opening: bool = False, silent: bool = False) -> tuple[Tensor, list[str]]:
        """Tokens ``[B, K, T]`` and prompts of one step; ``opening`` asks for short ones, ``silent`` for null text."""
        s, rng = self.settings, random.Random(self.settings.seed * 1_000_003 + step)
        roll = rng.random()
        frames, count = s.short_frames, s.short_batch
        if not opening and roll < s.long_share:
            frames, count = s.context_frames, s.long_batch
        elif opening or roll < s.long_share + s.opening_share:
            frames, count = s.opening_frames, s.opening_batch
        rows, prompts = [], []
        for _ in range(count):
            seed = rng.choice(self.seeds)
            piece = self.pieces[seed]
            latest = (self.tokens[seed].shape[1] - frames) // PHRASE_FRAMES
            start = PHRASE_FRAMES * rng.randint(0, max(0, latest))
            rows.append(self.tokens[seed][:, start : start + frames].astype(np.int64))
            prompt = excerpt_prompt(piece, self.concepts[seed], start, frames, rng)
            prompts.append("" if silent or rng.random() < s.text_dropout else prompt)
        return torch.from_numpy(np.stack(rows)), prompts


def _book_losses(
    language: Language,
    tokens: Tensor,
    prompts: list[str],
    pasts: Tensor | None = None,
    change_weight: float = 0.0,
) -> Tensor:
    """Cross-entropy of each codebook at each position in nats ``[K, S]``, mean over the batch.

    ``pasts`` ``[B, K, T]`` are the tokens that the network is told of, where they differ from those it should foresee
    (see ``from_there``). ``change_weight`` counts once more, so many times, whether a code changes.
    """
    spec = language.decoder.spec
    if pasts is None:
        pasts = tokens
    told = to_steps(pasts, spec.delays, spec.card, valid_only=True)
    steps = to_steps(from_there(tokens, pasts), spec.delays, spec.card, valid_only=True)
    logits = language.logits(told, prompts)
    targets = targets_for(steps, spec.card)
    losses = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=-100, reduction="none")
    losses = losses.view(targets.shape)
    if change_weight:
        losses = losses + change_weight * change_losses(logits, told, targets)
    return losses.mean(0)[:, max(spec.delays) : -1]


def change_losses(logits: Tensor, told: Tensor, targets: Tensor) -> Tensor:
    """Nats that it takes to tell whether a code stays as it is, ``[B, K, S]``; 0 where none sounds yet."""
    card = logits.shape[-1]
    present = told.clamp(max=card - 1)
    found = logits.float()
    log_stay = (found.gather(-1, present[..., None])[..., 0] - found.logsumexp(-1)).clamp(max=-1e-6)
    nats = -torch.where(targets == told, log_stay, torch.log(-torch.expm1(log_stay)))
    return nats.masked_fill((told == card) | (targets < 0), 0.0)


def _blind_losses(language: Language, tokens: Tensor, prompts: list[str], phase: int) -> Tensor:
    """Cross-entropy of each codebook in nats ``[K]`` where only the prompt and the clock are told."""
    spec = language.decoder.spec
    told = torch.full_like(tokens, spec.card)
    logits = language.logits(told, prompts, phase)
    losses = []
    for book, delay in enumerate(spec.delays):  # position p predicts frame p - delay
        found = logits[:, book, delay:]
        wanted = tokens[:, book, : found.shape[1]]
        losses.append(F.cross_entropy(found.flatten(0, 1), wanted.flatten()))
    return torch.stack(losses)


def _text_path(language: Language) -> dict[str, nn.Parameter]:
    """The parameters through which a prompt is heard, by name."""
    found = {f"text.{name}": p for name, p in language.text_encoder.named_parameters()}
    for name, parameter in language.decoder.named_parameters():
        if "cross_" in name or "text_proj" in name:
            found[name] = parameter
    return found


def _optimiser(language: Language, settings: DecoderSettings) -> torch.optim.AdamW:
    """AdamW without decay of norms and biases; ``share`` is each group's part of the learning rate."""
    text = {id(p) for p in _text_path(language).values()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in language.modules().parameters():
        groups.setdefault((id(parameter) in text, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": settings.weight_decay if wide else 0.0,
                "share": settings.text_rate if heard else 1.0,
            }
            for (heard, wide), parameters in groups.items()
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )


@torch.inference_mode()
def _validate(language: Language, excerpts: _Excerpts, batches: int = 12) -> dict[str, list[float]]:
    """Held-out cross-entropy by codebook, and of all together by second of the excerpt: what returns gets easier."""
    losses, seconds = [], []
    for number in range(batches):
        found = _book_losses(language, *excerpts.batch(10_000_000 + number))
        losses.append(found.mean(1))
        if found.shape[1] >= excerpts.settings.short_frames - 2:
            whole = found[:, : (excerpts.settings.short_frames - 2) // 50 * 50].sum(0)
            seconds.append(whole.view(-1, 50).mean(1))
    return {
        "held_out": [round(float(x), 3) for x in torch.stack(losses).mean(0)],
        "by_second": [round(float(x), 2) for x in torch.stack(seconds).mean(0)],
    }


@torch.inference_mode()
def _text_gain(language: Language, excerpts: _Excerpts, batches: int = 2) -> dict[str, float]:
    """How much better openings and blind clips are told by their own prompts than by other clips', in nats a frame,
    all codebooks; and the blind clips' cross-entropy."""
    gains, blind = [], []
    for number in range(batches):
        tokens, prompts = excerpts.batch(20_000_000 + number, opening=True)
        others = [*prompts[1:], prompts[0]]
        told = _book_losses(language, tokens, others) - _book_losses(language, tokens, prompts)
        gains.append(float(told.mean(1).sum()))
        tokens, prompts, phase = excerpts.blind(20_000_000 + number)
        others = [*prompts[1:], prompts[0]]
        own = float(_blind_losses(language, tokens, prompts, phase).sum())
        blind.append((own, float(_blind_losses(language, tokens, others, phase).sum()) - own))
    return {
        "text_gain": round(float(np.mean(gains)), 3),
        "blind": round(float(np.mean([own for own, _ in blind])), 3),
        "blind_gain": round(float(np.mean([gain for _, gain in blind])), 3),
    }


def new_language(settings: DecoderSettings) -> Language:
    """Untrained networks of the recipe's sizes."""
    spec = ModelSpec(
        d_model=settings.d_model, n_layers=settings.layers, n_heads=settings.heads, d_ff=settings.d_ff,
        n_q=len(settings.delays), card=settings.card, delays=settings.delays,
        context_frames=settings.context_frames, text_dim=settings.d_model,
        change_temperature=settings.change_temperature, clock_periods=settings.clock_periods,
    )  # fmt: skip
    decoder = Decoder(spec)
    with torch.no_grad():
        # Tokens and positions are about equally loud, and the likeliest next token is the same again.
        decoder.embed.weight.normal_(std=0.7 / spec.n_q**0.5)
        plant(decoder, settings.lags)
        books = decoder.embed.weight.view(spec.n_q, spec.card + 1, -1)[:, : spec.card]
        decoder.head.weight.copy_(0.3 * books.reshape(spec.n_q * spec.card, -1))
    language = Language(decoder, make_text_encoder(settings), make_tokenizer())
    plant_heads(language)
    return language


def planted_heads(language: Language) -> tuple[ChordHeads, TempoHeads]:
    """The heads that find the chord and the tempo which a prompt asks for, as they are in ``language``."""
    number = language.tokenizer.get_vocab()
    places = {number[word]: place for word, place in PLACES.items()}
    roots, qualities = ([number[word] for word in words] for words in (ROOT_WORDS, QUALITY_WORDS.values()))
    chords = ChordHeads(language.decoder, language.text_encoder, places, roots, qualities, PHRASE_FRAMES)
    bars = {bpm: PHRASE_FRAMES // count for bpm, count in PHRASE_BARS.items()}
    tempi = {number[tempo_word(bpm)]: (bar, 1.0) for bpm, bar in bars.items()}
    # A number says it more exactly than a word; a prompt that says nothing of it ends, and means a medium tempo.
    spoken = (("slow", min(bars), 0.75), ("fast", max(bars), 0.75), ("</s>", 125.0, 0.4))
    tempi |= {number[word]: (bars[bpm], weight) for word, bpm, weight in spoken}
    return chords, TempoHeads(
        language.decoder, language.text_encoder, tempi, chords.free(1 + len(set(bars.values())))
    )


def plant_heads(language: Language) -> None:
    """Set the first weights of the heads that read chords and tempo."""
    chords, tempo = planted_heads(language)
    chords.plant()
    tempo.plant()


def _learn_text(language: Language, training: _Excerpts, say: Callable[[str], None]) -> None:
    """Draws the text path afresh and trains it alone: which tokens is a prompt's music made of?

    Trained with the rest from the start, the path closes within a few hundred steps: the last frames tell the next
    token so well that text is only noise at first, and what has closed learns nothing.
    """
    s = training.settings
    fresh = new_language(s)
    language.text_encoder.load_state_dict(fresh.text_encoder.state_dict())
    drawn = dict(fresh.decoder.named_parameters())
    with torch.no_grad():
        for name, parameter in _text_path(language).items():
            if name in drawn:
                parameter.copy_(drawn[name])
    plant_heads(language)
    heads = planted_heads(language)
    parameters = list(_text_path(language).values())
    optimiser = torch.optim.AdamW(
        parameters, lr=s.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    recent: Tensor | None = None
    for step in range(s.text_steps):
        for group in optimiser.param_groups:
            group["lr"] = s.learning_rate * min(1.0, (step + 1) / 30)
        with _half_precision(), _attention(s.blind_frames):
            losses = _blind_losses(language, *training.blind(step))
        language.modules().zero_grad(set_to_none=True)
        losses.sum().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        for planted in heads:
            planted.hold()
        recent = losses.detach() if recent is None else recent.lerp(losses.detach(), 0.04)
        if (step + 1) % 50 == 0:
            say(json.dumps({"text_step": step + 1, "text_alone": [round(float(x), 4) for x in recent]}))


def _half_precision() -> AbstractContextManager[object]:
    """bfloat16 products where the processor has tiles for them (AMX), 1.5 times as many steps; else as it was.

    The held-out cross-entropy of the same weights is the same to 0.002 nats a frame.
    """
    if not torch.cpu._is_amx_tile_supported():
        return nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


def _attention(frames: int) -> AbstractContextManager[object]:
    return sdpa_kernel(SDPBackend.MATH) if frames <= _SHORT_FRAMES else nullcontext()


@contextmanager
def _in_place(modules: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """While open, ``modules`` has these weights; gives its own, which it has again afterwards."""
    live = {name: value.clone() for name, value in modules.state_dict().items()}
    modules.load_state_dict(weights)
    yield live
    modules.load_state_dict(live)


def _own_takes(language: Language, training: _Excerpts, step: int) -> list[list[OwnTake]]:
    """Fresh takes of the network's own: from nothing, and as continuations."""
    s, made = training.settings, []
    for given, share in ((0, 2 / 3), (s.own_frames, 1 / 3)):
        pieces, prompts = training.starts(step + given, round(share * s.own_takes), given + s.own_frames)
        with torch.inference_mode():
            text = language.read(prompts)
        made.append(
            play(language.decoder, text, pieces, prompts, given=given, guidance=s.own_guidance, seed=step)
        )
    return made


def _liveliness(takes: list[list[OwnTake]]) -> dict[str, float]:
    """The share of codes that change in a frame, in takes from nothing and in the pieces that they should be."""
    if not takes:
        return {}

    def share(tokens: list[Tensor]) -> float:
        return round(float(np.mean([float((t[:, 1:] != t[:, :-1]).float().mean()) for t in tokens])), 3)

    return {
        "take_changes": share([take.played for take in takes[0]]),
        "piece_changes": share([take.piece for take in takes[0]]),
    }


def _drawn(takes: list[list[OwnTake]], step: int, batch: int) -> tuple[Tensor, list[str], Tensor]:
    """Pieces, prompts and the takes to tell of one step: a few from nothing, or half as many continuations."""
    rng = random.Random(step)
    begun, continued = takes
    told, count = (begun, batch) if rng.random() < 0.7 else (continued, batch // 2)
    chosen = rng.sample(told, min(max(1, count), len(told)))
    prompts = ["" if rng.random() < 0.1 else t.prompt for t in chosen]
    return torch.stack([t.piece for t in chosen]), prompts, torch.stack([t.played for t in chosen])


def train_decoder(
    folder: Path, material: Material, tokens: Path, settings: DecoderSettings, say: Callable[[str], None]
) -> Language:
    """Trains (or goes on training); ``decoder.pt`` is the newest checkpoint with the running weight average.

    New pieces in ``tokens`` are taken up at each checkpoint, so that training may begin before all are made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    language = new_language(settings)
    modules = language.modules()
    held_out = _Excerpts(material, tokens, settings, held_out=True)
    training = _Excerpts(material, tokens, settings)
    checkpoint, first, spent_s, seen = folder / "decoder.pt", 0, 0.0, 0
    average = {k: v.clone() for k, v in modules.state_dict().items()}
    warm_from = 0
    optimiser = _optimiser(language, settings)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        modules.load_state_dict(saved["weights"])
        average = saved["average"]
        first, spent_s, seen = int(saved["step"]), float(saved["spent_s"]), int(saved["frames"])
        warm_from = settings.text_from if first >= settings.text_from else 0
        if "optimiser" in saved:
            optimiser.load_state_dict(saved["optimiser"])
        else:  # made from a landed model
            warm_from = first
    heads = planted_heads(language)
    weights = torch.tensor(settings.book_weights)
    clock = time.monotonic()
    recent: Tensor | None = None
    own: list[list[OwnTake]] = []
    fresh: list[list[OwnTake]] = []
    for step in range(first, settings.steps):
        if step == settings.text_from:
            _learn_text(language, training, say)
            optimiser = _optimiser(language, settings)
            warm_from = step
        rate = settings.learning_rate * min(1.0, (step + 1 - warm_from) / settings.warm_up)
        left = (settings.steps - step) / (settings.cool_down * settings.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, left) * group["share"]
        roll = random.Random(step).random() if step >= settings.text_from else 1.0
        if step >= 4 * settings.text_from and (not own or step % settings.checkpoint_every == 0):
            with _in_place(modules, average):
                fresh = _own_takes(language, training, step)
            # Those of a few checkpoints together: a take that is seen too often is known by heart.
            own = [
                (new + old)[: settings.own_kept * len(new)]
                for new, old in zip(fresh, own or ([], []), strict=True)
            ]
        blind = roll < settings.blind_share
        of_its_own = not blind and bool(own) and roll < settings.blind_share + settings.own_share
        if blind:
            batch, prompts, phase = training.blind(step)
        elif of_its_own:
            batch, prompts, pasts = _drawn(own, step, settings.own_batch)
        else:
            batch, prompts = training.batch(step, silent=step < settings.text_from)
            pasts = training.pasts(step, batch)
        with _half_precision(), _attention(batch.shape[2]):
            if blind:
                losses = _blind_losses(language, batch, prompts, phase)
            else:
                losses = _book_losses(language, batch, prompts, pasts, settings.change_weight).mean(1)
        if not blind and not of_its_own:
            recent = losses.detach() if recent is None else recent.lerp(losses.detach(), 0.02)
        optimiser.zero_grad(set_to_none=True)
        ((losses * weights).sum() / weights.sum()).backward()
        torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimiser.step()
        for planted in heads:
            planted.hold()
        seen += batch.shape[0] * batch.shape[2]
        now = time.monotonic()
        spent_s, clock = spent_s + (now - clock if now - clock < _PAUSED_S else 0.0), now
        decay = min(settings.average, (step + 1) / (step + 10))
        for name, value in modules.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            with _in_place(modules, average) as live:
                held, gain = _validate(language, held_out), _text_gain(language, held_out)
            say(json.dumps({"step": step + 1, "frames": seen, "pieces": len(training.seeds),
                            "train": [round(float(x), 3) for x in recent] if recent is not None else [],
                            **held, **gain, **_liveliness(fresh),
                            "minutes": round(spent_s / 60, 2)}))  # fmt: skip
            part = folder / "decoder.part"
            torch.save({"weights": live, "average": average, "optimiser": optimiser.state_dict(), "frames": seen,
                        "step": step + 1, "spent_s": spent_s}, part)  # fmt: skip
            part.replace(checkpoint)
            training = _Excerpts(material, tokens, settings)
    modules.load_state_dict(average)
    return language
