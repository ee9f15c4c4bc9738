"""Lines on stdin -> SAELens' own training steps, timed; runs in another Python that has sae-lens, not in ours.

``python saelens_worker.py CONFIG.json`` answers every line ``steps N`` with {"seconds": ...} and ``fvu`` with
{"fvu": ...}. It imports nothing of Drawbar.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from drawbar.files.json_object import JsonObject


def _trainer(config: JsonObject, data: Any) -> Any:
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig  # type: ignore[import-not-found]
    from sae_lens.config import LoggingConfig, SAETrainerConfig  # type: ignore[import-not-found]
    from sae_lens.training.sae_trainer import SAETrainer  # type: ignore[import-not-found]

    sae = TopKTrainingSAE(
        TopKTrainingSAEConfig(
            d_in=config["d_model"],
            d_sae=config["d_sae"],
            k=config["k"],
            aux_loss_coefficient=config["aux_coefficient"],
            device=config["device"],
            dtype="float32",
        )
    )
    settings = SAETrainerConfig(
        total_training_samples=config["steps"] * config["batch"],
        train_batch_size_samples=config["batch"],
        lr=config["lr"],
        lr_end=config["lr"],
        lr_warm_up_steps=config["warm_up"],
        device=config["device"],
        dead_feature_window=max(1, config["dead_after"] // config["batch"]),
        logger=LoggingConfig(log_to_wandb=False),
    )
    return SAETrainer(settings, sae, data)


def main(path: str) -> None:
    import torch

    config = json.loads(Path(path).read_text(encoding="utf-8"))
    torch.set_num_threads(config["threads"])
    torch.manual_seed(config["seed"])
    from safetensors.torch import load_file

    batches = load_file(config["data"], device=config["device"])["batches"]
    number = 0

    def data() -> Any:
        nonlocal number
        while True:
            number += 1
            yield batches[(number - 1) % (len(batches) - 1)]

    source = data()
    trainer = _trainer(config, source)
    import sae_lens

    print(json.dumps({"version": sae_lens.__version__, "torch": torch.__version__}), flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["steps"]:
            started = time.perf_counter()
            for _ in range(int(words[1])):
                trainer.maybe_reset_sparsity()
                trainer.step(next(source))
                trainer.n_training_steps += 1
            if config["device"].startswith("cuda"):
                torch.cuda.synchronize()
            print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
        elif words == ["fvu"]:
            with torch.no_grad():
                x = batches[-1]
                error = (x - trainer.sae(x)).square().sum() / (x - x.mean(0)).square().sum()
            print(json.dumps({"fvu": float(error)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
