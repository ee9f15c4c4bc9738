"""Two nodes of a Ray cluster on this machine -> the bank of one process by byte; what is killed, and poison.

`pytest tests/pipeline/test_cluster.py --long` also kills a driver, a raylet, and every worker of one clip. Alone
(`-n0`) it needs `OMP_NUM_THREADS=1`, which is what a worker has.
"""

import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open

from drawbar.bench.scale import SHARED, stage_of
from drawbar.errors import WorkerError
from drawbar.evidence.experiment.generate_clips import Processes, Stage, Supplies, play
from drawbar.evidence.experiment.sources import save_sources
from drawbar.evidence.experiment.trials import Condition, Pair, Plan, Source
from drawbar.pipeline import BuildSettings, Progress, build, run_stages
from drawbar.pipeline.cluster.address import parse
from drawbar.pipeline.cluster.connection import connected, has_ray, set_defaults
from drawbar.pipeline.cluster.crew import WORKERS
from drawbar.pipeline.cluster.players import players_on
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.cluster.storage import open_storage
from tests.musicgen.tiny import SPEC, write_checkpoint
from tests.pipeline.deadly import OnceDeadly, OnceDeadlySources, Poisoned, small_shards
from tests.pipeline.fakes import FakeModel
from tests.pipeline.s3_server import store
from tests.pipeline.test_build import settings, tones
from tests.pipeline.test_killed import ROOT, rows, tensors

__all__ = ["store"]

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.skipif(not has_ray(), reason="needs Ray: pip install 'drawbar[cluster]'"),
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of every kind
]


SMALL = {"num_cpus": 1, "object_store_memory": 128 << 20}


@pytest.fixture(scope="module")
def nodes(store: str) -> Iterator["Cluster"]:
    """A head and a second raylet, with a core each, at 127.0.0.1."""
    set_defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        few = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        cluster = Cluster(initialize_head=True, head_node_args={**SMALL, **few})
        cluster.add_node(**SMALL)
        # Workers belong to a connection: with one for all tests they import what they need once.
        with connected(parse(cluster.address)):
            yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Recordings, and shards of so few that there are two of them."""
    with small_shards():
        yield tones(tmp_path_factory.mktemp("cluster") / "music")


@pytest.fixture(scope="module")
def plain(music: Path, tmp_path_factory: pytest.TempPathFactory) -> BuildSettings:
    """The same run in this process, with as many threads as a worker."""
    made = settings(music, tmp_path_factory.mktemp("plain") / "run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    build(made, model=FakeModel())
    torch.set_num_threads(threads)
    return made


@pytest.fixture
def long(request: pytest.FixtureRequest) -> Iterator[None]:
    """Only with --long, and for ten minutes at most: the deaths of processes are seen only after a while."""
    if not request.config.getoption("--long"):
        pytest.skip("takes a minute or more: pytest --long")

    def late(*_: object) -> None:
        raise TimeoutError("not done after 600 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


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
    assert any(note.startswith("on ") for note in notes)
    made_by = [json.loads(line) for line in (tmp_path / "run" / WORKERS).read_text("utf-8").splitlines()]
    assert len({row["node"] for row in made_by}) == 2
    named = [row["stage"] for row in made_by if not row["stage"].startswith("listening")]
    assert {stage_of(name) for name in named} == set(SHARED)  # `drawbar bench scale` knows them all
    wanted, found = tensors(plain.out), tensors(tmp_path / "run")
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if wanted[name] != found[name]] == []
    assert rows(tmp_path / "run") == rows(plain.out)


@pytest.mark.usefixtures("long")
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


@pytest.mark.usefixtures("long")
def test_clips_that_end_their_workers_are_named_and_left_out_within_the_budget(
    nodes: "Cluster", music: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "music"
    corpus.mkdir()
    for number in range(3):
        (corpus / f"take {number}.wav").symlink_to(music / f"take {number}.wav")
    soundfile.write(corpus / "poison.wav", np.full(2 * 32_000, 0.95), 32_000)
    run = settings(corpus, tmp_path / "run")
    for _ in range(2):  # the second time at once: it is known
        with pytest.raises(WorkerError, match=r"poison\.wav.*allows 0"):
            run_stages(on(nodes, run, run.out, poison=0), model=Poisoned(), until="tokens")
    run_stages(on(nodes, run, run.out, poison=1), model=Poisoned(), until="tokens")
    report = (run.out / "tokens" / "report.json").read_text()
    assert "poison.wav" in report
    (corpus / "poison.wav").unlink()
    run_stages(replace(run, out=tmp_path / "without"), model=FakeModel(), until="tokens")
    shard = Path("tokens", "tokens-00000.safetensors")
    assert (run.out / shard).read_bytes() == (tmp_path / "without" / shard).read_bytes()


def test_a_run_in_an_object_store_goes_on_with_other_workers(
    nodes: "Cluster", store: str, plain: BuildSettings, tmp_path: Path
) -> None:
    def at(machine: str) -> BuildSettings:
        """Workers that have never seen the run, and a driver that has not either."""
        run = on(nodes, plain, tmp_path / machine)
        scratch = str(tmp_path / f"{machine}'s workers")
        return replace(run, cluster=replace(run.cluster, storage=f"{store}/run", scratch=scratch))

    run_stages(at("one"), model=FakeModel(), until="residuals")
    same_parts(tmp_path / "one", plain)
    seen: list[Progress] = []
    build(at("two"), seen.append, model=FakeModel())
    assert not {"tokens", "residuals"} & {moment.stage for moment in seen}
    open_storage(f"{store}/run").restore(tmp_path / "three")
    wanted, found = tensors(plain.out), tensors(tmp_path / "three")
    assert wanted.keys() == found.keys()
    assert [name for name in wanted if wanted[name] != found[name]] == []
    assert rows(tmp_path / "three") == rows(plain.out)


def test_workers_play_the_blocks_of_one_process_though_one_is_killed(
    nodes: "Cluster", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_checkpoint(tmp_path / "model")
    vector = np.eye(1, SPEC.d_model, dtype=np.float32)[0]
    save_sources(tmp_path / "sources", [Source("random", "random/1/0", 1, vector, 2.0)])
    plan = Plan(
        "screen",
        0.4,
        batch=2,
        pairs=(Pair("piano", 1), Pair("drums", 2)),
        conditions=(
            Condition("unsteered", "", 0, 0.0),
            *(Condition("random", "random/1/0", 1, x) for x in (1.0, -1.0)),
        ),
    )
    here = Stage(plan, tmp_path / "here", tmp_path / "sources", str(model), tmp_path)
    wanted = play(here, players=Processes(1))
    of = Supplies.of
    monkeypatch.setattr(
        Supplies,
        "of",
        lambda stage: replace(of(stage), sources=OnceDeadlySources(tmp_path / "died", of(stage).sources)),
    )
    notes: list[str] = []
    there = replace(here, folder=tmp_path / "there")
    with players_on(nodes.address) as players:
        found = play(there, players=players, told=lambda _done, _all, note: notes.append(note))
    assert (tmp_path / "died").exists()
    assert notes[-1].startswith("on ")
    blocks = list(plan.blocks())
    assert len(blocks) == 3
    for block in blocks:
        assert _stored(found.path(block)) == _stored(wanted.path(block))


def _stored(file: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """What a file of tensors tells, and its tensors; the order in which it tells it is anyone's."""
    with safe_open(file, framework="np") as opened:
        names = sorted(opened.keys())
        return dict(opened.metadata() or {}), {name: opened.get_tensor(name).tobytes() for name in names}


@pytest.mark.usefixtures("long")
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
