"""Two nodes of a Ray cluster on this machine -> the bank of one process by byte; what is killed, and poison."""

import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from drawbar.errors import CheckpointError, WorkerError
from drawbar.pipeline import BuildSettings, Progress, build, run_stages
from drawbar.pipeline.cluster.connection import has_ray, set_defaults
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.cluster.storage import open_storage
from tests.pipeline.deadly import OnceDeadly, Poisoned
from tests.pipeline.fakes import FakeModel
from tests.pipeline.test_build import settings, tones
from tests.pipeline.test_killed import ROOT, rows, tensors

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.skipif(not has_ray(), reason="needs Ray: pip install 'drawbar[cluster]'"),
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of every kind
]


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a bucket on an S3 server at 127.0.0.1; what is started afterwards knows how to reach it."""
    moto = pytest.importorskip("moto.server", reason="needs moto's S3 server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import fsspec

        fsspec.filesystem("s3").mkdir("runs")
        yield "s3://runs"
    server.stop()


@pytest.fixture(scope="module")
def nodes(store: str) -> Iterator["Cluster"]:
    """A head and a second raylet, with a core each, at 127.0.0.1."""
    set_defaults()
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        import ray._private.node
        from ray.cluster_utils import Cluster

        # Ray gives a node half a minute to start, which a loaded machine may not keep.
        patient = SimpleNamespace(sleep=time.sleep, time=time.time, monotonic=lambda: time.monotonic() / 10)
        patch.setattr(ray._private.node, "time", patient)
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                **node_args(),
                "include_dashboard": False,
                "no_monitor": True,
                "include_log_monitor": False,
            },
        )
        cluster.add_node(**node_args())
        yield cluster
        cluster.shutdown()


def node_args() -> dict[str, int]:
    """Small, with ports for its helpers: given some, a raylet does not wait for theirs, and it waits seconds only."""
    named = (
        "metrics_agent_port",
        "metrics_export_port",
        "dashboard_agent_listen_port",
        "runtime_env_agent_port",
    )
    with ExitStack() as open_ports:
        sockets = [open_ports.enter_context(socket.socket()) for _ in named]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = {name: one.getsockname()[1] for name, one in zip(named, sockets, strict=True)}
    return {"num_cpus": 1, "object_store_memory": 128 << 20, **ports}


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough recordings for two shards of tokens."""
    return tones(tmp_path_factory.mktemp("cluster") / "music", 70)


@pytest.fixture(scope="module")
def plain(music: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildSettings:
    """The same run in this process, with as many threads as a worker."""
    made = settings(music, tmp_path_factory.mktemp("plain") / "run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    build(made, model=FakeModel())
    torch.set_num_threads(threads)
    return made


def on(nodes: "Cluster", run: BuildSettings, out: Path, **more: int) -> BuildSettings:
    return replace(run, out=out, cluster=ClusterSettings(address=nodes.address, **more))  # type: ignore[arg-type]


def same_parts(run: Path, plain: BuildSettings) -> None:
    """Every shard of tokens and residuals, by byte."""
    wanted = {name: data for name, data in tensors(plain.out).items() if name.startswith(("tokens", "resid"))}
    found = tensors(run)
    assert len(wanted) == 4
    assert {name: found.get(name) == data for name, data in wanted.items()} == dict.fromkeys(wanted, True)


def test_two_nodes_make_the_bank_of_one_process_though_a_worker_is_killed(
    nodes: "Cluster", plain: BuildSettings, tmp_path: Path
) -> None:
    notes: list[str] = []
    deadly = OnceDeadly(tmp_path / "died")
    build(on(nodes, plain, tmp_path / "run"), lambda moment: notes.append(moment.note), model=deadly)
    assert (tmp_path / "died").exists()
    assert any("on 2 nodes" in note for note in notes)
    wanted, found = tensors(plain.out), tensors(tmp_path / "run")
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if wanted[name] != found[name]] == []
    assert rows(tmp_path / "run") == rows(plain.out)


def test_a_driver_that_is_killed_goes_on_where_it_was(
    nodes: "Cluster", music: Path, plain: BuildSettings, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "tests.pipeline.deadly", str(music), str(tmp_path / "run"), nodes.address]
    killed = subprocess.run([*words, "tokens"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr[-3000:]
    assert not (tmp_path / "run" / "residuals").exists()
    lives = subprocess.run([*words, "never"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert lives.returncode == 0, lives.stderr[-3000:]
    same_parts(tmp_path / "run", plain)


def test_clips_that_end_their_workers_are_named_and_left_out_within_the_budget(
    nodes: "Cluster", music: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "music"
    corpus.mkdir()
    for number in range(3):
        (corpus / f"take {number}.wav").symlink_to(music / f"take {number}.wav")
    soundfile.write(corpus / "poison.wav", np.full(2 * 32_000, 0.95), 32_000)
    run = settings(corpus, tmp_path / "run")
    with pytest.raises(WorkerError, match=r"poison\.wav.*allows 0"):
        run_stages(on(nodes, run, tmp_path / "none", poison=0), model=Poisoned(), until="tokens")
    run_stages(on(nodes, run, run.out, poison=1), model=Poisoned(), until="tokens")
    report = (run.out / "tokens" / "report.json").read_text()
    assert "poison.wav" in report
    (corpus / "poison.wav").unlink()
    run_stages(replace(run, out=tmp_path / "without"), model=FakeModel(), until="tokens")
    shard = Path("tokens", "tokens-00000.safetensors")
    assert (run.out / shard).read_bytes() == (tmp_path / "without" / shard).read_bytes()


def test_a_run_in_an_object_store_goes_on_from_any_machine(
    nodes: "Cluster", store: str, plain: BuildSettings, tmp_path: Path
) -> None:
    url = f"{store}/run"
    first = on(nodes, plain, tmp_path / "here")
    first = replace(first, cluster=replace(first.cluster, storage=url, scratch=str(tmp_path / "workers")))
    run_stages(first, model=FakeModel(), until="residuals")
    # Another machine, without workers: what is published comes from the store, the rest is made and put there.
    model, seen = FakeModel(), set[str]()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = replace(plain, out=tmp_path / "there", cluster=ClusterSettings(storage=url))
    build(alone, lambda moment: seen.add(moment.stage), model=model)
    torch.set_num_threads(threads)
    assert not {"tokens", "residuals"} & seen
    assert tensors(alone.out) == tensors(plain.out)
    build(replace(alone, out=tmp_path / "third"), model=model)
    assert rows(tmp_path / "third") == rows(plain.out)
    # Damage in the store is seen.
    storage = open_storage(url)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "tokens-00000.safetensors").write_bytes(b"other")
    storage.publish(tmp_path, ["tokens/tokens-00000.safetensors"])
    with pytest.raises(CheckpointError, match=r"tokens-00000.*published"):
        storage.restore(tmp_path / "fourth")


def test_a_node_that_is_lost_costs_nothing_but_time(
    nodes: "Cluster", plain: BuildSettings, tmp_path: Path
) -> None:
    (second,) = nodes.worker_nodes
    raylet = second.all_processes["raylet"][0].process.pid
    deadly = OnceDeadly(tmp_path / "died", raylet)
    seen: list[Progress] = []
    run_stages(on(nodes, plain, tmp_path / "run"), seen.append, model=deadly, until="residuals")
    assert (tmp_path / "died").exists()
    same_parts(tmp_path / "run", plain)
