"""Nested and slow features: groups that explain by themselves, and what lasts."""

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError
from drawbar.residuals.smooth import with_running_mean
from drawbar.sae import SaeJob, SaeSettings, train_saes

D = 24


def music(seed: int = 0, clips: int = 40, frames: int = 200) -> Tensor:
    """Residuals [clips, frames, D]: a state that lasts half a clip, and hits that last a frame."""
    g = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(
        torch.randn(8, D, generator=torch.Generator().manual_seed(9)), dim=1
    )
    rows = 0.05 * torch.randn(clips, frames, D, generator=g)
    for clip in range(clips):
        for half in range(2):
            state = int(torch.randint(0, 4, (1,), generator=g))
            rows[clip, half * 100 : half * 100 + 100] += directions[state]
        hits = torch.rand(frames, generator=g) < 0.2
        rows[clip, hits] += 2 * directions[4 + torch.randint(0, 4, (int(hits.sum()),), generator=g)]
    return rows


def batches(wide: Tensor, size: int = 512):  # type: ignore[no-untyped-def]
    g = torch.Generator().manual_seed(1)
    while True:
        yield wide[torch.randint(0, len(wide), (size,), generator=g)]


def settings(**more: object) -> SaeSettings:
    base: dict[str, object] = {
        "d_sae": 32,
        "k": 3,
        "activation": "batchtopk",
        "batch": 512,
        "steps": 250,
        "lr": 4e-3,
    }
    return SaeSettings(**{**base, **more})  # type: ignore[arg-type]


def test_the_running_mean_stays_inside_its_clip() -> None:
    rows = torch.randn(12, 3)
    wide = with_running_mean(rows, [7, 5], 2)
    assert torch.equal(wide[:, :3], rows)
    for clip in ((0, 7), (7, 12)):
        for t in range(*clip):
            around = rows[max(clip[0], t - 2) : min(clip[1], t + 3)]
            assert torch.allclose(wide[t, 3:], around.mean(0), atol=1e-6)


def test_a_prefix_explains_more_by_itself_when_it_is_nested() -> None:
    rows = music()
    flat = rows.flatten(0, 1)
    plain, nested = (
        train_saes(batches(flat), [SaeJob(settings(prefixes=prefixes))])[0].sae for prefixes in ((), (4, 8))
    )

    def unexplained(sae) -> float:  # type: ignore[no-untyped-def]
        active = sae.encode(flat)
        active[:, 8:] = 0
        return float((flat - sae.decode(active)).square().sum() / (flat - flat.mean(0)).square().sum())

    assert unexplained(nested) < 0.8 * unexplained(plain)


def test_slow_features_follow_what_lasts() -> None:
    rows = music()
    wide = with_running_mean(rows.flatten(0, 1), [200] * len(rows), 20)
    job = SaeJob(settings(prefixes=(4,), slow=4), columns=(0, D), slow_columns=(D, 2 * D))
    sae = train_saes(batches(wide), [job])[0].sae
    active = sae.encode(rows.flatten(0, 1)).view(len(rows), 200, -1)

    def lag(features: Tensor) -> float:
        centred = features - features.mean(1, keepdim=True)
        return float((centred[:, 1:] * centred[:, :-1]).sum() / centred.square().sum().clamp_min(1e-9))

    assert lag(active[..., :4]) > 0.6
    assert lag(active[..., :4]) > lag(active[..., 4:]) + 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefixes": (8, 4)},
        {"prefixes": (4, 64)},
        {"prefixes": (4,), "activation": "topk"},
        {"prefixes": (4,), "slow": 5},
        {"slow": 4},
        {"prefixes": (0, 4)},
    ],
)
def test_groups_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        settings(**wrong)


def test_slow_features_without_a_mean_are_refused() -> None:
    with pytest.raises(BadInputError, match="columns"):
        SaeJob(settings(prefixes=(4,), slow=4))
