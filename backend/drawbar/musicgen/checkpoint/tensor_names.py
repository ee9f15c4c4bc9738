"""Sizes -> which tensors of each released layout make up each of ours.

Knows nothing of files or values.
"""

from __future__ import annotations

from drawbar.musicgen.spec import ModelSpec

Names = dict[str, tuple[str, ...]]


def hf_names(spec: ModelSpec) -> Names:
    """Our name -> the names in the Hugging Face layout that are stacked, in order, to make it."""
    body = "decoder.model.decoder"
    names: Names = {
        "embed.weight": tuple(f"{body}.embed_tokens.{k}.weight" for k in range(spec.n_q)),
        "head.weight": tuple(f"decoder.lm_heads.{k}.weight" for k in range(spec.n_q)),
        "text_proj.weight": ("enc_to_dec_proj.weight",),
        "text_proj.bias": ("enc_to_dec_proj.bias",),
        "norm.weight": (f"{body}.layer_norm.weight",),
        "norm.bias": (f"{body}.layer_norm.bias",),
    }
    if spec.melody_frames:
        names |= {f"melody_proj.{part}": (f"audio_enc_to_dec_proj.{part}",) for part in ("weight", "bias")}
    for n in range(spec.n_layers):
        ours, theirs = f"layers.{n}", f"{body}.layers.{n}"
        names[f"{ours}.qkv.weight"] = tuple(f"{theirs}.self_attn.{p}_proj.weight" for p in "qkv")
        names[f"{ours}.self_out.weight"] = (f"{theirs}.self_attn.out_proj.weight",)
        names[f"{ours}.cross_q.weight"] = (f"{theirs}.encoder_attn.q_proj.weight",)
        names[f"{ours}.cross_kv.weight"] = tuple(f"{theirs}.encoder_attn.{p}_proj.weight" for p in "kv")
        names[f"{ours}.cross_out.weight"] = (f"{theirs}.encoder_attn.out_proj.weight",)
        names[f"{ours}.ff_in.weight"] = (f"{theirs}.fc1.weight",)
        names[f"{ours}.ff_out.weight"] = (f"{theirs}.fc2.weight",)
        for norm, their_norm in (
            ("self_norm", "self_attn_layer_norm"),
            ("cross_norm", "encoder_attn_layer_norm"),
            ("ff_norm", "final_layer_norm"),
        ):
            for part in ("weight", "bias"):
                names[f"{ours}.{norm}.{part}"] = (f"{theirs}.{their_norm}.{part}",)
    return _without_cross(names) if spec.melody_frames else names


def audiocraft_names(spec: ModelSpec) -> Names:
    """Our name -> the names in audiocraft's ``LMModel``; cross-attention's are split by ``from_audiocraft``."""
    text = "condition_provider.conditioners.description.output_proj"
    names: Names = {
        "embed.weight": tuple(f"emb.{k}.weight" for k in range(spec.n_q)),
        "head.weight": tuple(f"linears.{k}.weight" for k in range(spec.n_q)),
        "text_proj.weight": (f"{text}.weight",),
        "text_proj.bias": (f"{text}.bias",),
        "norm.weight": ("out_norm.weight",),
        "norm.bias": ("out_norm.bias",),
    }
    if spec.melody_frames:
        melody = "condition_provider.conditioners.self_wav.output_proj"
        names |= {f"melody_proj.{part}": (f"{melody}.{part}",) for part in ("weight", "bias")}
    for n in range(spec.n_layers):
        ours, theirs = f"layers.{n}", f"transformer.layers.{n}"
        names[f"{ours}.qkv.weight"] = (f"{theirs}.self_attn.in_proj_weight",)
        names[f"{ours}.self_out.weight"] = (f"{theirs}.self_attn.out_proj.weight",)
        names[f"{ours}.cross_q.weight"] = (f"{theirs}.cross_attention.in_proj_weight:q",)
        names[f"{ours}.cross_kv.weight"] = (f"{theirs}.cross_attention.in_proj_weight:kv",)
        names[f"{ours}.cross_out.weight"] = (f"{theirs}.cross_attention.out_proj.weight",)
        names[f"{ours}.ff_in.weight"] = (f"{theirs}.linear1.weight",)
        names[f"{ours}.ff_out.weight"] = (f"{theirs}.linear2.weight",)
        for norm, their_norm in (("self_norm", "norm1"), ("cross_norm", "norm_cross"), ("ff_norm", "norm2")):
            for part in ("weight", "bias"):
                names[f"{ours}.{norm}.{part}"] = (f"{theirs}.{their_norm}.{part}",)
    return _without_cross(names) if spec.melody_frames else names


def _without_cross(names: Names) -> Names:
    """Melody models read their prompts without cross-attention."""
    return {ours: theirs for ours, theirs in names.items() if ".cross_" not in ours}
