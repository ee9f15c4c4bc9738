"""Sizes of a model and of its SAEs, and a site's machines -> hours for each stage of 1,000 hours of audio.

Arithmetic, not measurement: operations over what a machine sustains, bytes over what its store moves, put through the
same simulation that is checked against measured points. Every assumption is a field with a line.
"""

from dataclasses import dataclass, replace

from drawbar.pipeline.cluster.simulation import Cluster, Load, simulate

FRAMES_PER_S = 50
_SHARD_S = 600.0


@dataclass(frozen=True)
class Work:
    """A model, a corpus and a grid; by default MusicGen-medium at one layer and the paper's 40 SAEs."""

    hours: float = 1000.0
    weights: float = 1.6e9
    """Read for each position."""
    width: int = 1536
    features: int = 24_576
    k: int = 32
    saes: int = 40
    """Of the grid, over 5 layers."""
    layers: int = 5
    sae_positions: float = 63e6
    """That each is trained on (the paper's), whatever the corpus holds; two passes."""
    passes: float = 2.0
    encode_flop_per_s: float = 8e9
    """Of the codec, for a second of audio (docs of EnCodec's decoder: 7.8 GFLOP; the encoder is its mirror)."""
    decode_core_s: float = 0.004
    """Core seconds that reading and resampling a second of a compressed recording takes."""

    @property
    def audio_s(self) -> float:
        return self.hours * 3600

    @property
    def positions(self) -> float:
        return self.audio_s * FRAMES_PER_S


@dataclass(frozen=True)
class Site:
    """Machines."""

    name: str
    workers: int
    flop_per_s: float
    """That one worker sustains, not its peak."""
    store_bytes_per_s: float
    """Of the shared store."""
    cores: int
    """For reading and resampling, over all machines."""
    dollars_per_worker_hour: float


SITES = (
    Site("CPU only, 2 cores", 2, 70e9, 0.5e9, 2, 0.05),
    Site("1 consumer GPU", 1, 60e12, 1e9, 16, 0.5),
    Site("8 GPUs", 8, 300e12, 5e9, 128, 2.5),
    Site("64 GPUs", 64, 300e12, 20e9, 1024, 2.5),
)


@dataclass(frozen=True)
class Hours:
    """One stage at one site."""

    stage: str
    hours: float
    compute_h: float
    """With nothing to wait for."""
    store_h: float
    """Its bytes over the store's bandwidth."""

    @property
    def bound(self) -> str:
        """What it waits for."""
        return "the store" if self.store_h > self.compute_h else "computing"


def loads(work: Work, site: Site) -> list[Load]:
    """The stages' parts at a site."""
    shards = max(1, round(work.audio_s / _SHARD_S))
    row = 2.0 * work.width * work.layers
    tokens_b, rows_b = _SHARD_S * FRAMES_PER_S * 9, _SHARD_S * FRAMES_PER_S * row
    reading = _SHARD_S * work.decode_core_s * site.workers / site.cores
    encode = _SHARD_S * work.encode_flop_per_s / site.flop_per_s
    forward = _SHARD_S * FRAMES_PER_S * 2 * work.weights / site.flop_per_s
    pairs = _SHARD_S * FRAMES_PER_S * work.layers * 2 * work.width * work.features / site.flop_per_s
    # Encoder forward over all features; its backward and the decoder touch k of them (sae/sparse.py).
    step = 2 * work.width * work.features + 8 * work.width * work.k
    seen = min(work.sae_positions, work.positions)
    sae = work.passes * seen * step / site.flop_per_s
    read = 2.0 * work.width * seen * work.passes
    profile = work.positions * work.k * work.layers * 1.8e-6 * site.workers / min(site.workers, site.cores)
    audio_b = _SHARD_S * 16_000.0  # 128 kbit/s
    return [
        Load("tokens", (max(reading, encode),) * shards, audio_b, tokens_b),
        Load("residuals", (forward,) * shards, tokens_b, rows_b),
        Load("SAEs", (sae,) * work.saes, read, 16.0 * work.width * work.features, fresh=True),
        Load("activations", (pairs,) * shards, rows_b, _SHARD_S * FRAMES_PER_S * 4.0 * work.k * work.layers),
        Load(
            "profile", (profile / site.workers,) * site.workers, work.positions * 4.0 * work.k * work.layers
        ),
        Load("labels", (work.positions * work.layers * 2e-5,), alone=True),
    ]


def hours(work: Work, site: Site, *, start_s: float = 10.0) -> list[Hours]:
    """Each stage's hours."""
    cluster = Cluster(
        site.workers, start_s=start_s, give_s=0.005, stage_s=2.0, bytes_per_s=site.store_bytes_per_s
    )
    parts = loads(work, site)
    walls = simulate([_coarse(load, site.workers) for load in parts], cluster)
    found = []
    for load in parts:
        compute = sum(load.part_s) if load.alone else sum(load.part_s) / min(site.workers, len(load.part_s))
        moved = len(load.part_s) * (load.in_bytes + load.out_bytes) / site.store_bytes_per_s
        found.append(Hours(load.name, walls[load.name] / 3600, compute / 3600, moved / 3600))
    return found


def saturates_at(work: Work, site: Site) -> dict[str, float]:
    """Stage -> workers at which the store is as busy as they are; more of them help no more."""
    found = {}
    for load in loads(work, replace(site, workers=1)):
        moved = (load.in_bytes + load.out_bytes) / site.store_bytes_per_s
        if moved and not load.alone:
            found[load.name] = load.part_s[0] / moved
    return found


def _coarse(load: Load, workers: int) -> Load:
    """At most some hundreds of parts, of the same work: the simulation is quadratic in them."""
    most = 20 * workers
    if load.fresh or load.alone or len(load.part_s) <= most:
        return load
    factor = len(load.part_s) / most
    parts = (load.part_s[0] * factor,) * most
    return replace(load, part_s=parts, in_bytes=load.in_bytes * factor, out_bytes=load.out_bytes * factor)
