"""Where a build runs -> one frozen record; the bank does not depend on it."""

from dataclasses import dataclass

from drawbar.errors import BadInputError


@dataclass(frozen=True)
class ClusterSettings:
    """Part of a build's settings that no stage's key holds."""

    address: str = ""
    """``local-ray:N``, ``HOST:PORT`` of a Ray cluster or ``ray://HOST:PORT`` of its client server; none: here."""
    workers: int = 0
    """Parts in work at once, at most; 0: as many as the cluster has room for."""
    threads: int = 1
    """Of each worker. A machine's rounding may depend on it: a plain run with as many gives the same bytes."""
    gpus: float = 0.0
    """Of each worker, where ``device`` is one."""
    poison: int = 3
    """Clips or tracks that may be left out because they end the process that works on them."""
    storage: str = ""
    """``s3://``, ``gs://`` or ``file://`` of a run in an object store; ``out`` is then this machine's copy."""
    scratch: str = ""
    """Where workers keep copies of a run that lies in an object store; the user's cache by default."""
    price_per_hour: float = 0.0
    """Of one worker, in dollars; ``--plan`` then says what the run costs."""
    allow_public: bool = False
    """Connect to a public address: whoever reaches a Ray cluster's ports can run code on it."""

    def __post_init__(self) -> None:
        if min(self.workers, self.poison) < 0 or self.threads < 1 or min(self.gpus, self.price_per_hour) < 0:
            raise BadInputError(
                f"cluster workers={self.workers}, threads={self.threads}, gpus={self.gpus}, poison={self.poison}, "
                f"price_per_hour={self.price_per_hour}: none below 0, and at least one thread"
            )
