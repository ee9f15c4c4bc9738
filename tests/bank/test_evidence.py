"""Verdicts and trials go into a bank and come back; a published bank gets them as its next version."""

from pathlib import Path

import numpy as np
import pytest

from drawbar.bank import Bank, BankInfo, Evidence, FeatureEvidence, FeatureRecord, Trial, next_version, verify
from drawbar.errors import BadInputError, BankError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    info = BankInfo("small", "m", "f" * 64, (1,), 4)
    with Bank.create(tmp_path / "bank", info, edits=tmp_path) as bank:
        bank.write_features([FeatureRecord(1, n, 0.1) for n in range(3)])
        bank.publish()
    return tmp_path / "bank"


def _evidence() -> Evidence:
    card = {"format": 1, "measure": "detector:drums", "slope": 1.25}
    values = np.array([0.5, -2.0], np.float32)
    return Evidence(
        (
            FeatureEvidence("1/2", "proven", 3.0, (-0.5, 1.5), card),
            FeatureEvidence("1/0", "harmful", None, (0.0, 0.0)),
        ),
        {"summary": {"candidates": 2, "proven": 1}, "measures": ["detector:drums", "finite"]},
        [
            Trial("confirm", "feature", "1/2", 1, amount, "piano", seed, 7, 32, values * amount)
            for amount in (-1.0, 1.0)
            for seed in (5, 6)
        ],
    )


def test_evidence_comes_back(folder: Path, tmp_path: Path) -> None:
    with next_version(folder) as bank:
        bank.write_evidence(_evidence())
    verify(folder)
    with Bank.open(folder, edits=tmp_path) as bank:
        page = bank.feature("1/2")
        assert page.row.verdict == "proven"
        assert page.usable_range == (-0.5, 1.5)
        assert page.evidence is not None
        assert page.evidence["slope"] == 1.25
        assert bank.search()[0].id == "1/2", "proven ones come first"
        assert [row.id for row in bank.search(verdict="harmful")] == ["1/0"]
        assert bank.evidence("summary") == {"candidates": 2, "proven": 1}
        assert bank.evidence("nothing") is None
        trials = bank.trials(kind="feature", id="1/2")
        assert [(t.amount, t.seed) for t in trials] == [(-1, 5), (-1, 6), (1, 5), (1, 6)]
        assert trials[3].values.tolist() == [0.5, -2.0]
        assert (trials[3].block, trials[3].batch) == (7, 32)
        assert bank.published


def test_new_evidence_takes_the_place_of_the_old(folder: Path, tmp_path: Path) -> None:
    with next_version(folder) as bank:
        bank.write_evidence(_evidence())
    with next_version(folder) as bank:
        bank.write_evidence(Evidence((FeatureEvidence("1/1", "weak"),), {"summary": {}}, ()))
    with Bank.open(folder, edits=tmp_path) as bank:
        assert {row.id: row.verdict for row in bank.search()} == {
            "1/0": "untested",
            "1/1": "weak",
            "1/2": "untested",
        }
        assert bank.feature("1/2").evidence is None
        assert bank.trials() == []


def test_a_bank_is_whole_after_a_failure(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BadInputError, match="9/9"), next_version(folder) as bank:
        bank.write_evidence(Evidence((FeatureEvidence("9/9", "weak"),), {}, ()))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".bank")] == []


def test_trials_that_do_not_fit_their_measures_are_refused(folder: Path) -> None:
    short = Trial("confirm", "feature", "1/2", 1, 1.0, "piano", 5, 0, 32, np.zeros(3, np.float32))
    with pytest.raises(BankError, match="trials"), next_version(folder) as bank:
        bank.write_evidence(Evidence((), {"measures": ["detector:drums"]}, [short]))


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(BadInputError, match="surely"):
        FeatureEvidence("1/1", "surely")
