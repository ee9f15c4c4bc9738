"""Work whose time one can say in one's head -> what the simulation says."""

from pathlib import Path

import pytest

from drawbar.errors import BadInputError
from drawbar.pipeline import BuildSettings
from drawbar.pipeline.cluster.price import GIVE_S, STAGE_S, START_S, price
from drawbar.pipeline.cluster.settings import ClusterSettings
from drawbar.pipeline.cluster.simulation import Cluster, Load, simulate
from drawbar.pipeline.manifest import State
from drawbar.pipeline.plan import Plan, PlannedStage

FOUR = (3.0,) * 4


@pytest.mark.parametrize(
    ("load", "cluster", "seconds"),
    [
        (Load("a", FOUR), Cluster(1), 12.0),
        (Load("a", FOUR), Cluster(2), 6.0),
        (Load("a", FOUR), Cluster(3), 6.0),  # three, then one
        (Load("a", FOUR), Cluster(8), 3.0),
        (Load("a", FOUR), Cluster(4, cores=2), 6.0),  # two cores do not become four
        (Load("a", FOUR), Cluster(2, start_s=1.0), 7.0),  # once for each worker
        (Load("a", FOUR, fresh=True), Cluster(2, start_s=1.0), 8.0),  # once for each part
        (Load("a", FOUR, in_bytes=10), Cluster(4, bytes_per_s=10), 7.0),  # the store is the bottleneck
        (Load("a", FOUR, in_bytes=10, out_bytes=10), Cluster(4), 3.0),  # a store without a limit
        (Load("a", FOUR, alone=True), Cluster(4), 12.0),
        (Load("a", FOUR), Cluster(2, stage_s=5.0), 11.0),
        (Load("a", (3.0, 3.0)), Cluster(2, give_s=1.0), 4.0),
    ],
)
def test_a_stage_takes_what_its_parts_take(load: Load, cluster: Cluster, seconds: float) -> None:
    assert simulate([load], cluster)["a"] == pytest.approx(seconds)


def test_processes_stay_for_the_next_stage() -> None:
    both = simulate([Load("a", FOUR), Load("b", FOUR)], Cluster(2, start_s=1.0))
    assert both == pytest.approx({"a": 7.0, "b": 6.0})


def test_senseless_clusters_are_refused() -> None:
    with pytest.raises(BadInputError, match="at least one worker"):
        Cluster(0)
    with pytest.raises(BadInputError, match="same name"):
        simulate([Load("a", FOUR), Load("a", FOUR)], Cluster(1))


def test_a_plan_on_workers_says_what_they_help_and_what_they_cost(tmp_path: Path) -> None:
    def stage(name: str, folder: str, seconds: float, state: State = "run") -> PlannedStage:
        return PlannedStage(name, folder, state, seconds, 1000, 0)

    plan = Plan(
        (
            stage("corpus", "corpus", 0.0, "done"),
            stage("tokens", "tokens", 400.0),
            stage("sae", "sae-1", 50.0),
            stage("sae", "sae-2", 60.0),
            stage("labels", "labels-1", 30.0),
        ),
        tracks=40,
        unreadable=0,
        audio_s=1200.0,
    )
    paid = BuildSettings(
        corpus="composed:40", out=tmp_path / "run", cluster=ClusterSettings(price_per_hour=2.0)
    )
    two, eight, shared = price(plan, paid, 2), price(plan, paid, 8), price(plan, paid, 8, cores=2)
    assert [(s.stage, s.parts) for s in two.stages] == [("tokens", 2), ("SAEs", 2), ("labels-1", 0)]
    begin = STAGE_S + GIVE_S
    assert [s.wall_s for s in two.stages] == pytest.approx([200 + START_S + begin, 60 + begin, 30], abs=0.1)
    assert eight.wall_s == two.wall_s  # there are two parts of each
    assert shared.wall_s == two.wall_s  # that two cores are enough for
    assert two.dollars == pytest.approx(two.wall_s / 3600 * 2 * 2, abs=0.01)
    assert eight.dollars == pytest.approx(4 * (two.dollars or 0), abs=0.05)
    assert two.moved_bytes == 1000 + 2 * 1000 + 2 * 1000
