"""The planted-concept benchmark on a model whose residuals are known: it finds what was put there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typer.testing import CliRunner

from drawbar.bench import concept_control, concepts
from drawbar.bench.figure import dot_plot
from drawbar.corpus import CONCEPTS
from drawbar.errors import BadInputError, SiteMismatchError
from drawbar.musicgen.spec import ModelSpec
from drawbar.residuals import composed
from drawbar.residuals.composed import Sampling, sample_rows
from drawbar.sae import SAE, SaeSettings, save_sae

WIDTH = 32
DRUMS, BASS, CHORDS = (CONCEPTS.index(name) for name in ("drums", "bass", "chords"))


class FakeCodec:
    """Tokens are the rendered 'audio': one number a frame, a bit field of what is true."""

    def encode(self, audio: Tensor) -> Tensor:
        return audio[0, 0, ::640].round().long()[None, None].expand(1, 4, -1).clone()


class FakeDecoder(nn.Module):
    """A mixing matrix, which shuffling spoils."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.eye(WIDTH), requires_grad=False)


class FakeModel:
    """Layer 0 knows nothing; layer 1 holds drums on axis 0, bass on axis 1, chords a little on three more."""

    def __init__(self, spec: Any = None, decoder: Any = None, text: None = None, codec: Any = None) -> None:
        self.spec = spec or ModelSpec(name="fake", d_model=WIDTH, n_layers=2, n_heads=4, card=64)
        self.decoder = decoder or FakeDecoder()
        self.codec = codec or FakeCodec()
        self.fingerprint = "f" * 64
        self.device = torch.device("cpu")

    def residuals(self, tokens: Tensor, prompts: Any = None, layers: Sequence[int] = ()) -> dict[int, Tensor]:
        b, _, t = tokens.shape
        draw = torch.Generator().manual_seed(int(tokens.sum()) % 10_007)
        noise = torch.randn(2, b, t + 1, WIDTH, generator=draw)
        bits = torch.stack([(tokens[:, 0] >> n) & 1 for n in range(3)], -1).float()
        held = noise[1]
        held[:, 1:, 0] += 6 * bits[..., 0]
        held[:, 1:, 1] += 6 * bits[..., 1]
        held[:, 1:, 2:5] += 1.6 * bits[..., 2:]
        out = {0: noise[0], 1: held @ self.decoder.mix}
        return {layer: out[layer] for layer in layers}


def fake_model() -> Any:
    """Stands in for a `Model`, of which it has what is asked for."""
    return FakeModel()


@dataclass
class FakePiece:
    """Roles come and go in stretches of 60 frames."""

    truth: NDArray[np.bool_]
    parts: tuple[Any, ...] = field(default=())


def _compose(seed: int, seconds: float) -> FakePiece:
    rng = np.random.default_rng(seed)
    frames = round(seconds * 50)
    truth = np.zeros((frames, len(CONCEPTS)), bool)
    for concept in (DRUMS, BASS, CHORDS):
        for start in range(0, frames, 60):
            truth[start : start + 60, concept] = rng.random() < 0.5
    return FakePiece(truth)


def _render(piece: FakePiece, _font: Path) -> NDArray[np.float32]:
    bits = piece.truth[:, DRUMS] + 2 * piece.truth[:, BASS] + 4 * piece.truth[:, CHORDS]
    return np.repeat(bits.astype(np.float32), 640)


@dataclass
class _Truth:
    concepts: NDArray[np.bool_]


@pytest.fixture(autouse=True)
def no_music(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed, "compose", _compose)
    monkeypatch.setattr(composed, "render_audio", _render)
    monkeypatch.setattr(composed, "annotate", lambda piece: _Truth(piece.truth))


def _sae(axes: Sequence[int], layer: int = 1) -> SAE:
    """Features that read single axes."""
    sae = SAE(WIDTH, 8, 8, layer=layer, fingerprint="f" * 64)
    with torch.no_grad():
        for feature, axis in enumerate(axes):
            sae.W_enc[axis, feature] = 1.0
            sae.W_dec[feature, axis] = 1.0
            sae.b_enc[feature] = 2.0  # always on: what is read is all there
    return sae.requires_grad_(False)


