"""``self:N``: the model plays its corpus, prompt words name features, and a killed build gives the same bytes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from drawbar.bank import Bank
from drawbar.corpus.own_prompts import prompt
from drawbar.errors import BadInputError, CancelledError
from drawbar.features.labellers.track_words import TrackWordSettings
from drawbar.pipeline import BuildSettings, Progress, build, run_stages
from drawbar.pipeline.inputs.own_takes import BATCH, OwnTakes
from tests.pipeline.fakes import FakeModel
from tests.pipeline.test_build import rows, settings


class PlayingModel(FakeModel):
    """Plays tokens of which some are used where the prompt says drums only."""

    def __init__(self) -> None:
        super().__init__()
        self.played: list[list[str | None]] = []

    def generate(
        self,
        prompts: Sequence[str | None],
        seeds: Sequence[int],
        seconds: float,
        *,
        guidance: float | None,
        batch: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        self.played.append(list(prompts))
        found = []
        for text, seed in zip(prompts, seeds, strict=True):
            draw = torch.Generator().manual_seed(seed)
            tokens = torch.randint(0, 8, (4, round(50 * seconds)), generator=draw)
            found.append(tokens + (8 if "drums" in (text or "") else 0))
        if progress is not None:
            progress(1, 1)
        return torch.stack(found)


def own(out: Path, takes: int = 96) -> BuildSettings:
    made = replace(settings(Path("x"), out), corpus=f"self:{takes}", piece_s=3.0)
    return replace(
        made,
        labels=replace(
            made.labels, track_words=TrackWordSettings(errors=1.5, train_tracks=3, held_out_tracks=2)
        ),
    )


def test_takes_have_prompts_of_ours_some_none_and_three_lengths(tmp_path: Path) -> None:
    source = OwnTakes(own(tmp_path, 48), 48)
    assert source.tracks[0].text == prompt(0)
    assert source.tracks[9].text == ""
    assert {source.seconds(n) for n in range(48)} == {3.0, 1.0, 2.0}
    assert [len(group) for group in source.groups()] == [BATCH] * 3
    with pytest.raises(BadInputError, match="played"):
        next(source.excerpts(0, 32_000))


def test_a_model_plays_its_corpus_and_its_words_name_features(tmp_path: Path) -> None:
    model = PlayingModel()
    result = build(own(tmp_path / "run"), model=model)
    assert len(model.played) == 6
    assert result.clips == 96
    assert not list((tmp_path / "run" / "tokens").glob("*.wav"))
    with Bank.open(result.bank, edits=tmp_path / "edits") as bank:
        assert bank.info.corpus == "self:96"
        labels = [label for row in bank.search(limit=1000) for label in bank.feature(row.id).labels]
        named = {label.text for label in labels if label.author == "prompt"}
        assert any("drums" in text for text in named), labels


def test_killed_twice_it_gives_the_same_bytes(tmp_path: Path) -> None:
    build(own(tmp_path / "whole", 32), model=PlayingModel())
    killed = own(tmp_path / "killed", 32)
    for stage, done in (("tokens", BATCH), ("activations", 1)):

        def stop(moment: Progress, stage: str = stage, done: int = done) -> None:
            if moment.stage.startswith(stage) and moment.done >= done:
                raise CancelledError("killed")

        with pytest.raises(CancelledError):
            build(killed, stop, model=PlayingModel())
    model = PlayingModel()
    build(killed, model=model)
    assert not model.played, "no take is played again"
    for name in ("directions.safetensors", "examples.safetensors"):
        assert (tmp_path / "whole/bank" / name).read_bytes() == (tmp_path / "killed/bank" / name).read_bytes()
    assert rows(tmp_path / "whole/bank") is not None
    tokens = sorted((tmp_path / "whole/tokens").glob("*.safetensors"))
    for path in tokens:
        assert path.read_bytes() == (tmp_path / "killed/tokens" / path.name).read_bytes()


def test_takes_of_other_weights_are_other_takes(tmp_path: Path) -> None:
    run_stages(own(tmp_path / "run", 16), model=PlayingModel(), until="tokens")
    other = PlayingModel()
    other.fingerprint = "e" * 64
    run_stages(own(tmp_path / "run", 16), model=other, until="tokens")
    assert len(other.played) == 1


@pytest.mark.parametrize("corpus", ["self:", "self:0", "self:many"])
def test_a_number_of_takes_is_asked_for(tmp_path: Path, corpus: str) -> None:
    with pytest.raises(BadInputError, match="self:N with N takes"):
        replace(own(tmp_path), corpus=corpus)


def test_a_model_that_cannot_play_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot play"):
        build(own(tmp_path / "run"), model=FakeModel())
