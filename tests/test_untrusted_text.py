"""Labels and settings files from anyone: nothing steers the terminal, hangs or ends in a traceback."""

import json
import os
import re
from pathlib import Path

import pytest

from drawbar import cli
from drawbar.bank import Bank
from drawbar.cli.settings_file import read_config, settings_from
from drawbar.errors import BadInputError
from drawbar.evidence.experiment.preregistration import ProveSettings
from drawbar.pipeline import BuildSettings
from drawbar.research.horizon.study.settings import HorizonSettings
from tests.bank.small_bank import INFO, fill

HOSTILE = "\x1b]0;owned\x07\x1b]52;c;aGk=\x07\x9b31m \u202eevil\ud800".encode("utf-8", "ignore").decode()


def test_a_hostile_label_reaches_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    monkeypatch.setenv("DRAWBAR_HOME", str(tmp_path / "home"))
    with Bank.create(tmp_path / "bank", INFO) as bank:
        fill(bank)
    connection = sqlite3.connect(tmp_path / "bank" / "bank.sqlite")
    for sql in (
        "UPDATE label SET text = 'Drums' || ?1, author = ?1",
        "UPDATE listing SET label = label || ?1, author = ?1",
        "UPDATE feature SET tags = json_array(?1), verdict = ?1",
        "UPDATE meta SET value = json_set(value, '$.name', 'n' || ?1, '$.licence', ?1) WHERE name = 'info'",
    ):
        connection.execute(sql, (HOSTILE,))
    connection.commit()
    connection.close()
    with Bank.open(tmp_path / "bank") as bank:
        rows = bank.search(limit=99)
        page = bank.feature(rows[0].id)
        texts = [
            bank.info.name,
            bank.info.licence,
            *(row.label for row in rows),
            *(row.verdict for row in rows),
        ]
        texts += [t for row in rows for t in (row.label_author, *row.tags)]
        texts += [t for label in page.labels for t in (label.text, label.author, label.method)]
    assert all(text.isprintable() for text in texts)
    for words in (
        ["features", "search", "drums"],
        ["features", "show", rows[0].id],
        ["features", "show", "x" + HOSTILE],
    ):
        for more in ([], ["--json"]):
            cli.main([*words, *more, "--bank", str(tmp_path / "bank")])
            seen = "".join(capsys.readouterr())
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(seen)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "a = " + "[" * 200_000,
        "a = " + "{a=" * 60_000,
        "a." * 100_000 + "b = 1",
        "a = 1\n[[a]]",
        "\0",
        "=" * 99,
    ],
)
@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_settings_file_that_is_none_is_refused_quickly(tmp_path: Path, text: str, ending: str) -> None:
    path = tmp_path / f"run.{ending}"
    path.write_text(text)
    with pytest.raises(BadInputError, match="run") as raised:
        read_config(path)
    assert len(str(raised.value)) < 600


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="a device without an end")
def test_a_device_without_an_end_is_not_read_into_memory() -> None:
    with pytest.raises(BadInputError, match="longer than"):
        read_config(Path("/dev/zero"))


ODD: tuple[object, ...] = (
    -1,
    10**40,
    1.5,
    float("nan"),
    "x" * 5000,
    "\0",
    [],
    [[[]]],
    {},
    {"a": {"b": 1}},
    True,
    [None],
    "1979-05-27",
)


@pytest.mark.parametrize("kind", [BuildSettings, ProveSettings, HorizonSettings])
def test_no_value_of_a_setting_ends_in_a_traceback(kind: type) -> None:
    import dataclasses

    needed = {"corpus": "composed:2", "out": "run"}
    names = [field.name for field in dataclasses.fields(kind)]
    base = {name: value for name, value in needed.items() if name in names}
    refused = 0
    for name in [*names, "sections.that.are.none"]:
        for value in ODD:
            try:
                settings_from(kind, base | {name: value})
            except BadInputError as error:
                refused += 1
                said = str(error)
            else:
                said = ""
            assert len(said) < 1500
    assert refused > len(names)


def test_settings_that_are_right_stay_as_they_are() -> None:
    given = {
        "corpus": "composed:2",
        "out": "run",
        "layers": [2, 4],
        "held_out": 0.2,
        "sae": {"k": 16},
        "name": None,
    }
    settings = settings_from(BuildSettings, json.loads(json.dumps(given)))
    assert (settings.out, settings.layers, settings.held_out, settings.sae.k) == (
        Path("run"),
        (2, 4),
        0.2,
        16,
    )


def test_a_number_of_a_table_is_shortened_in_the_message(tmp_path: Path) -> None:
    from drawbar.features.labellers.people import read_people

    path = tmp_path / "people.csv"
    path.write_text(f"feature,label,score\n3/5,Wobble,0.{'{' * 3000}\n")
    with pytest.raises(BadInputError) as raised:
        read_people(path)
    assert len(str(raised.value)) < 600


ROWS = {
    f"backend/drawbar/bank/{n}.py"
    for n in ("concept_sliders", "duplicates", "evidence", "listing", "reading", "search")
}
"""Read rows of a bank, whose JSON `table_checks` has read within the same limits when the bank was opened."""
OTHERS = {
    "backend/drawbar/files/reading.py",
    "backend/drawbar/native_packages.py",
    "backend/drawbar/bench/saelens_worker.py",
}
"""The helper itself, and what runs where pydantic is not installed."""


def test_json_from_a_file_or_a_network_is_read_within_limits() -> None:
    root = Path(__file__).parents[1]
    reading = re.compile(r"json\.loads?\((?!\s*json\.dumps)")
    found = {
        path.relative_to(root).as_posix()
        for part in ("backend", "desktop")
        for path in (root / part).rglob("*.py")
        if reading.search(path.read_text(encoding="utf-8"))
    }
    assert found == ROWS | OTHERS, "use drawbar.files.reading: json_value or typed_json"