def _run(*judged: concepts.Judged, **given: Any) -> dict[str, Any]:
    given = {"pieces": 40, "seconds": 6.0, "control_steps": 0} | given
    return concepts.run(fake_model(), judged, sampling=Sampling(clip_frames=60), **given)


def _judged(sae: SAE, name: str = "mine") -> concepts.Judged:
    return concepts.Judged(name, sae, SaeSettings(d_sae=8, k=8, batch=256, steps=40))


def test_a_feature_that_reads_a_concept_is_found_and_one_that_is_spread_is_named() -> None:
    result = _run(_judged(_sae([5, 0, 1, 2, 3, 4])))
    frame = result["scopes"]["frame"]
    drums = frame["concepts"]["drums"]
    assert drums["SAE"]["unit"] == "1/1"
    assert drums["SAE"]["held_out"] > 0.98
    assert drums["dense probe"]["layer"] == 1
    assert set(frame["decodable"]) == {"drums", "bass", "chords"}
    short = {line["concept"]: line["cause"] for line in frame["short"]}
    assert short["chords"].startswith("k and SAE size: split")
    assert "drums" not in short
    chords = frame["concepts"]["chords"]
    assert chords["8 features"]["held_out"] > chords["SAE"]["held_out"]
    assert "hit:kick" in result["left_out"]


def test_the_sign_of_a_feature_is_chosen_on_the_training_pieces() -> None:
    sae = _sae([0, 1])
    with torch.no_grad():
        sae.W_enc.mul_(-1)
        sae.b_enc.fill_(6.0)
    drums = _run(_judged(sae))["scopes"]["frame"]["concepts"]["drums"]["SAE"]
    assert drums["sign"] == -1
    assert drums["held_out"] > 0.95


def test_an_sae_of_the_wrong_layer_is_told_so() -> None:
    short = _run(_judged(_sae([0, 1], layer=0)))["scopes"]["frame"]["short"]
    causes = {line["concept"]: line["cause"] for line in short}
    assert causes["drums"].startswith("layer: layer 1 holds it")


def test_an_sae_on_shuffled_weights_and_directions_stand_beside_it(tmp_path: Path) -> None:
    result = _run(_judged(_sae([0, 1, 2, 3])), control_steps=20, layers=[1])
    frame = result["scopes"]["frame"]
    assert result["control"]["layers"] == [1]
    for method in ("raw dimensions", "PCA", "random directions", "SAE, shuffled weights"):
        assert 0.4 < frame["means"][method] <= 1
    assert frame["means"]["raw dimensions"] > frame["means"]["random directions"]
    assert frame["reached"]["margin"] == min(frame["reached"]["margins"].values())
    page, *pictures = concepts.write_report(result, tmp_path / "concepts.md")
    text = page.read_text(encoding="utf-8")
    for path in pictures:
        assert f"({path.name})" in text
        assert ">drums</text>" in path.read_text(encoding="utf-8")
    assert "| drums |" in text
    assert "nan" not in text.lower().replace("dominant", "")


def test_several_saes_are_judged_one_by_one() -> None:
    result = _run(_judged(_sae([0]), "poor"), _judged(_sae([0, 1, 2]), "rich"))
    shares = {row["sae"]: row["single"] for row in result["by_sae"] if row["scope"] == "frame"}
    assert shares["rich"] > shares["poor"]


def test_the_same_run_gives_the_same_numbers() -> None:
    first, second = (_run(_judged(_sae([0, 1]))) for _ in range(2))
    assert first | {"wall_s": 0} == second | {"wall_s": 0}


