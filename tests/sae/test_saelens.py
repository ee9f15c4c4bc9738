"""The real sae_lens, in a Python of its own -> both ways, with equal activations.

It cannot be installed beside Drawbar's numpy, so the test runs where ``DRAWBAR_SAELENS_PYTHON`` names a Python
that has it, for example after ``uv venv saelens && uv pip install -p saelens/bin/python sae-lens``.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from drawbar.sae import SAE, load_sae, save_sae
from tests.sae.test_checkpoint import authors_folder

PYTHON = os.environ.get("DRAWBAR_SAELENS_PYTHON") or (
    sys.executable if importlib.util.find_spec("sae_lens") else ""
)
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="sae_lens is not installed: set DRAWBAR_SAELENS_PYTHON to a Python that has it"
)


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of ours, those of the paper's authors, and what sae_lens made of them and wrote itself."""
    root = tmp_path_factory.mktemp("saelens")
    (root / "read").mkdir()
    (root / "write").mkdir()
    generator = torch.Generator().manual_seed(2)
    save_file({"x": torch.randn(40, 8, generator=generator) * 4 + 1}, root / "x.safetensors")
    for name, thresholds in (("topk", False), ("jumprelu", True)):
        sae = SAE(8, 20, 3, layer=5, fingerprint="c" * 64, thresholds=thresholds)
        sae.initialise(generator, mean=torch.ones(8))
        if sae.threshold is not None:
            torch.nn.init.uniform_(sae.threshold, 0.5, 2.0, generator=generator)
        save_sae(root / "read" / f"ours-{name}", sae, model_name="embedded", extra={"note": "x"})
    authors_folder(root / "read" / "authors")
    done = subprocess.run(
        [PYTHON, str(Path(__file__).parent / "saelens_side.py"), str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.mark.parametrize("name", ["ours-topk", "ours-jumprelu", "authors"])
def test_sae_lens_and_drawbar_read_the_same_folder_alike(exchanged: Path, name: str) -> None:
    x = load_file(exchanged / "x.safetensors")["x"]
    theirs = load_file(exchanged / f"{name}.found")
    sae = load_sae(exchanged / "read" / name)
    torch.testing.assert_close(sae.encode(x), theirs["a"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), theirs["x"], atol=1e-4, rtol=1e-4)
    assert int((theirs["a"] > 0).sum()) > 40


@pytest.mark.parametrize("name", ["topk", "jumprelu"])
def test_drawbar_reads_what_sae_lens_writes(exchanged: Path, name: str) -> None:
    """A TopK SAE that scales by decoder norms gets unit rows here: activations grow, sums stay."""
    x = load_file(exchanged / "x.safetensors")["x"]
    theirs = load_file(exchanged / f"{name}.theirs")
    sae = load_sae(exchanged / "write" / name)
    assert sae.layer == 4
    torch.testing.assert_close(sae(x), theirs["x"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(sae.encode(x), theirs["a"], atol=1e-4, rtol=1e-4)
