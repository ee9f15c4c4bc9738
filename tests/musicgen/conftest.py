from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from drawbar.musicgen import Model, load_model
from tests.musicgen.tiny import write_checkpoint


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Model:
    return load_model(tiny_folder)


@pytest.fixture
def tokens(tiny: Model) -> Tensor:
    return torch.randint(0, tiny.spec.card, (2, 4, 12), generator=torch.Generator().manual_seed(1))
