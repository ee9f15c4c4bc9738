"""The reference engine against ours: the same seed and sliders give the same tokens."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor

from drawbar.errors import BadInputError, MissingDependencyError, NotSupportedError
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.parity.audiocraft_engine import ReferenceEngine
from drawbar.paths import embedded_model_dir
from drawbar.steering import Automation, Direction, Mixer
from drawbar.steering.automation import Lane

needs_audiocraft = pytest.mark.skipif(
    importlib.util.find_spec("audiocraft") is None, reason="the audiocraft extra is not installed"
)
PROMPT = "slow piano in a minor"


@pytest.fixture(scope="module")
def engine(tiny: Model) -> ReferenceEngine:
    return ReferenceEngine(tiny)


def sliders(model: Model) -> Mixer:
    """One that adds to both branches, one to a single branch, one that clamps, one that mutes."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.nn.functional.normalize(torch.randn(4, model.spec.d_model, generator=generator), dim=1)
    mixer = Mixer(
        [
            Direction("0/0", 0, rows[0], 2.0),
            Direction("1/0", 1, rows[1], 2.0, branch="conditional"),
            Direction("1/1", 1, rows[2], 2.0, encoder=rows[2], mode="clamp"),
            Direction("2/0", 2, rows[3], 2.0, encoder=rows[3], mode="mute"),
        ],
        spec=model.spec,
    )
    for id, amount in {"0/0": 1.5, "1/0": -1.0, "1/1": 0.5, "2/0": 1.0}.items():
        mixer.set(id, amount)
    return mixer


def played(
    player: Model | ReferenceEngine, seconds: float, mixer: Mixer | None, **settings: object
) -> Tensor:
    with player.stream(PROMPT, seconds=seconds, steering=mixer, **settings) as stream:  # type: ignore[arg-type]
        return torch.stack([frame.tokens for frame in stream], dim=1)


@needs_audiocraft
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("steered", [False, True])
def test_the_reference_engine_plays_our_tokens(
    tiny: Model, engine: ReferenceEngine, temperature: float, steered: bool
) -> None:
    mixer = sliders(tiny) if steered else None
    settings = {"seed": 7, "temperature": temperature, "top_k": 20}
    ours = played(tiny, 0.7, mixer, **settings)
    assert torch.equal(played(engine, 0.7, mixer, **settings), ours)
    other = played(tiny, 0.7, None if steered else sliders(tiny), **settings)
    assert not torch.equal(other, ours)


@needs_audiocraft
def test_it_slides_the_window_as_we_do(tiny: Model, engine: ReferenceEngine) -> None:
    seconds = 3.4 * tiny.spec.context_frames / tiny.spec.frame_rate_hz
    for mixer in (None, sliders(tiny)):
        assert torch.equal(played(engine, seconds, mixer, seed=2), played(tiny, seconds, mixer, seed=2))


@needs_audiocraft
def test_it_plays_without_guidance_and_without_a_prompt(tiny: Model, engine: ReferenceEngine) -> None:
    assert torch.equal(
        played(engine, 0.4, sliders(tiny), guidance=None), played(tiny, 0.4, sliders(tiny), guidance=None)
    )
    with engine.stream(None, seconds=0.4, seed=5) as stream:
        theirs = torch.stack([frame.tokens for frame in stream], dim=1)
    assert torch.equal(theirs, tiny.generate(None, [5], 0.4)[0])


@needs_audiocraft
def test_automation_moves_its_sliders(tiny: Model, engine: ReferenceEngine) -> None:
    automation = Automation([Lane("0/0", ((0, 0.0), (10, 2.0), (20, -2.0)))])

    def both(player: Model | ReferenceEngine) -> tuple[Tensor, object]:
        with player.stream(
            PROMPT, seconds=0.6, seed=3, steering=sliders(tiny), automation=automation
        ) as stream:
            tokens = torch.stack([frame.tokens for frame in stream], dim=1)
            return tokens, stream.recorded

    ours, theirs = both(tiny), both(engine)
    assert torch.equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]


@needs_audiocraft
def test_it_says_what_it_cannot_do(engine: ReferenceEngine) -> None:
    with pytest.raises(BadInputError, match="endless"):
        engine.stream(PROMPT)
    with pytest.raises(NotSupportedError, match="twin"):
        engine.stream(PROMPT, seconds=1, twin=True)


def test_without_audiocraft_it_says_how_to_get_it(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drawbar.musicgen.parity.audiocraft_model.has_audiocraft", lambda: False)
    with pytest.raises(MissingDependencyError, match=r"run\.py setup --all"):
        ReferenceEngine(tiny)


@needs_audiocraft
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_embedded_model_plays_the_same_tokens_in_both(temperature: float) -> None:
    if not (embedded_model_dir() / "model.safetensors").is_file():
        pytest.skip("the embedded model is not in this checkout")
    model = load_model("embedded")
    engine = ReferenceEngine(model)
    vector = torch.nn.functional.normalize(torch.ones(model.spec.d_model), dim=0)
    mixer = Mixer([Direction("2/0", 2, vector, 20.0)], spec=model.spec)
    mixer.set("2/0", 1.0)
    for steering in (None, mixer):
        ours = played(model, 0.5, steering, temperature=temperature, seed=1)
        assert torch.equal(played(engine, 0.5, steering, temperature=temperature, seed=1), ours)


@needs_audiocraft
def test_a_take_says_which_engine_made_it(tiny: Model, engine: ReferenceEngine, tmp_path: Path) -> None:
    from drawbar.live import TakeSettings, render
    from drawbar.live.takes.take import load_record

    settings = TakeSettings(prompt=PROMPT, seconds=0.3, twin=False)
    ours, theirs = render(tiny, None, settings), render(engine, None, settings)
    assert (ours.tokens == theirs.tokens).all()
    assert (ours.audio == theirs.audio).all()
    assert load_record(ours.save(tmp_path / "ours.wav"))["engine"] == "drawbar"
    assert load_record(theirs.save(tmp_path / "theirs.wav"))["engine"] == "audiocraft"
