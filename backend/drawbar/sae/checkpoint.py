"""A folder in SAELens' layout (``cfg.json`` + ``sae_weights.safetensors``) <-> an SAE.

Writes what SAELens 6 reads (architecture ``topk``, or ``jumprelu`` where features have thresholds) with
Drawbar's site in the metadata. Reads that, and the 5.x files of the paper's authors (architecture
``standard`` with ``activation_fn: topk``). Nothing is unpickled.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError, SiteMismatchError
from drawbar.files.atomic_write import atomic, write_text
from drawbar.files.json_object import JsonObject
from drawbar.files.reading import read_text, shortened, typed_json
from drawbar.sae.topk import SAE

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"
SAELENS_VERSION = "6.0.0"  # the layout we write
_MAX_CONFIG_BYTES = 1 << 20


_PLACE = re.compile(r"(?:layers?|blocks|h)\.(\d{1,6})(?!\d)")
_AFTER_BLOCK = ("", "hook_resid_post", "output", "resid_post")
"""What may stand behind a block's number in a hook that reads the residual stream after it."""

_Count = Annotated[int, Field(ge=1, le=1 << 31)]
_Layer = Annotated[int, Field(ge=0, le=999_999)]


@dataclass(frozen=True)
class _Own:
    """What Drawbar adds."""

    fingerprint: str = ""
    layer: _Layer | None = None
    k: _Count | None = None


@dataclass(frozen=True)
class _Metadata:
    drawbar: _Own = _Own()
    hook_layer: _Layer | None = None
    hook_name: str | None = None
    hook_head_index: int | None = None


@dataclass(frozen=True)
class _Kwargs:
    k: _Count | None = None


@dataclass(frozen=True)
class _Config:
    """What is read of ``cfg.json``, in SAELens' words; it may hold more."""

    architecture: str = "standard"
    activation_fn: str | None = None
    activation_fn_str: str | None = None
    activation_fn_kwargs: _Kwargs | None = None
    k: _Count | None = None
    d_in: _Count | None = None
    d_sae: _Count | None = None
    hook_layer: _Layer | None = None
    hook_name: str | None = None
    hook_head_index: int | None = None
    apply_b_dec_to_input: bool | None = None
    rescale_acts_by_decoder_norm: bool | None = None
    normalize_activations: str | bool | None = None
    reshape_activations: str | bool | None = None
    finetuning_scaling_factor: bool | float | None = None
    metadata: _Metadata | None = None

    @property
    def own(self) -> _Own:
        return self.metadata.drawbar if self.metadata is not None else _Own()


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
    sae = _build(path, config, weights)
    sae.layer = _layer(path, config)
    sae.fingerprint = config.own.fingerprint or fingerprint or ""
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


def _read_config(path: Path) -> _Config:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: an SAE folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        return typed_json(_Config, read_text(path, _MAX_CONFIG_BYTES))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not JSON of an SAE ({error}): copy the folder again") from error


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: an SAE folder holds {CONFIG_FILE} and {WEIGHTS_FILE}")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy the folder again") from error


def _top_k(path: Path, config: _Config, features: int) -> int:
    """k from either layout; anything that is neither TopK nor JumpReLU is refused."""
    if config.architecture == "jumprelu":  # no k in SAELens' own files: then room for 128 features a position
        return min(64, features) if config.own.k is None else config.own.k
    activation = config.activation_fn or config.activation_fn_str
    k = config.k if config.architecture == "topk" else None
    if k is None and "topk" in (config.architecture, activation):
        k = None if config.activation_fn_kwargs is None else config.activation_fn_kwargs.k
    if k is None:
        raise NotSupportedError(
            f"{path}: architecture {shortened(config.architecture)} with activation {shortened(activation)} and "
            "no k; only TopK and JumpReLU SAEs are read"
        )
    if not k <= features:
        raise CheckpointError(f"{path}: k={k} of {features} features: correct {CONFIG_FILE}")
    return k


def _refuse_transforms(path: Path, config: _Config) -> None:
    """Transformations of the input or output that would change the activations silently."""
    for key, value, allowed in (
        ("normalize_activations", config.normalize_activations, (None, "none", False)),
        ("reshape_activations", config.reshape_activations, (None, "none")),
        ("finetuning_scaling_factor", config.finetuning_scaling_factor, (None, False)),
    ):
        if value not in allowed:
            raise NotSupportedError(
                f"{path}: {key}={shortened(value)} is not read; fold it into the weights first"
            )


def _check_finite(path: Path, weights: dict[str, Tensor]) -> None:
    for name, value in weights.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite: copy the folder again")
    empty = torch.nonzero(weights["W_dec"].norm(dim=1) == 0).flatten()
    if len(empty):
        raise CheckpointError(
            f"{path}: {len(empty)} of {len(weights['W_dec'])} directions have no length (the first is feature "
            f"{int(empty[0])}): leave those features out, or train the SAE again"
        )


def _build(path: Path, config: _Config, weights: dict[str, Tensor]) -> SAE:
    _refuse_transforms(path, config)
    names = ["W_enc", "W_dec", "b_enc", "b_dec"]
    names += ["threshold"] if config.architecture == "jumprelu" else []
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
    if (config.d_in or width, config.d_sae or features) != (width, features):
        raise CheckpointError(f"{path}: cfg.json names other sizes than the weights' {width} -> {features}")
    _check_finite(path, {name: w[name] for name in names})
    if config.rescale_acts_by_decoder_norm and config.architecture != "jumprelu":
        norm = w["W_dec"].norm(dim=1)
        w["W_enc"], w["b_enc"], w["W_dec"] = w["W_enc"] * norm, w["b_enc"] * norm, w["W_dec"] / norm[:, None]
    apply = config.apply_b_dec_to_input is not False
    k = _top_k(path, config, features)
    sae = SAE(width, features, k, apply_b_dec_to_input=apply, thresholds="threshold" in names)
    with torch.no_grad():
        for name in names:
            getattr(sae, name).copy_(w[name])
    return sae


def _refuse_hook(path: Path, config: _Config) -> None:
    """An SAE of one head, of attention or of an MLP: its directions are none of the residual stream."""
    metadata = config.metadata or _Metadata()
    hook = config.hook_name or metadata.hook_name or ""
    head = config.hook_head_index if config.hook_head_index is not None else metadata.hook_head_index
    found = _PLACE.search(hook)
    part = hook[found.end() :].strip(".") if found is not None else ""
    if part not in _AFTER_BLOCK or head is not None:
        what = f"head {head}" if head is not None else shortened(part)
        raise NotSupportedError(
            f"{path}: it reads {what} ({shortened(hook)}), which is no residual stream after a block: sliders steer "
            "those only; take an SAE of hook_layers.N, blocks.N.hook_resid_post or layers.N"
        )


def _layer(path: Path, config: _Config) -> int:
    """The layer, from our own metadata, ``hook_layer`` or the number in ``hook_name``."""
    _refuse_hook(path, config)
    metadata = config.metadata or _Metadata()
    for value in (config.own.layer, config.hook_layer, metadata.hook_layer):
        if value is not None:
            return value
    hook = config.hook_name or metadata.hook_name or ""
    found = _PLACE.search(hook)
    if found is None:
        raise CheckpointError(
            f"{path}: no layer in hook_layer or hook_name ({shortened(hook)}): add it to {CONFIG_FILE}"
        )
    return int(found[1])
