"""A run in an S3 bucket -> stages that appear whole, go on from any machine, and are refused where they are damaged."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drawbar.errors import CheckpointError
from drawbar.pipeline import build, run_stages
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.cluster.storage import open_storage
from tests.pipeline.fakes import FakeModel
from tests.pipeline.s3_server import store
from tests.pipeline.test_build import settings, tones
from tests.pipeline.test_killed import rows, tensors

__all__ = ["store"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def test_a_run_in_an_object_store_goes_on_from_any_machine(store: str, tmp_path: Path) -> None:
    url, threads = f"{store}/run", torch.get_num_threads()
    torch.set_num_threads(1)
    first = replace(
        settings(tones(tmp_path / "music"), tmp_path / "here"), cluster=ClusterSettings(storage=url)
    )
    run_stages(first, model=FakeModel(), until="residuals")
    storage = open_storage(url)
    assert not any(name.startswith("sae") for name in storage.names())
    seen = set[str]()
    second = replace(first, out=tmp_path / "there")
    build(second, lambda moment: seen.add(moment.stage), model=FakeModel())
    torch.set_num_threads(threads)
    assert seen
    assert not {"tokens", "residuals"} & seen
    made = {name: data for name, data in tensors(first.out).items() if name.startswith(("tokens", "resid"))}
    assert made.items() <= tensors(second.out).items()
    third, model = replace(first, out=tmp_path / "third"), FakeModel()
    build(third, model=model)
    assert model.calls == 0
    assert tensors(third.out) == tensors(second.out)
    assert rows(third.out) == rows(second.out)

    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "tokens-00000.safetensors").write_bytes(b"other")
    storage.publish(tmp_path, ["tokens/tokens-00000.safetensors"])
    with pytest.raises(CheckpointError, match=r"tokens-00000.*published"):
        storage.restore(tmp_path / "fourth")
