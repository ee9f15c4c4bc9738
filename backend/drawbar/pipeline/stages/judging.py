"""A trained SAE, its residuals and its model -> its metrics on held-out clips, and whether it is at home."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from drawbar.pipeline.inputs.clips import ClipStore
from drawbar.pipeline.interfaces import BuildModel
from drawbar.pipeline.settings import BuildSettings
from drawbar.residuals import RowSource, harvest
from drawbar.sae import SAE, Recovered, SiteTest, cross_entropy_recovered, measure, site_test
from drawbar.sae.metrics import TeacherForced

_FVU_ROWS = 200_000  # held-out residuals for fvu and l0
_DEAD_ROWS = 1_000_000  # residuals of any split in which a live feature must fire once
_SITE_FRAMES = 8_000  # for the site test
_SPLICED_FRAMES = 6_000  # for the cross-entropy recovered


def judged(
    settings: BuildSettings,
    sae: SAE,
    source: RowSource,
    store: ClipStore,
    model: BuildModel,
) -> tuple[dict[str, float], SiteTest]:
    """fvu, l0, dead share, cross-entropy recovered per codebook (``recovered_1`` ...) and fvu at neighbours."""
    held_out = store.of_split("held-out") or store.of_split("train")
    alive = torch.zeros(sae.d_sae, dtype=torch.bool)
    found = measure(sae, _rows(source, held_out, _FVU_ROWS), alive)
    metrics: dict[str, float] = found.to_dict() | {"dead_tokens": found.tokens}
    heard = set(held_out)
    rest = [clip for clip in range(len(store)) if clip not in heard]
    if rest and found.tokens < _DEAD_ROWS:
        more = measure(sae, _rows(source, rest, _DEAD_ROWS - found.tokens), alive)
        metrics |= {"dead_share": more.dead_share, "dead_tokens": found.tokens + more.tokens}
    if isinstance(model, TeacherForced):
        recovered = _recovered(sae, model, store, _first(store, held_out, _SPLICED_FRAMES))
        for book, (share, clean) in enumerate(zip(recovered.share, recovered.clean, strict=True), 1):
            if share == share:  # not a number where zeros predict as well
                metrics |= {f"recovered_{book}": round(share, 5), f"cross_entropy_{book}": round(clean, 5)}
    site = _site(settings, sae, store, _first(store, held_out, _SITE_FRAMES), model)
    metrics |= {f"fvu_at_{layer}": round(fvu, 5) for layer, fvu in sorted(site.fvu.items())}
    return metrics, site


def _rows(source: RowSource, clips: Sequence[int], most: int) -> Iterator[Tensor]:
    rows, group, held = 0, [], 0
    for clip in clips:
        group.append(clip)
        held += source.frames[clip]
        if held >= 4096 or rows + held >= most:
            yield source.usable(group)
            rows, group, held = rows + held, [], 0
            if rows >= most:
                return
    if group:
        yield source.usable(group)


def _first(store: ClipStore, clips: Sequence[int], frames: int) -> list[int]:
    """As many clips as hold that many frames."""
    chosen, held = [], 0
    for clip in clips:
        if held >= frames:
            break
        chosen.append(clip)
        held += store.frames[clip]
    return chosen


def _recovered(sae: SAE, model: TeacherForced, store: ClipStore, clips: Sequence[int]) -> Recovered:
    """The mean over clips, weighted by their frames."""
    parts = [(store.frames[c], cross_entropy_recovered(sae, model, store.tokens(c)[None])) for c in clips]
    total = sum(frames for frames, _ in parts)

    def mean(name: str) -> tuple[float, ...]:
        books = zip(*(getattr(part, name) for _, part in parts), strict=True)
        frames = [n for n, _ in parts]
        return tuple(sum(n * x for n, x in zip(frames, book, strict=True)) / total for book in books)

    return Recovered(mean("clean"), mean("spliced"), mean("zeroed"))


def _site(
    settings: BuildSettings,
    sae: SAE,
    store: ClipStore,
    clips: Sequence[int],
    model: BuildModel,
) -> SiteTest:
    near = [n for n in (sae.layer - 1, sae.layer, sae.layer + 1) if 0 <= n < model.spec.n_layers]
    chosen = [store.clip(clip, text=settings.text == "track") for clip in clips]
    parts = list(harvest(model, chosen, near, batch=settings.batch_clips))
    rows = {layer: [part.rows[layer].cpu() for part in parts] for layer in near}
    return site_test(sae, rows)
