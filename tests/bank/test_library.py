"""Banks packed for others -> what goes in, what installing and upgrading keep, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drawbar.bank import (
    Bank,
    BankInfo,
    Example,
    FeatureRecord,
    LayerDirections,
    find_bank,
    install_bank,
    installed_banks,
    pack_bank,
    remove_bank,
    verify,
)
from drawbar.bank.database import Database
from drawbar.bank.licences import may_share, normal_licence
from drawbar.bank.migrations import BANK_MIGRATIONS
from drawbar.bank.store import DATABASE
from drawbar.errors import BankError

D_MODEL = 6


def made(
    folder: Path, *, indices: tuple[int, ...] = (0, 1, 2), turn: int = 0, layers: tuple[int, ...] = (1, 3)
) -> Path:
    """A bank whose directions are unit vectors; ``turn`` moves them on to other features."""
    info = BankInfo("Little bank", "toy", "a" * 64, layers, D_MODEL, licence="CC-BY-NC-4.0")
    with Bank.create(folder, info, edits=folder / "edits") as bank:
        bank.write_features(
            FeatureRecord(layer, i, 0.1, consistency=0.9, coactive=((f"{layer}/0", 0.5),))
            for layer in layers
            for i in indices
        )
        rows = np.eye(D_MODEL, dtype=np.float32)[[(i + turn) % D_MODEL for i in indices]]
        ones = np.ones(len(indices), np.float32)
        part = LayerDirections(np.array(indices), rows, rows, ones, np.zeros(D_MODEL, np.float32), ones, ones)
        bank.write_directions((layer, part) for layer in layers)
        tokens = np.zeros((4, 5), np.uint16)
        example = Example(tokens, 0, 5, np.ones(5, np.float32), "top", "clip", "CC0-1.0")
        licences = (
            "CC0-1.0",
            "https://creativecommons.org/licenses/by-nc-sa/4.0/",
            "unknown",
            "CC-BY-ND-4.0",
            "",
        )
        bank.write_examples(
            (
                f"1/{indices[0]}",
                replace(example, clip=f"clip {n}", licence=licence, tokens=np.full((4, 5), n, np.uint16)),
            )
            for n, licence in enumerate(licences)
        )
    return folder


def test_examples_that_may_not_be_shared_stay_at_home_and_the_copy_is_read_only(tmp_path: Path) -> None:
    folder = made(tmp_path / "bank")
    packed = pack_bank(folder, tmp_path / "little.drawbank")
    assert packed.bank_licence == "CC-BY-NC-4.0"
    assert packed.kept == {"CC0-1.0": 1, "CC-BY-NC-SA-4.0": 1}
    assert packed.left_out == {"unknown": 2, "CC-BY-ND-4.0": 1}
    installed, _ = install_bank(packed.path, tmp_path / "banks", edits=tmp_path / "edits")
    verify(installed.folder)
    with Bank.open(installed.folder, edits=tmp_path / "edits") as bank:
        assert {e.licence for e in bank.examples("1/0")} == {
            "CC0-1.0",
            "https://creativecommons.org/licenses/by-nc-sa/4.0/",
        }
        assert bank.published
        assert bank.feature("3/2").coactive == (("3/0", 0.5),)
        assert bank.row("3/2").consistency == 0.9
        bank.add_label("1/0", "mine")
        assert bank.row("1/0").label == "mine"
    with pytest.raises(BankError, match="read-only"):
        Bank.open(installed.folder, writable=True)
    with Bank.open(folder, writable=True, edits=tmp_path / "edits") as own:
        assert len(own.examples("1/0")) == 5


def test_the_same_bank_packs_to_the_same_bytes(tmp_path: Path) -> None:
    folder = made(tmp_path / "bank")
    one, two = (pack_bank(folder, tmp_path / f"{n}.drawbank").path.read_bytes() for n in (1, 2))
    assert one == two


def test_an_upgrade_carries_the_users_notes_to_the_same_directions(tmp_path: Path) -> None:
    root, edits = tmp_path / "banks", tmp_path / "edits"
    first, _ = install_bank(
        pack_bank(made(tmp_path / "v1"), tmp_path / "v1.drawbank").path, root, edits=edits
    )
    with Bank.open(first.folder, edits=edits) as bank:
        bank.add_label("1/2", "older")
        bank.add_label("1/2", "taiko")
        bank.star("1/2")
        bank.shelve("3/0", "set A")
        bank.hide("1/0")
    newer = made(tmp_path / "v2", indices=(4, 5, 7), turn=3)  # directions 1, 2 and 4 under other numbers
    second, carried = install_bank(pack_bank(newer, tmp_path / "v2.drawbank").path, root, edits=edits)
    assert second.folder == first.folder
    assert carried.moved == 1
    assert carried.left == ("1/0", "3/0")
    with Bank.open(second.folder, edits=edits) as bank:
        row = bank.row("1/5")
        assert (row.label, row.starred) == ("taiko", True)
        assert [label.text for label in bank.feature("1/5").labels] == ["taiko", "older"]
        assert bank.count() == 6
    again, carried = install_bank(tmp_path / "v2.drawbank", root, edits=edits)
    assert carried.moved == 0
    with Bank.open(again.folder, edits=edits) as bank:
        assert bank.row("1/5").label == "taiko"


def test_a_damaged_upgrade_leaves_the_installed_bank_alone(tmp_path: Path) -> None:
    root = tmp_path / "banks"
    packed = pack_bank(made(tmp_path / "v1"), tmp_path / "v1.drawbank").path
    installed, _ = install_bank(packed, root, edits=tmp_path / "edits")
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "bad.drawbank").write_bytes(data)
    with pytest.raises(BankError):
        install_bank(tmp_path / "bad.drawbank", root, edits=tmp_path / "edits")
    assert [bank.name for bank in installed_banks(root)] == [installed.name]
    assert sorted(p.name for p in root.iterdir()) == [installed.name]
    verify(installed.folder)


def test_installed_banks_are_found_by_name_and_removed_but_nothing_else_is(tmp_path: Path) -> None:
    root = tmp_path / "banks"
    packed = pack_bank(made(tmp_path / "v1"), tmp_path / "v1.drawbank").path
    installed, _ = install_bank(packed, root, edits=tmp_path / "edits")
    assert installed.name == "little-bank-aaaaaaaa"
    assert find_bank(installed.name, root) == installed.folder
    assert find_bank(tmp_path / "v1", root) == tmp_path / "v1"
    for name in ("..", "../v1", "nothing", ""):
        with pytest.raises(BankError):
            remove_bank(name, root)
    assert (tmp_path / "v1" / DATABASE).is_file()
    remove_bank(installed.name, root)
    assert installed_banks(root) == []
    with pytest.raises(BankError, match="installed: none"):
        find_bank("little", root)


def test_a_bank_of_an_older_format_opens_verifies_and_packs(tmp_path: Path) -> None:
    folder = made(tmp_path / "bank")
    old = Database(folder / DATABASE)
    for column in ("consistency", "coactive", "duplicates"):
        old.run(f"ALTER TABLE feature DROP COLUMN {column}")
    for table in ("trial", "trial_pair", "trial_condition", "evidence", "concept_slider"):
        old.run(f"DROP TABLE {table}")
    names = [migration.name for migration in BANK_MIGRATIONS]
    old.run(f"PRAGMA user_version = {names.index('company')}")
    old.close()
    verify(folder)
    with Bank.open(folder, edits=tmp_path / "edits") as bank:
        assert bank.row("1/0").consistency is None
        assert bank.feature("1/0").coactive == ()
    installed, _ = install_bank(
        pack_bank(folder, tmp_path / "old.drawbank").path, tmp_path / "banks", edits=tmp_path / "edits"
    )
    verify(installed.folder)


@pytest.mark.parametrize(
    ("written", "name", "shared"),
    [
        ("CC0-1.0", "CC0-1.0", True),
        ("cc0", "CC0-1.0", True),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0", True),
        ("CC BY 4.0", "CC-BY-4.0", True),
        ("cc_by_sa_3.0", "CC-BY-SA-3.0", True),
        ("http://creativecommons.org/licenses/by-nc-nd/3.0/", "CC-BY-NC-ND-3.0", False),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", False),
        ("MIT", "MIT", True),
        ("All rights reserved", "All rights reserved", False),
        ("unknown", "unknown", False),
        ("submitted by mitch", "submitted by mitch", False),
        ("", "", False),
    ],
)
def test_licences_are_read_as_people_write_them(written: str, name: str, shared: bool) -> None:
    assert normal_licence(written) == name
    assert may_share(written) is shared
