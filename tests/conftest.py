"""Every test -> no network, no files in the user's own folder, no window on the user's screen."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports Qt, torch or huggingface_hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers are the threads
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if sys.platform.startswith("linux") and "DRAWBAR_TEST_DISPLAY" not in os.environ:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Takes, settings and logs of the tests go to a temporary folder."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAWBAR_HOME", str(home))
        yield home


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests of a file, which share fixtures that are slow to make, or all of a named group."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs an accelerator where there is none."""
    if item.get_closest_marker("accelerator"):
        import torch

        if not torch.cuda.is_available() and not torch.backends.mps.is_available():
            pytest.skip("needs a CUDA or Metal device; this machine has none")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="Also what takes minutes, and an hour of inputs for tests/fuzz."
    )
