"""A folder in audiocraft's layout (``state_dict.bin`` + ``compression_state_dict.bin``) -> the parts of a model.

Sizes come from the ``xp.cfg`` inside. The codec is in the second file, or named there; T5 is always only named. What is
named is found by the caller. Style variants and other families are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drawbar.errors import CheckpointError, NotSupportedError
from drawbar.files.reading import shortened
from drawbar.musicgen.checkpoint.audiocraft_codec import codec_reference, read_audiocraft_codec
from drawbar.musicgen.checkpoint.audiocraft_config import XpConfig, read_state
from drawbar.musicgen.checkpoint.parts import Opened, Parts, Room, check_together
from drawbar.musicgen.checkpoint.weights import Keep, fill_decoder, from_audiocraft
from drawbar.musicgen.codec.interface import Codec, load_codec
from drawbar.musicgen.codec.stereo import StereoCodec
from drawbar.musicgen.network.chroma import CHROMA_WINDOW, chroma_frames
from drawbar.musicgen.network.text_encoder import TextEncoder, load_text_encoder
from drawbar.musicgen.spec import CHROMA, MOST_CODEBOOKS, ModelSpec
from drawbar.musicgen.untrusted_files import read_config, read_tensors

STATE_FILE, CODEC_FILE = "state_dict.bin", "compression_state_dict.bin"

Find = Callable[[str], Path]
"""A Hub name -> its folder on this machine. Raises CheckpointError where it is not here."""

_FAMILIES = {
    "transformer_lm_magnet": "MAGNeT: it fills in masked tokens in several rounds, nothing is heard before the last",
    "diffusion_lm": "a diffusion model: it makes a whole clip at once",
}
"""What audiocraft's other language models are."""

_ONLY: dict[str, tuple[Any, ...]] = {
    "transformer_lm.activation": ("gelu", None),
    "transformer_lm.norm": ("layer_norm", None),
    "transformer_lm.norm_first": (True,),
    "transformer_lm.bias_attn": (False, None),
    "transformer_lm.bias_ff": (False, None),
    "transformer_lm.bias_proj": (False, None),
    "transformer_lm.causal": (True, None),
    "transformer_lm.past_context": (None,),
    "transformer_lm.layer_scale": (None,),
    "transformer_lm.positional_embedding": ("sin", None),
    "transformer_lm.qk_layer_norm": (False, None),
    "transformer_lm.qk_layer_norm_cross": (False, None),
    "transformer_lm.kv_repeat": (1, None),
    "codebooks_pattern.modeling": ("delay",),
    "codebooks_pattern.delay.flatten_first": (0, None),
    "codebooks_pattern.delay.empty_initial": (0, None),
    "fuser.sum": ([], None),
    "fuser.cross_attention_pos_emb": (False, None),
    "conditioners.description.t5.normalize_text": (False, None),
    "conditioners.description.t5.finetune": (False, None),
}
"""What released MusicGens are (None: the key may be missing); anything else would load and play wrong."""

_TEXT_ONLY: dict[str, tuple[Any, ...]] = {"fuser.cross": (["description"], None), "fuser.prepend": ([], None)}
_CHROMA = "conditioners.self_wav.chroma_stem"
_MELODY: dict[str, tuple[Any, ...]] = {
    "fuser.cross": ([], None),
    "fuser.prepend": (["self_wav", "description"],),
    "conditioners.self_wav.model": ("chroma_stem",),
    f"{_CHROMA}.n_chroma": (CHROMA,),
    f"{_CHROMA}.radix2_exp": (CHROMA_WINDOW.bit_length() - 1,),
    f"{_CHROMA}.argmax": (True,),
}


def read_audiocraft(
    folder: Path,
    label: str,
    device: torch.device,
    dtype: torch.dtype,
    room: Room,
    find: Find,
    keep: Keep | None = None,
) -> Parts:
    """The folder -> its parts on ``device``, the decoder in ``dtype``. Raises CheckpointError or NotSupportedError."""
    state, settings = _language_model(folder / STATE_FILE)
    _check_variant(settings, label)
    codec = _codec(folder, settings, device, find)
    spec = _spec(settings, state, label, codec)
    weights = from_audiocraft(state, spec)
    text, notes = _text(folder, settings, device, find)
    room(spec, 0, 0)  # codec and T5 have their memory by now
    check_together(spec, codec, text)
    decoder, digest = fill_decoder(weights, spec, device, dtype, keep)
    return Parts(spec, decoder, text, codec, digest, notes)


def open_audiocraft(folder: Path, label: str, find: Find) -> Opened:
    """The folder, looked into. Raises as ``read_audiocraft``."""
    state, settings = _language_model(folder / STATE_FILE)
    _check_variant(settings, label)
    device = torch.device("cpu")
    codec = _codec(folder, settings, device, find)
    spec = _spec(settings, state, label, codec)
    text, notes = _text(folder, settings, device, find)
    size = 0 if text is None else sum(weight.numel() for weight in text.encoder.parameters())
    return Opened(spec, from_audiocraft(state, spec), codec, size, notes)


def audiocraft_variant(folder: Path, label: str) -> None:
    """Raises NotSupportedError or CheckpointError for what would not load, as far as ``xp.cfg`` says."""
    _check_variant(_language_model(folder / STATE_FILE)[1], label)


def references(folder: Path) -> list[str]:
    """The Hub names of what the folder's files need beside them: T5, and a codec that is only named."""
    _, settings = _language_model(folder / STATE_FILE)
    codec = codec_reference(folder / CODEC_FILE)
    return [text_name(settings), *([codec] if codec else [])]