def test_the_two_splits_share_no_piece() -> None:
    tokens = list(composed.composed_tokens(fake_model(), 20, 4.0))
    train, test, columns = sample_rows(tokens, fake_model(), [1], Sampling(min_pieces=2))
    assert [CONCEPTS[c] for c in columns] == ["drums", "bass", "chords"]
    assert len(train.frame.piece.unique()) + len(test.frame.piece.unique()) == 20
    assert len(train.residuals[1]) == len(train.frame.truth) == len(train.clip)
    assert int(train.clip.max()) + 1 == len(train.clips.truth)


def test_what_cannot_be_measured_is_refused_with_a_cure() -> None:
    with pytest.raises(BadInputError, match="layers"):
        _run(_judged(_sae([0])), layers=[7])
    with pytest.raises(BadInputError, match="compose more"):
        _run(_judged(_sae([0])), pieces=6)
    with pytest.raises(BadInputError, match="train_share"):
        Sampling(train_share=2.0)


def test_folders_of_saes_are_read_and_another_models_are_refused(tmp_path: Path) -> None:
    settings = SaeSettings(d_sae=8, k=8, steps=77)
    save_sae(tmp_path / "run" / "sae-1", _sae(range(8)), extra={"settings": settings.to_dict()})
    (found,) = concepts.from_folders([tmp_path / "run" / "sae-1"], "f" * 64)
    assert (found.name, found.settings.steps, found.sae.layer) == ("run/sae-1", 77, 1)
    with pytest.raises(SiteMismatchError):
        concepts.from_folders([tmp_path / "run" / "sae-1"], "0" * 64)


def test_the_command_refuses_layers_that_are_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from drawbar.cli import bench as benchmarks

    monkeypatch.setattr(benchmarks, "load", lambda *_: fake_model())
    found = CliRunner().invoke(benchmarks.app, ["concepts", "--layers", "one", "--sae", "nowhere"])
    assert found.exit_code != 0


def test_a_plot_keeps_values_inside_and_names_safe() -> None:
    text = dot_plot({"a <b>": {"x": 0.2, "y": float("nan")}}, ["x", "y"], title="t & t")
    assert "a &lt;b&gt;" in text
    assert "nan" not in text
    assert text.count("<circle") == 2 + 1  # the legend's two, one value


def test_the_control_is_trained_with_slow_features_where_the_judged_one_was() -> None:
    tokens = list(composed.composed_tokens(fake_model(), 8, 4.0))
    settings = SaeSettings(
        d_sae=8, k=2, activation="batchtopk", prefixes=(4,), slow=4, slow_frames=10, batch=64, steps=3
    )
    sae = concept_control.trained_on(fake_model(), tokens, 1, settings)
    assert (sae.d_sae, sae.layer) == (8, 1)
    assert sae.threshold is not None


def test_a_banks_features_fire_as_its_sae_does(tmp_path: Path) -> None:
    rows = [SimpleNamespace(id=f"1/{n}", layer=1, index=n) for n in (2, 0)]
    vectors = {
        "W_enc": np.eye(2, WIDTH, dtype=np.float32),
        "W_dec": np.eye(2, WIDTH, dtype=np.float32),
        "b_enc": np.zeros(2, np.float32),
        "threshold": np.array([0.5, 3.0], np.float32),
        "b_dec": {1: np.zeros(WIDTH, np.float32)},
    }
    for settings, fires in (({"k": 1, "activation": "batchtopk"}, [True, False]), ({"k": 1}, [False, True])):
        bank: Any = SimpleNamespace(
            require_site=lambda _: None,
            search=lambda limit: list(rows),
            count=lambda: 2,
            vectors=lambda ids: vectors,
            info=SimpleNamespace(sae_settings={"d_sae": 64, **settings}),
        )
        (one,) = concepts.from_bank(bank, "f" * 64)
        assert one.ids == ("1/0", "1/2")
        assert one.settings.d_sae == 64
        x = torch.zeros(1, WIDTH)
        x[0, 0], x[0, 1] = 1.0, 2.0
        assert (one.sae.encode(x)[0] > 0).tolist() == fires
