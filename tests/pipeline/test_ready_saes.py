"""Published SAEs: found in folders and repositories, refused by name where they cannot steer or clash."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from drawbar.cli import main
from drawbar.errors import BadInputError, CheckpointError, NotSupportedError
from drawbar.pipeline.inputs.ready_saes import ready_saes, require_licences, sae_folder
from drawbar.sae import load_sae
from tests.musicgen.fakehub import Hub, serving
from tests.sae.test_checkpoint import authors_folder

SITE = "d" * 64


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Two layers of one repository, the second in two sizes."""
    root = tmp_path / "released"
    for place, layer in (("layer3", 3), ("layer11/small", 11), ("layer11/large", 11)):
        folder = root / place
        folder.mkdir(parents=True)
        authors_folder(folder, hook_name=f"hook_layers.{layer}", hook_layer=layer)
    return root


@pytest.fixture
def served(released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as running:
        running.repositories["acme/saes"] = {
            file.relative_to(released).as_posix(): file.read_bytes()
            for file in released.rglob("*")
            if file.is_file()
        }
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", running.url)
        monkeypatch.setattr(
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
            running.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        yield running


def test_a_repository_gives_the_one_sae_that_was_named_and_nothing_else(served: Hub, released: Path) -> None:
    found = ready_saes(["acme/saes:layer11/large", "acme/saes:layer3"], SITE)
    assert list(found) == [3, 11]
    there = load_sae(released / "layer3")
    assert torch.equal(load_sae(found[3]).W_dec, there.W_dec)
    assert {name for name, _ in served.ranges if name.startswith("layer11/small")} == set()
    served.status = 503
    assert sae_folder("acme/saes:layer3") == found[3], "what is here is not asked for again"


def test_the_licence_is_asked_before_anything_is_fetched(
    served: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = "acme/saes:layer3"
    words = ["build", "composed:2", "--out", str(tmp_path / "run"), "--sae", spec, "--plan"]
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "acme/saes" in said
    assert "no commercial use" in said
    assert "--accept-licence" in said
    assert served.ranges == []
    served.licence = "mit"
    require_licences([spec])
    served.licence = ""
    with pytest.raises(BadInputError, match="ask its authors"):
        require_licences([spec])
    sae_folder(spec)
    require_licences([spec])  # what is here was accepted


def test_several_in_one_repository_are_listed(served: Hub) -> None:
    with pytest.raises(CheckpointError, match=r"several .* layer11/large, layer11/small, layer3"):
        sae_folder("acme/saes")
    with pytest.raises(CheckpointError, match=r"several .*one of layer11/large, layer11/small$"):
        sae_folder("acme/saes:layer11")
    with pytest.raises(CheckpointError, match="none"):
        sae_folder("acme/saes:layer7")


def test_a_folder_may_hold_its_saes_below_it(released: Path) -> None:
    assert sae_folder(str(released / "layer3")) == released / "layer3"
    assert sae_folder(f"{released}:layer11/small") == released / "layer11/small"
    shutil.rmtree(released / "layer11")
    assert sae_folder(str(released)) == released / "layer3"


def test_two_saes_of_one_layer_are_refused_by_name(released: Path) -> None:
    with pytest.raises(BadInputError, match=r"small.*large.*layer 11"):
        ready_saes([f"{released}:layer11/small", f"{released}:layer11/large"], SITE)


@pytest.mark.parametrize("spec", ["nowhere", "a/b/c", ""])
def test_what_is_neither_a_folder_nor_a_name_is_refused(spec: str) -> None:
    with pytest.raises(BadInputError, match="neither a folder"):
        sae_folder(spec)


@pytest.mark.parametrize(
    "changes",
    [
        {"hook_name": "blocks.11.attn.hook_z"},
        {"hook_name": "blocks.11.hook_mlp_out"},
        {"hook_name": "blocks.11.hook_attn_out"},
        {"hook_name": "decoder.layers.11.self_attn"},
        {"hook_name": "blocks.11.hook_resid_pre"},
        {"hook_head_index": 4},
    ],
)
def test_an_sae_of_no_residual_stream_is_refused_by_name(tmp_path: Path, changes: dict[str, object]) -> None:
    authors_folder(tmp_path, **changes)
    [said] = changes.values()
    with pytest.raises(NotSupportedError, match=str(said).rpartition(".")[2]):
        load_sae(tmp_path)


def test_the_residual_stream_under_its_usual_names_is_taken(tmp_path: Path) -> None:
    for hook in (
        "hook_layers.11",
        "blocks.11.hook_resid_post",
        "decoder.layers.11",
        "lm.transformer.layers.11",
    ):
        authors_folder(tmp_path, hook_name=hook, hook_layer=None)
        assert load_sae(tmp_path).layer == 11
