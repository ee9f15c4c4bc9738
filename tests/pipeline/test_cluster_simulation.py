"""Work whose time one can say in one's head -> what the simulation says."""

import pytest

from drawbar.errors import BadInputError
from drawbar.pipeline.cluster.simulation import Cluster, Load, simulate

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
