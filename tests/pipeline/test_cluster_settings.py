"""Addresses, budgets and places of a run -> used, or refused with the reason; nothing here needs Ray."""

from pathlib import Path

import pytest

from drawbar.errors import BadInputError
from drawbar.pipeline.cluster.address import Address, parse
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.cluster.storage import PUBLISHED, open_storage
from drawbar.pipeline.manifest import Stage


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("local-ray", Address("local")),
        ("local-ray:4", Address("local", workers=4)),
        ("127.0.0.1:6379", Address("cluster", "127.0.0.1:6379")),
        ("ray://10.1.2.3:10001", Address("client", "10.1.2.3:10001")),
        ("ray://[::1]:10001", Address("client", "[::1]:10001")),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "ray", "local-ray:0", "http://10.0.0.1:1", "127.0.0.1", "127.0.0.1:99999", "a b:1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="local-ray:4"):
        parse(text)


@pytest.mark.parametrize("text", ["8.8.8.8:6379", "ray://[2606:4700::1]:10001", "0.0.0.0:6379"])
def test_a_public_address_needs_a_word(text: str) -> None:
    with pytest.raises(BadInputError, match="--allow-public-address"):
        parse(text)
    assert parse(text, allow_public=True).where


def test_budgets_below_zero_are_refused() -> None:
    with pytest.raises(BadInputError, match="poison=-1"):
        ClusterSettings(poison=-1)


def test_a_stage_appears_whole_and_one_of_another_key_goes(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra: cluster")
    storage = open_storage((tmp_path / "store").as_uri())
    run = tmp_path / "run"

    def made(key: str, names: list[str]) -> Stage:
        stage = Stage(run / "tokens", "tokens", 1, {"of": key})
        assert stage.begin()
        for name in names:
            (stage.folder / name).write_text(f"{key} {name}")
        storage.begin(run, "tokens")
        storage.publish(run, [f"tokens/{name}" for name in names])
        return stage

    made("old", ["a", "b"])
    assert storage.names("tokens") == ["tokens/a", "tokens/b", "tokens/key.json"]
    stage = made("new", ["a"])
    assert storage.names("tokens") == ["tokens/a", "tokens/key.json"]
    stage.finish([stage.folder / "a"])
    storage.finish(run, "tokens", ["a"])
    assert f"tokens/{PUBLISHED}" in storage.names()
    storage.restore(tmp_path / "other")
    assert (tmp_path / "other" / "tokens" / "a").read_text() == "new a"
    with pytest.raises(BadInputError, match="s3://"):
        open_storage("http://somewhere/run")
