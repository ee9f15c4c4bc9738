import hashlib
import json
import random
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from drawbar.bank import Bank, import_bank, verify
from drawbar.bank.bundle import export_bank, read_bundle
from drawbar.bank.store import DATABASE, DIRECTIONS, EXAMPLES
from drawbar.bench.synthetic import synthetic_bank
from drawbar.errors import BadInputError, BankError

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    synthetic_bank(folder / "bank", features=20, examples=2).close()
    return export_bank(folder / "bank", folder / "b.drawbank")


@pytest.fixture
def bundle(packed_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(packed_once, tmp_path / "b.drawbank"))


def unpacked(bundle: Path) -> Members:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Members, path: Path, *, honest: bool = True) -> Path:
    """A bundle of any members; an honest one has a manifest that fits them."""
    if honest:
        manifest = json.loads(members["manifest.json"])
        for name in manifest["members"]:
            data = members[name]
            manifest["members"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        members = members | {"manifest.json": json.dumps(manifest).encode()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def refused(bundle: Path, folder: Path, message: str) -> None:
    with pytest.raises(BankError, match=message):
        import_bank(bundle, folder / "in" / "bank")
    assert not (folder / "in").exists() or list((folder / "in").iterdir()) == []
    assert not (folder / "evil").exists()


def test_a_bank_comes_through_a_bundle_unchanged_and_without_the_users_edits(
    many: Bank, many_folder: Path, tmp_path: Path
) -> None:
    many.star(many.search()[0].id)
    bundle = export_bank(many_folder, tmp_path / "b.drawbank")
    contents = read_bundle(bundle)
    assert (contents.name, contents.model_name, contents.licence) == ("synthetic", "synthetic", "CC0-1.0")
    folder = import_bank(bundle, tmp_path / "banks" / "copy")
    with Bank.open(folder, edits=tmp_path / "other edits") as copy:
        assert copy.info == many.info
        assert copy.identity == many.identity
        assert [row.id for row in copy.search("dr")] == [row.id for row in many.search("dr")]
        assert copy.count(shelf="starred") == 0
        feature = copy.search()[0].id
        assert (copy.vectors([feature])["W_dec"] == many.vectors([feature])["W_dec"]).all()
        assert (copy.examples(feature)[0].tokens == many.examples(feature)[0].tokens).all()
    assert sorted(path.name for path in folder.iterdir()) == sorted([DATABASE, DIRECTIONS, EXAMPLES])


def test_the_same_bank_gives_the_same_bundle(bundle: Path, packed_once: Path, tmp_path: Path) -> None:
    folder = packed_once.parent / "bank"
    again = export_bank(folder, tmp_path / "again.drawbank")
    assert again.read_bytes() == bundle.read_bytes()
    with pytest.raises(BadInputError, match=r"\.drawbank"):
        export_bank(folder, tmp_path / "bank.zip")


def test_an_existing_folder_is_never_written_into(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(BankError, match="exists already"):
        import_bank(bundle, tmp_path / "there")


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "evil", "sub/bank.sqlite", "C:\\evil", "bank.sqlite\\..\\x"]
)
def test_members_with_other_names_are_refused_before_unpacking(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    members = unpacked(bundle) | {name: b"x"}
    refused(packed(members, tmp_path / "bad.drawbank"), tmp_path, "not unpacked")


def test_twice_the_same_member_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(DIRECTIONS, b"x")
    refused(bundle, tmp_path, "not unpacked")


def test_a_changed_byte_is_noticed(bundle: Path, tmp_path: Path) -> None:
    members = unpacked(bundle)
    data = members[DIRECTIONS]
    bad = members | {DIRECTIONS: data[:-1] + bytes([data[-1] ^ 1])}
    refused(packed(bad, tmp_path / "bad.drawbank", honest=False), tmp_path, "digest")
    refused(
        packed(members | {DIRECTIONS: data[:-8]}, tmp_path / "bad2.drawbank", honest=False), tmp_path, "sizes"
    )
    # Also when the manifest was adapted: the database knows the digest of its files.
    refused(packed(bad, tmp_path / "bad3.drawbank"), tmp_path, "changed")


def test_a_bomb_is_refused_by_its_stated_size_and_by_its_real_one(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BankError, match="more than 1000"):
        import_bank(bundle, tmp_path / "x", max_bytes=1000)
    members = unpacked(bundle)
    bomb = packed(members | {EXAMPLES: bytes(5_000_000)}, tmp_path / "bomb.drawbank", honest=False)
    refused(bomb, tmp_path, "sizes")


def test_what_is_no_bundle_is_refused(tmp_path: Path, bundle: Path) -> None:
    for name, data in {"empty": b"", "text": b"hello" * 99, "cut": bundle.read_bytes()[:-200]}.items():
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, tmp_path, "cannot|can be read")
    with pytest.raises(BankError):
        read_bundle(tmp_path / "nowhere")


def manifest_changes() -> dict[str, Callable[[dict[str, object]], object]]:
    return {
        "no json": lambda m: b"{",
        "a list": lambda m: [],
        "other format": lambda m: m | {"drawbank": 2},
        "no members": lambda m: {k: v for k, v in m.items() if k != "members"},
        "members a list": lambda m: m | {"members": ["x"]},
        "fewer members": lambda m: m | {"members": {}},
        "negative size": lambda m: m | {"members": {DATABASE: {"size": -1, "sha256": ""}}},
        "deep": lambda m: b"[" * 100_000,
    }


@pytest.mark.parametrize("name", manifest_changes())
def test_a_manifest_that_says_nonsense_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    members = unpacked(bundle)
    changed = manifest_changes()[name](json.loads(members["manifest.json"]))
    text = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
    bad = packed(members | {"manifest.json": text}, tmp_path / "bad.drawbank", honest=False)
    refused(bad, tmp_path, "not unpacked")


HOSTILE = {
    "a trigger": ["CREATE TRIGGER t AFTER INSERT ON feature BEGIN DELETE FROM label; END"],
    "a view": ["CREATE VIEW v AS SELECT 1"],
    "another table": ["CREATE TABLE extra (x)"],
    "a missing column": ["ALTER TABLE feature DROP COLUMN proof"],
    "a redirected index": ["CREATE TABLE words_more (x)"],
    "no json": ["UPDATE feature SET temporal = '{' WHERE n = 1"],
    "other json": ["UPDATE feature SET correlations = '[1]' WHERE n = 1"],
    "odd neighbours": ["UPDATE feature SET neighbours = '[[1, 2]]' WHERE n = 1"],
    "odd histogram": ["""UPDATE feature SET histogram = '{"edges": ["x"]}' WHERE n = 1"""],
    "odd tags": ["UPDATE feature SET tags = '[{}]' WHERE n = 1"],
    "examples out of range": ["UPDATE example SET first_row = 1000000000 WHERE n = 1"],
    "examples before the start": ["UPDATE example SET first_row = -5 WHERE n = 1"],
    "endless clip": ["UPDATE clip SET frames = 1000000000 WHERE n = 1"],
    "unknown bin": ["UPDATE example SET bin = '../x' WHERE n = 1"],
    "orphan": ["PRAGMA foreign_keys = OFF", "DELETE FROM clip WHERE n = 1"],
    "files elsewhere": [
        """UPDATE meta SET value = '{"../x": {"size": 1, "sha256": ""}}' WHERE name = 'files'"""
    ],
    "no files": ["UPDATE meta SET value = '[]' WHERE name = 'files'"],
    "no info": ["UPDATE meta SET value = '{}' WHERE name = 'info'"],
    "another site": ["""UPDATE meta SET value = replace(value, '000', 'abc') WHERE name = 'info'"""],
    "other sizes": [
        """UPDATE meta SET value = replace(value, '"d_model":16', '"d_model":17') WHERE name = 'info'"""
    ],
    "newer": ["PRAGMA user_version = 77"],
    "not ours": ["PRAGMA application_id = 5"],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_database_that_was_tampered_with_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    members = unpacked(bundle)
    path = tmp_path / "tampered.sqlite"
    path.write_bytes(members[DATABASE])
    connection = sqlite3.connect(path)
    for statement in HOSTILE[name]:
        connection.execute(statement)
    connection.commit()
    connection.close()
    bad = packed(members | {DATABASE: path.read_bytes()}, tmp_path / "bad.drawbank")
    refused(bad, tmp_path, r"bank")


def test_garbled_databases_are_refused_or_readable_but_never_crash(bundle: Path, tmp_path: Path) -> None:
    rng = random.Random(2)
    members = unpacked(bundle)
    for number in range(6):
        data = bytearray(members[DATABASE])
        for _ in range(rng.choice([1, 20])):
            data[rng.randrange(100, len(data))] = rng.randrange(256)
        folder = tmp_path / f"bank {number}"
        try:
            import_bank(packed(members | {DATABASE: bytes(data)}, tmp_path / "bad.drawbank"), folder)
        except BankError:
            continue
        with Bank.open(folder, edits=tmp_path / "e") as bank:
            for row in bank.search("dr", limit=20):
                bank.feature(row.id)
                bank.examples(row.id)


def test_a_sound_bank_passes_verification(many_folder: Path, tmp_path: Path) -> None:
    verify(many_folder)
    shutil.copytree(many_folder, tmp_path / "copy")
    (tmp_path / "copy" / EXAMPLES).unlink()
    with pytest.raises(BankError, match="examples"):
        verify(tmp_path / "copy")
