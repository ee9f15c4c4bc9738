"""The whole way on the embedded model in small: preregister, play_unsteered, screen, confirm, judge, write, resume."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from drawbar.bank import Bank, next_version, verify
from drawbar.bank.sharing import copy_bank
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.generate_clips import Processes
from drawbar.evidence.experiment.preregistration import Preregistration, ProveSettings
from drawbar.evidence.experiment.stages import Run, confirm, play_unsteered, preregister, screen
from drawbar.evidence.experiment.to_study import Stages, evidence_of, judge
from drawbar.paths import embedded_bank_dir

SETTINGS = ProveSettings(
    features=("2/14", "2/31"),
    screen_s=0.4,
    confirm_s=0.4,
    screen_seeds=3,
    screen_pool=2,
    amounts=(-1.0, 1.0),
    pool=19,
    pool_norms=(1.0, 3.0),
    inactive=1,
    held_out=1,
    rest_share=1.0,
    reference_takes=3,
    concepts=False,
    batch=24,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("evidence")
    copy_bank(embedded_bank_dir(), folder / "bank")
    return preregister(folder / "bank", folder / "run", SETTINGS)


@pytest.fixture(scope="module")
def played(run: Run) -> Stages:
    screening, selection = screen(run, players=Processes(1))
    return Stages(
        screening, confirm(run, selection, players=Processes(1)), play_unsteered(run, players=Processes(1))
    )


def test_what_is_tested_is_written_down_first(run: Run) -> None:
    again = Preregistration.read(run.folder / "preregistration.json")
    assert again.digest == run.prereg.digest
    assert [c.id for c in again.candidates] == ["2/14", "2/31"]
    assert not (run.folder / "blocks").exists() or again.settings == SETTINGS


def test_a_changed_preregistration_is_refused(run: Run, tmp_path: Path) -> None:
    text = (run.folder / "preregistration.json").read_text()
    path = tmp_path / "preregistration.json"
    path.write_text(text.replace('"q": 0.05', '"q": 0.5', 1))
    with pytest.raises(BadInputError, match="changed"):
        Preregistration.read(path)


def test_other_settings_need_another_folder(run: Run) -> None:
    other = ProveSettings(**asdict(SETTINGS) | {"q": 0.1})
    with pytest.raises(BadInputError, match="other settings"):
        preregister(run.bank, run.folder, other)


def test_a_resumed_run_gives_the_same_rows(run: Run, played: Stages) -> None:
    screening = played.screening
    block = next(screening.plan.blocks())
    before = load_file(screening.path(block))
    screening.path(block).unlink()
    again, _ = screen(run, players=Processes(2))
    after = load_file(again.path(block))
    assert {name: rows.tobytes() for name, rows in after.items()} == {
        name: rows.tobytes() for name, rows in before.items()
    }, "the same seeds, batch and thread give the same bits"


def test_verdicts_reach_the_bank(run: Run, played: Stages) -> None:
    _, selection = screen(run, players=Processes(1))
    analysis = judge(run, played, selection, 1.0)
    with next_version(run.bank) as fresh:
        fresh.write_evidence(evidence_of(run, played, selection, analysis))
    verify(run.bank)
    with Bank.open(run.bank, edits=run.folder) as bank:
        summary = bank.evidence("summary")
        assert summary["candidates"] == 2
        assert summary["clips"] == len(bank.trials()) > 400
        page = bank.feature("2/14")
        assert page.row.verdict in ("proven", "weak", "not shown", "harmful")
        assert page.evidence is not None
        assert {"inactive feature", "wrong layer", "pass-through", "random directions"} <= set(
            page.evidence["controls"]
        )
        names = bank.evidence("measures")
        trial = bank.trials(kind="feature", id="2/14")[0]
        assert np.isfinite(trial.values[names.index("ce_0")])
        assert bank.evidence("preregistration")["digest"] == run.prereg.digest


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pool": 10}, "pool of 10"),
        ({"prompts": ("piano", "piano", "drums")}, "3 different"),
        ({"amounts": (0.5, 1.0)}, "both signs"),
        ({"confirm_seeds": 4}, "at least 2 and 8"),
        ({"density": (0.3, 0.1)}, "density"),
        ({"pool_norms": (2.0, 1.0)}, "rising"),
    ],
)
def test_settings_that_could_prove_nothing_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        ProveSettings(**wrong)  # type: ignore[arg-type]


def test_too_few_candidates_are_refused(tmp_path: Path) -> None:
    settings = ProveSettings(density=(0.2, 0.25), concepts=False)
    with pytest.raises(BadInputError, match="200 are needed"):
        preregister(embedded_bank_dir(), tmp_path, settings)