def text_name(settings: XpConfig) -> str:
    """The Hub name of the T5 that an LM was trained with."""
    name = str(settings.get("conditioners.description.t5.name", "t5-base"))
    return name if "/" in name else f"google-t5/{name}"


def _language_model(file: Path) -> tuple[Mapping[str, Tensor], XpConfig]:
    package, settings = read_state(file)
    if settings is None or not settings.section("transformer_lm"):
        kind = "only names another model" if settings is None else "holds no transformer_lm"
        raise CheckpointError(f"{file} {kind}: it is no MusicGen language model; give a MusicGen folder")
    state = package["best_state"]
    others = [shortened(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(
            f"{file}: {', '.join(others[:6])} in best_state are no tensors; export it again"
        )
    return state, settings


def _check_variant(settings: XpConfig, label: str) -> None:
    kind = settings.get("lm_model", "transformer_lm")
    if kind != "transformer_lm":
        family = _FAMILIES.get(str(kind), "another family")
        raise NotSupportedError(f"{label} is a {shortened(kind)} ({family}), not a MusicGen: use a MusicGen")
    stereo = bool(settings.get("interleave_stereo_codebooks.use", False))
    if settings.get("interleave_stereo_codebooks.per_timestep", False) and stereo:
        raise NotSupportedError(
            f"{label} is a stereo model whose channels take turns in time, not in codebooks; no released model does: "
            "use a released stereo MusicGen"
        )
    if settings.get("channels", 1) != (2 if stereo else 1):
        raise NotSupportedError(
            f"{label} has {shortened(settings.get('channels', 1))} channels "
            f"{'of interleaved' if stereo else 'without interleaved'} codebooks; a stereo MusicGen has 2 of them "
            "interleaved, any other 1"
        )
    extra = sorted(set(map(str, settings.section("conditioners"))) - {"description", "args"})
    if extra and (extra != ["self_wav"] or settings.get("conditioners.self_wav.model") == "style"):
        raise NotSupportedError(
            f"{label} is conditioned on {shortened(', '.join(map(str, extra)), 200)}: a style variant, or another that "
            "no text or melody MusicGen is, and is not supported; use one of those"
        )
    settings.only({**_ONLY, **(_MELODY if extra else _TEXT_ONLY)}, label)


def _spec(settings: XpConfig, state: Mapping[str, Tensor], label: str, codec: Codec) -> ModelSpec:
    width, books = settings.number("transformer_lm.dim"), settings.number("transformer_lm.n_q")
    channels = _channels(settings)
    if not 1 <= books <= MOST_CODEBOOKS:
        raise CheckpointError(
            f"xp.cfg of {label} has {books} codebooks, 1 to {MOST_CODEBOOKS} can be: export it again"
        )
    projection = state.get("condition_provider.conditioners.description.output_proj.weight")
    seconds = settings.real("dataset.segment_duration", 30)
    try:
        return ModelSpec(
            name=label,
            d_model=width,
            n_layers=settings.number("transformer_lm.num_layers"),
            n_heads=settings.number("transformer_lm.num_heads"),
            d_ff=int(width * settings.real("transformer_lm.hidden_scale", 4)),
            card=settings.number("transformer_lm.card"),
            n_q=books,
            channels=channels,
            delays=settings.numbers("codebooks_pattern.delay.delays", tuple(range(books))),
            frame_rate_hz=codec.frame_rate_hz,
            sample_rate_hz=codec.sample_rate_hz,
            samples_per_frame=codec.samples_per_frame,
            context_frames=round(seconds * codec.frame_rate_hz),
            melody_frames=(
                chroma_frames(round(seconds * codec.sample_rate_hz))
                if settings.section("conditioners.self_wav")
                else 0
            ),
            # Without the projection its name is listed as missing, whatever the width.
            text_dim=int(projection.shape[1]) if projection is not None and projection.ndim == 2 else width,
        )
    except (TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(
            f"xp.cfg of {label} does not describe a MusicGen ({error}): export it again"
        ) from error


def _channels(settings: XpConfig) -> int:
    return 2 if settings.get("interleave_stereo_codebooks.use", False) else 1


def _codec(folder: Path, settings: XpConfig, device: torch.device, find: Find) -> Codec:
    channels = _channels(settings)
    codec = _mono_codec(folder, settings.number("transformer_lm.n_q") // channels, device, find)
    return codec if channels == 1 else StereoCodec(codec)


def _mono_codec(folder: Path, books: int, device: torch.device, find: Find) -> Codec:
    file = folder / CODEC_FILE
    name = codec_reference(file)
    if name is None:
        return load_codec(*read_audiocraft_codec(file), books, device)
    place = folder / "codec" if (folder / "codec").is_dir() else find(name.removeprefix("//pretrained/"))
    return load_codec(read_config(place / "config.json"), read_tensors(place), books, device)


def _text(
    folder: Path, settings: XpConfig, device: torch.device, find: Find
) -> tuple[TextEncoder | None, tuple[str, ...]]:
    """T5 from beside the checkpoint (``t5/``) or from where it is found; None, with a note, where it is not."""
    try:
        place = folder / "t5" if (folder / "t5").is_dir() else find(text_name(settings))
    except CheckpointError as error:
        return None, (f"no text encoder, so only null prompts can be played: {error}",)
    tensors = {n: t for n, t in read_tensors(place).items() if n.startswith(("encoder.", "shared."))}
    return load_text_encoder(place, read_config(place / "config.json"), tensors, device), ()
