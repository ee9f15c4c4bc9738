"""Words become sliders with a card and a bank that opens, verifies and plays; what the model does not know is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbar import cli
from drawbar.bank import Bank, verify
from drawbar.contrast.words import WordSettings
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.judges import DescriptorJudge
from drawbar.evidence.words import make as making
from drawbar.evidence.words.make import MakeSettings, WordSlider, make_words
from drawbar.evidence.words.plan import plan_words
from drawbar.evidence.words.starter import write_starter
from drawbar.evidence.words.trial import profile_of
from drawbar.evidence.words.yard import PoolSettings, yard_for
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.checkpoint.memory_needed import released_spec
from drawbar.steering import OwnDirections, Palette, directions_for
from tests.evidence.evidence_bank import LAYER
from tests.musicgen.tiny import write_checkpoint

HOW = MakeSettings(
    words=WordSettings(pairs=4, seconds=0.5, folds=2, shuffles=19, guidance=None),
    pool=PoolSettings(directions=19, norms=(1.0,), seconds=0.5, guidance=None),
    layers=(1,),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("words") / "tiny"
    write_checkpoint(folder)
    return load_model(folder)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pools")


@pytest.fixture(scope="module")
def made(model: Model, pools: Path) -> list[WordSlider]:
    """Two words that the random model knows, whatever they are worth, and one that it does not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "_CHANCE", 1.0)
        patch.setattr(making, "find_judges", lambda *_, **__: [DescriptorJudge()])
        return make_words(model, ["drums", "slow", "blorp"], settings=HOW, folder=pools)


def test_each_word_gets_a_direction_a_verdict_and_a_card(made: list[WordSlider]) -> None:
    for one in made[:2]:
        assert one.own is not None
        assert one.finding is not None
        assert one.finding.card is not None
        assert one.own.about["word"] == one.word
        assert one.own.about["verdict"] in ("proven", "weak", "not shown", "harmful")
        assert {"random directions", "shuffled pairs"} <= set(one.finding.card["controls"])
        assert json.dumps(one.own.about, allow_nan=False)


def test_an_unknown_word_says_that_nothing_was_found(made: list[WordSlider], model: Model) -> None:
    assert made[2].own is None
    assert "found nothing in 'blorp'" in made[2].missing
    assert "does not know blorp" in made[2].missing


def test_a_pool_is_played_once_and_a_word_moves_its_own_measure_by_one(
    made: list[WordSlider], model: Model, pools: Path
) -> None:
    [kept] = pools.glob("pool-1-*.safetensors")
    before = kept.stat().st_mtime_ns
    first = yard_for(model, [DescriptorJudge()], 1, 9.0, folder=pools, settings=HOW.pool)
    assert kept.stat().st_mtime_ns == before
    chosen = made[0].chosen
    assert chosen is not None
    assert first.norms == pytest.approx((chosen.scale,)), "in units of the slider that asked first"
    rng = np.random.default_rng(0)
    shape = (6, len(first.measures))
    lacking = rng.normal(size=shape).astype(np.float32)
    having = lacking + rng.normal(0, 0.01, shape).astype(np.float32)
    loud = first.measures.index("descriptor:loudness_db")
    having[:, loud] += 50.0
    profile = profile_of("loud", having, lacking, first)
    assert profile.moved[0][0] == "descriptor:loudness_db"
    step = profile.of(having[:, : first.judged]) - profile.of(lacking[:, : first.judged])
    assert step.mean() == pytest.approx(1.0, rel=0.2)


def test_a_starter_bank_opens_verifies_and_its_sliders_steer(
    made: list[WordSlider], model: Model, tmp_path: Path
) -> None:
    folder = write_starter(tmp_path / "out" / "bank", model, made, licence="MIT")
    verify(folder)
    with Bank.open(folder, edits=tmp_path / "edits") as bank:
        rows = {row.label: row for row in bank.search()}
        assert set(rows) == {"drums", "slow"}
        assert rows["drums"].label_author == "words"
        page = bank.feature(rows["drums"].id)
        assert page.labels[0].method == "made from words"
        assert page.evidence is not None
        assert [e.bin for e in bank.examples(page.id)].count("top") == 4
        [direction] = directions_for(model, bank, [page.id])
        own = made[0].own
        assert own is not None
        assert np.allclose(direction.vector.numpy(), own.vector, atol=1e-6)
        assert direction.scale == pytest.approx(own.scale)
    again = write_starter(tmp_path / "out" / "bank", model, made[:1], licence="MIT")
    with Bank.open(again, edits=tmp_path / "edits") as bank:
        assert bank.count() == 1


def test_no_slider_is_no_bank(made: list[WordSlider], model: Model, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="none of 1 words"):
        write_starter(tmp_path / "bank", model, made[2:])


def test_the_page_of_a_word_says_what_it_is_made_from(
    made: list[WordSlider], six: Bank, tmp_path: Path
) -> None:
    store = OwnDirections(tmp_path / "mine")
    assert made[0].own is not None
    store.save(made[0].own)
    page = Palette(six, store=store).feature("mine/drums")
    assert page.row.verdict == made[0].own.about["verdict"]
    assert page.labels[0].method == "made from words"
    assert "4 pairs of the model's own takes" in str(page.labels[0].evidence["phrase"])
    assert page.evidence is not None
    assert LAYER in six.info.layers


@pytest.mark.parametrize(("words", "against"), [([], ""), (["a", "A"], ""), (["a", "b"], "c"), (["a/b"], "")])
def test_impossible_words_are_refused(model: Model, words: list[str], against: str) -> None:
    with pytest.raises(BadInputError):
        make_words(model, words, against=against, settings=HOW)


def test_the_plan_counts_clips_for_a_model_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drawbar.evidence.words.plan.fitting_batch_of", lambda *_: 1)
    spec = released_spec("facebook/musicgen-small")
    assert spec is not None
    small = plan_words(spec, 10, HOW)
    assert small.takes == 80
    assert small.pool == 19 * 1 * 4 + 20
    assert small.duration_s > 0


def test_the_commands_make_words_and_a_bank(
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    made: list[WordSlider],
) -> None:
    given: list[Any] = []

    def fake(_model: object, words: list[str], **options: object) -> list[WordSlider]:
        given.append((list(words), options))
        return [one for one in made if one.word in words]

    monkeypatch.setattr("drawbar.evidence.words.make.make_words", fake)
    monkeypatch.setattr("drawbar.cli.words.load", lambda *_: model)
    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    assert cli.main(["direction", "from-words", "drums", "blorp", "--pairs", "4", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts[0]["id"] == "mine/drums"
    assert "found nothing" in facts[1]["missing"]
    assert cli.main(["direction", "from-words", "drums"]) == 2, "the name is taken"
    assert cli.main(["direction", "show", "drums"]) == 0
    assert "4 pairs with and without" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["direction", "from-words", "blorp"]) == 1
    assert "found nothing" in capsys.readouterr().err
    words = tmp_path / "words.txt"
    words.write_text("# mine\ndrums\n\nslow\n")
    asked = ["bank", "starter", str(model.spec.name), "--words", str(words), "--out", str(tmp_path / "run")]
    monkeypatch.setattr("drawbar.musicgen.checkpoint.resolve.resolve", lambda _: (tmp_path, "tiny"))
    assert cli.main([*asked, "--licence", "MIT"]) == 0
    assert given[-1][0] == ["drums", "slow"]
    assert str(tmp_path / "run" / "bank") in capsys.readouterr().out
