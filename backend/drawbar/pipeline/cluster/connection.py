"""An address -> a connection to Ray for as long as a block runs; a local cluster begins and ends with it.

Ray is an extra (``cluster``) and is imported here only when it is needed.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from drawbar.errors import DrawbarError, MissingDependencyError
from drawbar.pipeline.cluster.address import Address

_LOCAL = {
    # Ray's own word for this is of macOS and Windows; on Linux, too, it binds everything to 127.0.0.1.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # 15 by default, which starves workers beside any other process.
    "RAY_worker_niceness": "0",
    # Half a minute by default: on a machine with more work than cores its own helpers take longer to start.
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_STORE_BYTES = 512 << 20  # parts travel as files, not through the object store
_BLOCK_BYTES = 1 << 20  # a row is a part's number and what became of it


def has_ray() -> bool:
    """Whether the extra is installed."""
    return find_spec("ray") is not None and find_spec("pyarrow") is not None


def set_defaults() -> None:
    """How Ray starts processes from here on; before it is imported, and what the user has set stays."""
    for name, value in _LOCAL.items():
        os.environ.setdefault(name, value)


@contextmanager
def connected(address: Address) -> Iterator[None]:
    """Connect; a connection to the same cluster that this process has already is used and left as it is.

    Raises MissingDependencyError, and DrawbarError where nobody answers.
    """
    if not has_ray():
        raise MissingDependencyError(
            f"{address.where or 'local-ray'}: Ray is not installed; install the extra: pip install 'drawbar[cluster]'"
        )
    set_defaults()
    import ray
    import ray.data

    if address.kind == "cluster" and ray.is_initialized():
        if ray.get_runtime_context().gcs_address != address.where:
            raise DrawbarError(f"{address.where}: this process is connected to another Ray cluster already")
        _calm()
        yield
        return
    try:
        if address.kind == "local":
            ray.init(
                address="local",  # never one that RAY_ADDRESS names
                num_cpus=address.workers or None,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            prefix = "ray://" if address.kind == "client" else ""
            ray.init(address=prefix + address.where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError, ImportError) as error:
        raise DrawbarError(f"no Ray cluster answers at {address.where or 'this machine'}: {error}") from error
    try:
        _calm()
        yield
    finally:
        ray.shutdown()


def _calm() -> None:
    """No bars and no reports of Ray Data's own; blocks as small as their rows; a lost part is the crew's affair."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = _BLOCK_BYTES
    context.target_min_block_size = 1
    context.max_errored_blocks = -1
