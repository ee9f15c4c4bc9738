from __future__ import annotations

import pytest
import torch

from drawbar.errors import BadInputError
from drawbar.musicgen.generation.sampling import Noise, Sampler


def test_noise_depends_on_seed_frame_and_codebook_and_on_nothing_else() -> None:
    noise = Noise(64)
    many = noise.gumbel(7, [(3, 0), (2, 1), (1, 2)])
    assert torch.equal(noise.gumbel(7, [(2, 1)])[0], many[1])
    for other in (noise.gumbel(8, [(2, 1)]), noise.gumbel(7, [(3, 1)]), noise.gumbel(7, [(2, 0)])):
        assert not torch.equal(other[0], many[1])


def test_noise_is_gumbel_distributed() -> None:
    draws = Noise(1024).gumbel(1, [(frame, 0) for frame in range(200)])
    assert torch.isfinite(draws).all()
    assert draws.mean().item() == pytest.approx(0.5772, abs=0.01)
    assert draws.var().item() == pytest.approx(1.6449, abs=0.03)


def test_tokens_come_as_often_as_the_logits_say() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2])).expand(4000, 1, 3)
    sampler = Sampler(3, top_k=0)
    drawn = torch.cat([sampler.draw(logits[:1], [5], [(frame, 0)]) for frame in range(4000)])
    shares = drawn.flatten().bincount(minlength=3) / 4000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.03, rtol=0)


def test_top_k_draws_among_the_likeliest_and_zero_temperature_takes_the_first() -> None:
    logits = torch.arange(50.0).mul(0.01).expand(1, 1, 50)
    drawn = {int(Sampler(50, top_k=3).draw(logits, [1], [(frame, 0)])) for frame in range(60)}
    assert drawn == {47, 48, 49}
    assert int(Sampler(50, temperature=0).draw(logits, [1], [(0, 0)])) == 49


def test_known_tokens_stay_known() -> None:
    """The law is part of every saved take: these numbers must never change."""
    drawn = Sampler(1024, top_k=0).draw(torch.zeros(1, 3, 1024), [7], [(0, 0), (5, 1), (1000, 3)])
    assert drawn.tolist() == [[1020, 219, 922]]


@pytest.mark.parametrize(("temperature", "top_k"), [(-1.0, 0), (float("nan"), 0), (1.0, -1)])
def test_impossible_settings_are_refused(temperature: float, top_k: int) -> None:
    with pytest.raises(BadInputError):
        Sampler(10, temperature, top_k)
