from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from drawbar.cli import main
from drawbar.errors import CancelledError, CheckpointError
from drawbar.live import TakeSettings, render
from drawbar.live.takes.take import load_record
from drawbar.musicgen import Model, load_model
from drawbar.musicgen.checkpoint import hub
from drawbar.musicgen.checkpoint.download import RemoteFile
from tests.musicgen.fakehub import COMMIT, Hub, serving
from tests.musicgen.test_audiocraft_codec import XP
from tests.musicgen.test_load import write_audiocraft
from tests.musicgen.tiny import write_checkpoint

NAME = "acme/tiny"


@pytest.fixture
def server(tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one model in the Hugging Face layout, and an empty cache."""
    repository = Path(shutil.copytree(tiny_folder, tmp_path / "repository"))
    (repository / "README.md").write_text("---\nlicense: cc-by-nc-4.0\ntags: [music]\n---\n# Tiny\n")
    with serving() as running:
        running.add(NAME, repository)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            running.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        yield running


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "nothing"))


def test_a_name_is_downloaded_once_with_its_bytes_counted(server: Hub, tiny: Model) -> None:
    told: list[tuple[int, int, str]] = []
    model = load_model(NAME, progress=lambda done, total, file: told.append((done, total, file)))
    assert model.fingerprint == tiny.fingerprint
    done = [entry[0] for entry in told]
    total = sum(len(content) for content in server.repositories[NAME].values())
    assert done == sorted(done)
    assert done[0] == 0
    assert told[-1][:2] == (total, total)
    assert {entry[1] for entry in told} == {total}
    assert len({entry[2] for entry in told}) == 4
    asked = len(server.ranges)
    server.status = 503
    assert load_model(NAME).fingerprint == tiny.fingerprint
    assert len(server.ranges) == asked


def test_a_download_that_was_stopped_goes_on_where_it_was(server: Hub) -> None:
    size = len(server.repositories[NAME]["model.safetensors"])

    def stop(done: int, total: int, file: str) -> None:
        if file == "model.safetensors" and total - done < size // 2:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        hub.fetch(NAME, stop)
    assert hub.cached(NAME) is None
    server.ranges.clear()
    first: list[int] = []
    hub.fetch(NAME, lambda done, total, file: first.append(done))
    (asked,) = [wanted for file, wanted in server.ranges if file == "model.safetensors"]
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= size // 2
    assert not any(file == "config.json" for file, _ in server.ranges)
    assert hub.cached(NAME) is not None


def test_a_connection_that_breaks_is_made_again(server: Hub, tiny: Model) -> None:
    server.cut = 300_000
    assert load_model(NAME).fingerprint == tiny.fingerprint
    asked = [wanted for file, wanted in server.ranges if file == "model.safetensors"]
    assert asked[0] == ""
    assert asked[1].startswith("bytes=")


def test_a_commit_that_is_named_loads_just_that_one_and_takes_say_which(
    server: Hub, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add(NAME, write_checkpoint(tmp_path / "newer", seed=7), "d" * 40)
    pinned = load_model(f"{NAME}@{COMMIT}")
    assert (pinned.spec.name, pinned.source) == (NAME, f"{NAME}@{COMMIT}")
    assert pinned.fingerprint == tiny.fingerprint
    hub.fetch(NAME)
    newest = load_model(NAME)
    assert (newest.source, newest.fingerprint == tiny.fingerprint) == (f"{NAME}@{'d' * 40}", False)
    with pytest.raises(CheckpointError, match="no such revision"):
        load_model(f"{NAME}@{'e' * 40}")
    with pytest.raises(CheckpointError, match="commit, a branch or a tag"):
        load_model(f"{NAME}@..")
    take = render(pinned, None, TakeSettings("slow piano", seconds=0.2))
    again = load_record(take.save(tmp_path / "take.wav"))["source"]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(server.ranges)
    assert load_model(again).fingerprint == take.site  # a take's model is found again without a network
    assert load_model(NAME).fingerprint == newest.fingerprint
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE"):
        load_model(f"{NAME}@{'e' * 40}")
    assert len(server.ranges) == asked


def test_a_server_that_knows_no_ranges_sends_the_whole_file_again(server: Hub, tiny: Model) -> None:
    server.cut, server.ignore_ranges = 300_000, True
    assert load_model(NAME).fingerprint == tiny.fingerprint


def test_a_file_that_arrives_changed_never_gets_its_name(server: Hub, tiny: Model) -> None:
    server.corrupt = "model.safetensors"
    with pytest.raises(CheckpointError, match=r"model\.safetensors.*damaged.*again"):
        hub.fetch(NAME)
    assert hub.cached(NAME) is None
    server.corrupt = ""
    assert load_model(NAME).fingerprint == tiny.fingerprint


def test_offline_with_nothing_cached_says_what_to_run_where(offline: None) -> None:
    with pytest.raises(CheckpointError, match=r"drawbar model get acme/tiny.*network") as caught:
        load_model(NAME)
    assert "\n" not in str(caught.value)


def test_without_a_network_the_message_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with serving() as gone:
        url = gone.url
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    with pytest.raises(CheckpointError, match=r"drawbar model get acme/tiny.*network"):
        load_model(NAME)


@pytest.mark.parametrize(("status", "reason"), [(404, "no model"), (503, "503"), (401, "401")])
def test_what_the_hub_refuses_is_one_line(server: Hub, status: int, reason: str) -> None:
    name = "acme/nothing" if status == 404 else NAME
    server.status = 0 if status == 404 else status
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b/c", "acme/..", "acme/x--y", "-/-"])
def test_names_that_cannot_be_are_refused(server: Hub, name: str) -> None:
    with pytest.raises(CheckpointError, match="Hugging Face name"):
        load_model(name)


def test_a_full_disk_is_said_before_anything_is_downloaded(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type(usage)(usage.total, usage.total, 1000))
    with pytest.raises(CheckpointError, match="HF_HOME"):
        hub.fetch(NAME)
    assert server.ranges == []


def test_shards_and_pickles_are_chosen_well() -> None:
    def listed(**sizes: int) -> hub.Listing:
        names = {name.replace("__", ".").replace("_0", "-0"): size for name, size in sizes.items()}
        return hub.Listing(
            NAME, COMMIT, hub.Licence(""), tuple(RemoteFile(n, s, "0" * 64) for n, s in names.items())
        )

    both = listed(
        config__json=1, tokenizer__json=1, model__safetensors=90, pytorch_model__bin=90, state_dict__bin=30,
        compression_state_dict__bin=9,
    )  # fmt: skip
    assert list(hub.plans(both)) == ["hf", "audiocraft"]
    assert "pytorch_model.bin" not in {file.name for file in hub.plans(both)["hf"]}
    old = listed(config__json=1, pytorch_model__bin=90, state_dict__bin=30, compression_state_dict__bin=9)
    assert list(hub.plans(old)) == ["audiocraft", "hf"]
    files = {
        "config.json": 1,
        "model.safetensors.index.json": 1,
        "model-00001-of-00002.safetensors": 50,
        "model-00002-of-00002.safetensors": 40,
        "model-extra.safetensors": 7,
    }
    shards = hub.Listing(
        NAME, COMMIT, hub.Licence(""), tuple(RemoteFile(n, s, "0" * 64) for n, s in files.items())
    )
    assert {file.name for file in hub.plans(shards)["hf"]} == files.keys() - {"model-extra.safetensors"}
    with pytest.raises(CheckpointError, match="no model that loads"):
        hub.plans(listed(README__md=1))


def test_audiocrafts_layout_brings_what_it_names_along(
    server: Hub, tiny: Model, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "audiocraft")
    server.add("acme/audio", folder)
    server.add("google-t5/t5-base", folder / "t5")
    server.add("facebook/encodec_32khz", folder / "codec")
    model = load_model("acme/audio")
    assert model.fingerprint == tiny.fingerprint
    clip = torch.randint(0, 32, (1, 4, 6))
    assert torch.equal(
        model.logits(clip, "slow piano").nan_to_num(), tiny.logits(clip, "slow piano").nan_to_num()
    )
    assert hub.names_in_cache() == ["acme/audio", "facebook/encodec_32khz", "google-t5/t5-base"]
    assert XP.startswith("\nsample_rate")


def test_getting_a_model_shows_its_licence_and_wants_it_accepted(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "get", NAME]) == 1
    said = capsys.readouterr().err
    assert "cc-by-nc-4.0" in said
    assert "no commercial use" in said
    assert "--accept-licence" in said
    assert server.ranges == []
    assert main(["model", "get", NAME, "--accept-licence"]) == 0
    shown = capsys.readouterr()
    assert Path(shown.out.strip()).joinpath("config.json").is_file()
    assert "model.safetensors: 100 %" in shown.err
    assert main(["model", "get", NAME]) == 0
    assert "here already" in capsys.readouterr().err


def test_a_command_downloads_nothing_whose_licence_was_not_accepted(
    server: Hub, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["render", "slow piano", "--model", NAME, "--seconds", "0.1", "-o", str(tmp_path / "a.wav")]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert f"drawbar model get {NAME} --accept-licence" in said
    assert server.ranges == []
    assert main(["model", "get", NAME, "--accept-licence"]) == 0
    assert main(words) == 0


def test_a_free_licence_needs_no_acceptance(server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    server.licence = "apache-2.0"
    assert main(["model", "get", NAME]) == 0
    assert "apache-2.0" in capsys.readouterr().err


def test_models_are_listed_and_shown_without_a_network(
    server: Hub, tiny: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.fetch(NAME)
    server.status = 503
    assert main(["model", "list"]) == 0
    listed = capsys.readouterr().out
    assert "embedded" in listed
    assert NAME in listed
    assert "cc-by-nc-4.0" in listed
    assert main(["model", "show", NAME, "--json"]) == 0
    shown = capsys.readouterr().out
    assert tiny.fingerprint in shown
    assert tiny.codec.fingerprint in shown
    assert '"int4"' in shown
    assert main(["model", "show", "acme/nothing"]) == 1
    assert "drawbar model get acme/nothing" in capsys.readouterr().err


def test_what_an_audiocraft_folder_names_is_asked_for_before_it_is_downloaded(
    server: Hub, tiny: Model, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = write_audiocraft(tiny, tiny_folder, tmp_path / "audiocraft")
    server.add("acme/audio", folder)
    server.add("google-t5/t5-base", folder / "t5")
    server.add("facebook/encodec_32khz", folder / "codec")
    for licence in ("other", ""):
        server.licences["google-t5/t5-base"] = licence
        with pytest.raises(CheckpointError, match="model get google-t5/t5-base --accept-licence"):
            hub.fetch("acme/audio")
        assert "google-t5/t5-base" not in hub.names_in_cache()
    server.licences["google-t5/t5-base"] = "apache-2.0"
    hub.fetch("acme/audio")
    assert "google-t5/t5-base" in hub.names_in_cache()


def test_every_file_comes_from_the_commit_whose_digests_were_told(server: Hub) -> None:
    folder = hub.fetch(NAME)
    assert folder.name == COMMIT
    assert server.revisions == {COMMIT}
    assert (folder.parents[1] / "refs" / "main").read_text() == COMMIT
    assert hub.cached(NAME) == folder


def test_a_token_does_not_follow_a_redirect_to_another_host(
    server: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving() as other:
        other.repositories, server.elsewhere = server.repositories, other.url
        with caplog.at_level("DEBUG"):
            hub.fetch(NAME)
        assert set(server.authorized) == {"Bearer hf_secret"}
        assert set(other.authorized) == {""}
    assert "hf_secret" not in caplog.text


def test_a_message_carries_no_password_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    from drawbar.musicgen.checkpoint.download import without_secrets

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    said = without_secrets("no way through http://me:pass@proxy:1 with hf_secret")
    assert said == "no way through http://***@proxy:1 with ***"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1"])
def test_a_proxy_of_another_kind_is_one_line(
    server: Hub, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    from huggingface_hub.utils import close_session  # type: ignore[attr-defined]

    close_session()
    for name in ("ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    try:
        with pytest.raises(CheckpointError, match=r"proxy|cannot be downloaded") as caught:
            hub.listing(NAME)
        assert "\n" not in str(caught.value)
    finally:
        close_session()
