"""Clips and a causal toy model -> rows aligned with frames, mixed, rewindable, on disk or not."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError, CheckpointError
from drawbar.residuals import (
    Clip,
    MemoryRows,
    MixedBatches,
    ShardRows,
    StreamedRows,
    harvest,
    norm_report,
    to_half,
    write_shard,
)
from drawbar.residuals.rows import in_order
from drawbar.residuals.scale import mean_norm_scale


class CountingModel:
    """The residual at position s is the sum of codebook 0 up to there: causality and alignment show."""

    def __init__(self) -> None:
        self.prompts: list[Sequence[str | None] | None] = []

    def residuals(
        self, tokens: Tensor, prompts: Sequence[str | None] | None = None, *, layers: Sequence[int]
    ) -> dict[int, Tensor]:
        self.prompts.append(prompts)
        sums = torch.nn.functional.pad(tokens[:, 0].cumsum(1), (1, 0)).float()
        return {layer: torch.stack([sums, sums * 0 + layer], -1) for layer in layers}


CLIPS = [torch.randint(1, 9, (4, t), generator=torch.Generator().manual_seed(t)) for t in (7, 3, 5, 7, 1)]


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_row_t_is_position_t_plus_1_whatever_the_batch(batch: int) -> None:
    found = list(harvest(CountingModel(), CLIPS, [0, 4], batch=batch))
    assert [n for part in found for n in part.frames] == [7, 3, 5, 7, 1]
    rows = torch.cat([part.rows[4] for part in found])
    wanted = torch.cat([clip[0].cumsum(0) for clip in CLIPS]).float()
    assert torch.equal(rows[:, 0], wanted)
    assert bool((rows[:, 1] == 4).all())


def test_null_text_unless_a_clip_brings_its_own() -> None:
    model = CountingModel()
    list(harvest(model, [CLIPS[0], CLIPS[3]], [0]))
    list(harvest(model, [Clip(CLIPS[0]), Clip(CLIPS[3], "slow piano")], [0]))
    assert model.prompts == [None, [None, "slow piano"]]


def test_clips_that_hold_nothing_are_refused() -> None:
    with pytest.raises(BadInputError, match=r"\[K, T\]"):
        list(harvest(CountingModel(), [torch.zeros(4, 0)], [0]))
    with pytest.raises(BadInputError, match="layer"):
        list(harvest(CountingModel(), CLIPS, []))


def test_disk_memory_and_model_give_the_same_rows(tmp_path: Path) -> None:
    streamed = StreamedRows(CountingModel(), [Clip(clip) for clip in CLIPS], 2, batch=2)
    for number, group in enumerate(([0, 1], [2, 3, 4])):
        rows = {"layer.2": to_half(streamed.rows(group))}
        write_shard(tmp_path / f"{number}.safetensors", rows, [CLIPS[c].shape[1] for c in group])
    disk = ShardRows(sorted(tmp_path.glob("*.safetensors")), 2)
    memory = MemoryRows([streamed.rows([c]) for c in range(5)])
    assert list(disk.frames) == list(memory.frames) == list(streamed.frames)
    for clips in ([4], [3, 0], [1, 2, 4]):
        assert torch.equal(disk.rows(clips), streamed.rows(clips))
        assert torch.equal(memory.rows(clips), streamed.rows(clips))
    assert torch.equal(torch.cat(list(in_order(disk, 6))), streamed.rows(range(5)))
    with pytest.raises(BadInputError, match=r"layer\.7"):
        ShardRows(sorted(tmp_path.glob("*.safetensors")), 7)
    (tmp_path / "0.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="damaged"):
        ShardRows([tmp_path / "0.safetensors"], 2)


def numbered(clips: int = 9, frames: int = 40) -> MemoryRows:
    return MemoryRows([torch.arange(frames)[:, None].float() + 1000 * c for c in range(clips)])


def test_every_row_comes_once_a_pass_in_another_order() -> None:
    rows = torch.cat(list(MixedBatches(numbered(), 30, block_rows=90, passes=2)))
    assert len(rows) == 720
    everything = torch.cat([numbered().rows(range(9))] * 2)
    assert torch.equal(rows.flatten().sort().values, everything.flatten().sort().values)
    assert len(rows[:60].flatten().div(1000).floor().unique()) > 2  # clips are mixed
    again = torch.cat(list(MixedBatches(numbered(), 30, block_rows=90, passes=2)))
    assert torch.equal(rows, again)
    assert not torch.equal(
        rows, torch.cat(list(MixedBatches(numbered(), 30, seed=1, block_rows=90, passes=2)))
    )


@pytest.mark.parametrize("stop", [0, 1, 7, 13, 20])
def test_a_rewound_stream_goes_on_as_if_nothing_had_happened(stop: int) -> None:
    first = MixedBatches(numbered(), 37, block_rows=100)
    for _ in range(stop):
        next(first)
    state = first.state_dict()
    wanted = [next(first) for _ in range(15)]
    second = MixedBatches(numbered(), 37, block_rows=100)
    second.load_state_dict(state)
    for batch in wanted:
        assert torch.equal(next(second), batch)


def test_nothing_to_mix_is_an_error() -> None:
    with pytest.raises(BadInputError, match="nothing to mix"):
        MixedBatches(numbered(), 10, clips=[])


def test_scale_brings_the_mean_norm_to_the_root_of_the_width() -> None:
    rows = torch.randn(500, 9) * 7
    scale = mean_norm_scale([rows[:200], rows[200:]])
    assert float((rows * scale).norm(dim=1).mean()) == pytest.approx(3.0, rel=1e-4)
    with pytest.raises(BadInputError):
        mean_norm_scale([torch.zeros(4, 9)])


def test_norm_spikes_are_counted() -> None:
    rows = torch.ones(100, 4)
    rows[17] *= 50
    assert norm_report(rows).outliers == 1
