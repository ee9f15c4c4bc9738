"""Runs where sae_lens is: reads SAEs that Drawbar wrote and writes one of its own; arguments: folder."""

import json
import sys
from pathlib import Path

import torch
from sae_lens import SAE  # type: ignore[import-not-found]
from safetensors.torch import load_file, save_file


def main(root: Path) -> None:
    """Every folder below ``root/read`` -> activations and reconstructions; one SAE into ``root/write``."""
    x = load_file(root / "x.safetensors")["x"]
    for folder in sorted((root / "read").iterdir()):
        sae = SAE.load_from_disk(str(folder))
        with torch.no_grad():
            a = sae.encode(x)
            save_file({"a": a.contiguous(), "x": sae.decode(a).contiguous()}, root / f"{folder.name}.found")
    for name in ("topk", "jumprelu"):
        theirs = make(name)
        theirs.save_model(str(root / "write" / name))
        with torch.no_grad():
            a = theirs.encode(x)
            save_file({"a": a.contiguous(), "x": theirs.decode(a).contiguous()}, root / f"{name}.theirs")
    import sae_lens

    (root / "version.json").write_text(json.dumps(sae_lens.__version__))


def make(name: str) -> SAE:
    """A random SAE of sae_lens' own."""
    import sae_lens.saes as saes  # type: ignore[import-not-found]

    generator = torch.Generator().manual_seed(9)
    meta = saes.sae.SAEMetadata(hook_name="blocks.4.hook_resid_post", model_name="musicgen")
    if name == "topk":
        config = saes.TopKSAEConfig(
            d_in=8, d_sae=20, k=3, metadata=meta, apply_b_dec_to_input=True, rescale_acts_by_decoder_norm=True
        )
        sae = saes.TopKSAE(config)
    else:
        sae = saes.JumpReLUSAE(saes.JumpReLUSAEConfig(d_in=8, d_sae=20, metadata=meta))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return sae


if __name__ == "__main__":
    main(Path(sys.argv[1]))
