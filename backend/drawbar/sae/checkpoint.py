"""A folder in SAELens' layout (``cfg.json`` + ``sae_weights.safetensors``) <-> an SAE.

Writes what SAELens 6 reads (architecture ``topk``, or ``jumprelu`` where features have thresholds) with
Drawbar's site in the metadata. Reads that, and the 5.x files of the paper's authors (architecture
``standard`` with ``activation_fn: topk``). Nothing is unpickled.
"""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError, SiteMismatchError
from drawbar.files.atomic_write import atomic, write_text
from drawbar.files.json_object import JsonObject
from drawbar.sae.topk import SAE

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
SAELENS_VERSION = "6.0.0"  # the layout we write
_MAX_CONFIG_BYTES = 1 << 20


def save_sae(folder: str | Path, sae: SAE, *, model_name: str = "", extra: JsonObject | None = None) -> None:
    """Write the SAE; ``extra`` (settings, metrics) goes into the metadata."""
    path = Path(folder)
    with atomic(path / WEIGHTS_FILE) as temporary:
        save_file(dict(sae.weights()), temporary)
    kind: JsonObject = {"architecture": "topk", "k": sae.k, "rescale_acts_by_decoder_norm": False}
    if sae.threshold is not None:
        kind = {"architecture": "jumprelu"}
    config = {
        **kind,
        "d_in": sae.d_model,
        "d_sae": sae.d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": sae.apply_b_dec_to_input,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "sae_lens_version": SAELENS_VERSION,
        "metadata": {
            "sae_lens_version": SAELENS_VERSION,
            "model_name": model_name,
            "hook_name": f"hook_layers.{sae.layer}",
            "hook_head_index": None,
            "prepend_bos": True,
            "drawbar": {"fingerprint": sae.fingerprint, "layer": sae.layer, "k": sae.k, **(extra or {})},
        },
    }
    write_text(path / CONFIG_FILE, json.dumps(config, indent=2))


def load_sae(folder: str | Path, *, fingerprint: str | None = None) -> SAE:
    """Read an SAE from a folder.

    Args:
        folder: holds the two files.
        fingerprint: the loaded model's; an SAE that names another is refused. Files that name none
            (SAELens' own) are taken at the caller's word.

    Raises:
        CheckpointError: files missing, damaged or of the wrong shape.
        NotSupportedError: another kind of SAE.
        SiteMismatchError: made from another model.
    """
    path = Path(folder)
    config = _read_config(path / CONFIG_FILE)
    weights = _read_weights(path / WEIGHTS_FILE)
    own = config.get("metadata", {}).get("drawbar", {})
    sae = _build(path, config, weights)
    sae.layer = _layer(path, config)
    sae.fingerprint = str(own.get("fingerprint", "") or fingerprint or "")
    if fingerprint is not None:
        check_site(sae, fingerprint)
    return sae.requires_grad_(False)


def check_site(
    sae: SAE, fingerprint: str, layer: int | None = None, model_name: str = "the loaded model"
) -> None:
    """Refuse an SAE that was made from another model or layer, naming both sites."""
    wanted = sae.layer if layer is None else layer
    if sae.fingerprint != fingerprint or sae.layer != wanted:
        raise SiteMismatchError(
            f"this SAE belongs to model {sae.fingerprint[:12] or 'unknown'} layer {sae.layer}, but "
            f"{model_name} is {fingerprint[:12]} layer {wanted}: load the model it was made from, or build "
            "an SAE for this one"
        )


def _read_config(path: Path) -> JsonObject:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: an SAE folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise CheckpointError(f"{path} has {path.stat().st_size} bytes: too large for a configuration")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}): copy the folder again") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds a {type(config).__name__}, not an object: copy the folder again")
    return config


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: an SAE folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy the folder again") from error


def _top_k(path: Path, config: JsonObject, features: int) -> int:
    """k from either layout; anything that is neither TopK nor JumpReLU is refused."""
    architecture = config.get("architecture", "standard")
    if architecture == "jumprelu":  # no k in SAELens' own files: then room for 128 features a position
        return int(config.get("metadata", {}).get("drawbar", {}).get("k", min(64, features)))
    activation = config.get("activation_fn", config.get("activation_fn_str", "relu"))
    k = config.get("k") if architecture == "topk" else None
    if k is None and "topk" in (architecture, activation):
        k = (config.get("activation_fn_kwargs") or {}).get("k")
    if not isinstance(k, int):
        raise NotSupportedError(
            f"{path}: architecture {architecture!r} with activation {activation!r} and k={k!r}; "
            "only TopK and JumpReLU SAEs are read"
        )
    return k


def _refuse_transforms(path: Path, config: JsonObject) -> None:
    """Transformations of the input or output that would change the activations silently."""
    for key, allowed in {
        "normalize_activations": (None, "none", False),
        "reshape_activations": (None, "none"),
        "finetuning_scaling_factor": (None, False),
    }.items():
        if config.get(key) not in allowed:
            raise NotSupportedError(
                f"{path}: {key}={config[key]!r} is not read; fold it into the weights first"
            )


def _build(path: Path, config: JsonObject, weights: dict[str, Tensor]) -> SAE:
    _refuse_transforms(path, config)
    names = ["W_enc", "W_dec", "b_enc", "b_dec"]
    names += ["threshold"] if config.get("architecture") == "jumprelu" else []
    missing = set(names) - weights.keys()
    if missing:
        raise CheckpointError(f"{path / WEIGHTS_FILE} lacks {', '.join(sorted(missing))}")
    w = {name: value.float() for name, value in weights.items()}
    if w["W_dec"].ndim != 2:
        raise CheckpointError(f"{path}: W_dec must be [F, D], not {tuple(w['W_dec'].shape)}")
    features, width = w["W_dec"].shape
    shapes = {"W_enc": (width, features), "b_enc": (features,), "b_dec": (width,), "threshold": (features,)}
    for name, shape in ((name, shapes[name]) for name in names if name in shapes):
        if tuple(w[name].shape) != shape:
            raise CheckpointError(f"{path}: {name} is {tuple(w[name].shape)}, expected {shape}")
    if (config.get("d_in", width), config.get("d_sae", features)) != (width, features):
        raise CheckpointError(f"{path}: cfg.json names other sizes than the weights' {width} -> {features}")
    if config.get("rescale_acts_by_decoder_norm") and config.get("architecture") != "jumprelu":
        norm = w["W_dec"].norm(dim=1)
        w["W_enc"], w["b_enc"], w["W_dec"] = w["W_enc"] * norm, w["b_enc"] * norm, w["W_dec"] / norm[:, None]
    apply = bool(config.get("apply_b_dec_to_input", True))
    k = _top_k(path, config, features)
    sae = SAE(width, features, k, apply_b_dec_to_input=apply, thresholds="threshold" in names)
    with torch.no_grad():
        for name in names:
            getattr(sae, name).copy_(w[name])
    return sae


def _layer(path: Path, config: JsonObject) -> int:
    """The layer, from our own metadata, ``hook_layer`` or the number in ``hook_name``."""
    metadata = config.get("metadata", {})
    for value in (
        metadata.get("drawbar", {}).get("layer"),
        config.get("hook_layer"),
        metadata.get("hook_layer"),
    ):
        if isinstance(value, int):
            return value
    hook = str(config.get("hook_name") or metadata.get("hook_name") or "")
    found = re.search(r"(?:layers?|blocks|h)\.(\d+)", hook)
    if found is None:
        raise CheckpointError(
            f"{path}: no layer in hook_layer or hook_name ({hook!r}): add it to {CONFIG_FILE}"
        )
    return int(found[1])
