"""A made-up layer -> what each labeller says of it, how it is scored, and that nonsense scores like nonsense."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbar.audio_analysis.audio_llm import Answer, Heard, Listener, ListenerSettings
from drawbar.errors import BadInputError
from drawbar.features.labellers.audio_llm import ListenerLabeller
from drawbar.features.labellers.clap import ClapLabeller, ClapSettings, ClapSounds
from drawbar.features.labellers.descriptors import ColumnLabeller, DescriptorSettings, effects
from drawbar.features.labellers.interface import SoundWindows, partners, separate
from drawbar.features.labellers.people import PeopleLabeller
from drawbar.features.labellers.registry import LabelSettings, make_describers, make_labellers

CLIPS, FRAMES, WINDOW = 60, 1000, 250
WORDS = ["loud", "bell", "rain", "choir", "drums", "wind"]


def nothing(done: int, total: int) -> None:
    """Progress that nobody looks at."""


class FakeEmbedder:
    """A clip's vector is written into its first samples; a text's is that of its word."""

    def __init__(self) -> None:
        self.vectors = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3)))[0]

    def embed_audio(self, stretches: Sequence[NDArray[np.float32]], rate_hz: int) -> Tensor:
        return torch.stack([torch.from_numpy(np.asarray(x[:8], np.float32)) for x in stretches])

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self.vectors[WORDS.index(text.rpartition(" ")[2])] for text in texts])


class FakeLayer:
    """Feature i follows word i; feature 6 follows nothing; feature 7 is dead. Even clips train."""

    layer = 2
    concepts: tuple[str, ...] = ()
    alive: ClassVar[list[int]] = list(range(7))

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._embedder = FakeEmbedder()
        self._mix = torch.rand(CLIPS, FRAMES // WINDOW, 6, generator=generator) ** 3
        self._noise = torch.rand(CLIPS, FRAMES // WINDOW, generator=generator)
        self.licences = ["CC0-1.0" if clip % 3 else "unknown" for clip in range(CLIPS)]

    def choose(self, split: str, count: int, window_frames: int) -> list[int]:
        return list(range(0 if split == "train" else 1, CLIPS, 2))[:count]

    def activation(self, clips: Sequence[int], window_frames: int) -> Tensor:
        rows = []
        for clip in clips:
            follows = (self._mix[clip] - 0.2).clamp_min(0)
            chance = (self._noise[clip] - 0.5).clamp_min(0)
            rows.append(torch.cat([follows, chance[:, None], torch.zeros(len(follows), 1)], 1))
        return torch.cat([torch.zeros(0, 8), *rows])

    def truth(self, clip: int) -> Tensor | None:
        return None

    def vector(self, clip: int, window: int) -> Tensor:
        return torch.nn.functional.normalize(self._mix[clip, window] @ self._embedder.vectors[:6], dim=0)

    def sounds(self, name: str) -> SoundWindows | None:
        train, held_out = self.choose("train", 99, WINDOW), self.choose("held-out", 99, WINDOW)
        if name == "clap":
            sides = [
                torch.stack([self.vector(c, w) for c in part for w in range(4)]) for part in (train, held_out)
            ]
            return SoundWindows(("a",) * 8, WINDOW, train, held_out, *sides)
        sides = [self._mix[part].reshape(-1, 6) for part in (train, held_out)]
        return SoundWindows(tuple(WORDS), WINDOW, train, held_out, *sides)

    def frames(self, clip: int) -> int:
        return FRAMES

    def clip_name(self, clip: int) -> tuple[str, str]:
        return f"clip {clip}", self.licences[clip]

    def words(self, clip: int, kind: str) -> tuple[str, str]:
        return f"track {clip}", ""

    def audio(self, clip: int, start_frame: int, frames: int) -> tuple[NDArray[np.float32], int]:
        samples = np.zeros(frames * 640, np.float32)
        samples[:8] = self.vector(clip, start_frame // WINDOW).numpy()
        samples[8:] = float(self._mix[clip, start_frame // WINDOW, 0])
        return samples, 32_000


def clap(tmp_path: Path, words: Sequence[str] = WORDS) -> ClapLabeller:
    (tmp_path / "words.txt").write_text("# my words\n" + "\n".join(words) + "\n\n", encoding="utf-8")
    settings = ClapSettings(weights="fake", vocabulary=str(tmp_path / "words.txt"), exemplars=5)
    return ClapLabeller(settings, ClapSounds(settings, FakeEmbedder))


def test_clap_finds_the_word_of_each_feature_and_none_for_noise(tmp_path: Path) -> None:
    found = clap(tmp_path).label(FakeLayer(), nothing)
    texts = {record.feature: record.label.text for record in found.labels}
    assert {feature: texts[feature] for feature in (f"2/{i}" for i in range(6))} == {
        f"2/{i}": word for i, word in enumerate(WORDS)
    }
    assert "2/7" not in texts
    one = next(r.label for r in found.labels if r.feature == "2/3")
    assert one.score is not None
    assert one.score > 0.9
    assert one.evidence["margin_over_shuffled"] > 0.5
    assert found.separation is not None
    assert found.separation.auroc > 0.85
    assert found.separation.true_median > found.separation.shuffled_median + 0.5


def test_clap_sounds_embed_whole_windows(tmp_path: Path) -> None:
    sounds = ClapSounds(ClapSettings(weights="fake", window_frames=50), FakeEmbedder)
    audio = np.arange(130 * 640, dtype=np.float32)
    found = sounds.describe(audio, 32_000, 130)
    assert found.shape == (2, 8)
    assert found[1, 0] == 50 * 640
    assert len(sounds.columns) == 8
    assert sounds.describe(audio[:640], 32_000, 1).shape == (0, 8)


def test_columns_become_labels_with_effect_sizes_and_tags_have_no_low() -> None:
    settings = DescriptorSettings(window_frames=WINDOW)
    found = ColumnLabeller("essentia", "figure", WORDS, settings, tags=False).label(FakeLayer(), nothing)
    label = next(r.label for r in found.labels if r.feature == "2/1")
    assert label.text == "high bell"
    assert label.evidence["d_held_out"] > 1
    assert label.evidence["phrase"].startswith("high bell (d +")
    assert found.arrays["r"].shape == (8, 6)
    assert found.arrays["consistency"][1] > 0.9
    assert found.separation is not None
    assert found.separation.auroc > 0.8
    tags = ColumnLabeller("essentia", "tag", WORDS, settings, tags=True).label(FakeLayer(), nothing)
    assert all(r.label.text.startswith("high") for r in tags.labels)


def test_effect_sizes_are_cohens_d() -> None:
    activation = torch.tensor([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0], [0.0]])
    curve = torch.tensor([3.0, 4.0, 5.0, 1.0, 2.0, 3.0, float("nan")])[:, None]
    assert float(effects(activation, curve)[0, 0]) == pytest.approx(2.0)


class FakeListener(Listener):
    """Says "loud" for clips that are; refuses like the real one."""

    def __init__(self, settings: ListenerSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self.heard: list[Heard] = []

    def name(self, top: Sequence[Heard], control: Sequence[Heard]) -> Answer:
        self._spend([*top, *control])
        levels = [float(np.mean([x.audio.mean() for x in side])) for side in (top, control)]
        loud = levels[0] > 2 * levels[1] + 0.3
        return Answer("loud" if loud else "something else", "", 0.9 if loud else 0.5, False, ())

    def judge(self, label: str, clips: Sequence[Heard]) -> list[float]:
        self._spend(clips)
        return [float(x.audio.mean()) if label == "loud" else 0.5 for x in clips]

    def _spend(self, clips: Sequence[Heard]) -> None:
        assert all(self.settings.allows(x.name, x.licence) for x in clips)
        self.heard += clips
        self.budget.spend(1.0)


def listening(tmp_path: Path, **changes: object) -> tuple[ListenerLabeller, FakeListener]:
    settings = ListenerSettings(endpoint="http://localhost:1/v1", model="ears", **changes)  # type: ignore[arg-type]
    fake = FakeListener(settings, tmp_path)
    return ListenerLabeller(settings, tmp_path, fake), fake


def test_the_listener_is_asked_about_training_clips_and_checked_on_held_out_ones(tmp_path: Path) -> None:
    labeller, fake = listening(tmp_path, allow_licences=("CC0-1.0",))
    found = labeller.label(FakeLayer(), nothing)
    label = next(r.label for r in found.labels if r.feature == "2/0")
    assert (label.text, label.author) == ("loud", "listener")
    assert label.score == 1.0
    assert {int(x.name.split()[1]) % 2 for x in fake.heard} == {0, 1}
    assert all(x.licence == "CC0-1.0" for x in fake.heard)
    assert found.tables["spent"]["requests"] == fake.budget.sent_requests


def test_without_permission_nothing_is_heard_and_the_report_says_so(tmp_path: Path) -> None:
    labeller, fake = listening(tmp_path)
    found = labeller.label(FakeLayer(), nothing)
    assert found.labels == []
    assert fake.heard == []
    assert "allow" in found.tables["left"]


def test_a_spent_budget_keeps_the_labels_made_so_far(tmp_path: Path) -> None:
    labeller, _ = listening(tmp_path, allow_licences=("CC0-1.0",), max_requests=5)
    found = labeller.label(FakeLayer(), nothing)
    assert 1 <= len(found.labels) < 6
    assert "budget" in found.tables["left"]


def test_people_are_read_from_csv_by_layer_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        'Feature,Label,Author\n2/0,"taiko, low",Ada\n2/99,ghost,\n3/1,other layer,\n', "utf-8-sig"
    )
    found = PeopleLabeller(path).label(FakeLayer(), nothing)
    assert [(r.feature, r.label.text, r.label.author, r.label.method) for r in found.labels] == [
        ("2/0", "taiko, low", "Ada", "people")
    ]
    assert found.tables["unknown"] == ["2/99"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "columns"),
        ("feature,label\n2/0,\n", "line 2"),
        ("feature,label\nx,drums\n", "line 2"),
        ("feature,label,author\n2/0,drums,truth\n", "labeller"),
    ],
)
def test_csv_that_cannot_be_used_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(text, "utf-8")
    with pytest.raises(BadInputError, match=message):
        PeopleLabeller(tmp_path / "x.csv")


def test_shuffled_labels_differ_and_noise_does_not_separate() -> None:
    names = ["a", "b"] * 20 + ["c"]
    assert all(j is not None and names[j] != name for name, j in zip(names, partners(names), strict=True))
    assert partners(["a", "a"]) == [None, None]
    draw = np.random.default_rng(0).random(400)
    found = separate(draw[:200].tolist(), draw[200:].tolist())
    assert found is not None
    assert abs(found.auroc - 0.5) < 0.08
    assert separate([0.5], [0.1, 0.2]) is None


def test_every_labeller_that_is_switched_on_takes_part(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("feature,label\n2/0,x\n", "utf-8")
    settings = LabelSettings(
        essentia="off",
        people=str(tmp_path / "p.csv"),
        clap=ClapSettings(weights="fake"),
        listener=ListenerSettings(endpoint="http://localhost:1/v1", model="m"),
    )
    descriptors = DescriptorSettings()
    describers = make_describers(settings, descriptors)
    from drawbar.features.labellers.ground_truth import TruthSettings

    found = make_labellers(settings, TruthSettings(), descriptors, describers, known=True, cache=tmp_path)
    assert [x.author for x in found] == ["truth", "descriptors", "clap", "listener", "people"]
    assert all(str(tmp_path) not in str(x.key()) for x in found)
