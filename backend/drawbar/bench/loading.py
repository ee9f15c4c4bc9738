"""A released model's shape -> how much memory loading, playing and unloading it take, in each precision.

The weights are random numbers in the released layout, in half precision and in shards. Each precision has a process of
its own, because a process's peak never falls.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, processors
from torch import Tensor

from drawbar.errors import BadInputError, DeviceError
from drawbar.files.atomic_write import write_json
from drawbar.files.reading import typed_json
from drawbar.musicgen.checkpoint.inspection import sizes_of
from drawbar.musicgen.checkpoint.memory_needed import needed, released_spec
from drawbar.musicgen.checkpoint.tensor_names import hf_names
from drawbar.musicgen.model import load_model
from drawbar.musicgen.network.decoder import Decoder
from drawbar.musicgen.network.meta_init import blank
from drawbar.musicgen.spec import ModelSpec

GOAL = 1.3
"""Most that a process may take while it loads, in sizes of the model."""
FRAMES = 20
_SHARD = 1_500_000_000
"""Bytes of a file of weights."""
_WORDS = ("<pad>", "</s>", "<unk>", "piano", "drums")
_CODEC = {
    "sampling_rate": 32_000, "normalize": False, "use_causal_conv": False, "num_filters": 64, "hidden_size": 128,
    "codebook_size": 2048, "upsampling_ratios": [8, 5, 4, 4], "target_bandwidths": [2.2], "num_lstm_layers": 2,
    "norm_type": "weight_norm", "use_conv_shortcut": False,
}  # fmt: skip
"""The released 32 kHz EnCodec's."""


@dataclass(frozen=True)
class Moments:
    """Resident memory of one process, in bytes."""

    precision: str
    size: int
    """Of the loaded weights: decoder, text encoder and codec."""
    before: int
    """Python and its libraries, before anything is loaded."""
    peak_loading: int
    peak_playing: int
    """Of loading and of playing 20 frames with guidance."""
    after: int
    """Once it is unloaded."""
    load_s: float
    play_s: float

    @property
    def ratio(self) -> float:
        """The peak in sizes of the model, Python and its libraries included."""
        return max(self.peak_loading, self.peak_playing) / self.size

    @property
    def model_ratio(self) -> float:
        """The same without what was there before."""
        return (max(self.peak_loading, self.peak_playing) - self.before) / self.size

    @property
    def left(self) -> float:
        """What unloading leaves behind, in sizes of the model."""
        return (self.after - self.before) / self.size


def run(
    shape: str, precisions: Sequence[str], folder: Path, progress: Callable[[str, float], None] | None = None
) -> list[Moments]:
    """Writes a checkpoint of a released model's sizes into ``folder`` and loads it once per precision.

    Raises BadInputError for a shape that is not released, DeviceError where a process is ended.
    """
    spec = released_spec(shape)
    if spec is None:
        raise BadInputError(f"shape {shape!r}: facebook/musicgen-small, -medium or -large")
    for precision in precisions:
        needed(spec, precision)  # refuses an unknown one before gigabytes are written
    tell = progress or (lambda what, share: None)
    tell("writing random weights", 0.0)
    write_shape(folder, spec)
    found = []
    for number, precision in enumerate(precisions):
        tell(f"loading in {precision}", (number + 1) / (len(precisions) + 1))
        command = [sys.executable, "-m", __name__, str(folder), precision]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"it was ended ({done.returncode})"])[-1]
            raise DeviceError(f"{shape} in {precision}: {reason}")
        found.append(typed_json(Moments, done.stdout.splitlines()[-1]))
    return found


def rows(found: Sequence[Moments]) -> list[tuple[object, ...]]:
    """One row for each precision, sizes in GB."""
    return [
        (
            one.precision, f"{one.size / 1e9:.2f}", f"{one.before / 1e9:.2f}", f"{one.peak_loading / 1e9:.2f}",
            f"{one.peak_playing / 1e9:.2f}", f"{one.after / 1e9:.2f}", f"{one.ratio:.2f}", f"{one.model_ratio:.2f}",
            f"{one.left:.2f}",
        )
        for one in found
    ]  # fmt: skip


COLUMNS = (
    "precision", "model, GB", "before", "peak loading", "peak playing", "unloaded", "peak / model", "less before",
    "left",
)  # fmt: skip


def write_shape(folder: Path, spec: ModelSpec) -> None:
    """A folder in the Hugging Face layout with random half-precision weights of these sizes, in shards."""
    from transformers import EncodecConfig, EncodecModel, T5Config, T5EncoderModel

    text = T5Config(d_model=spec.text_dim, d_ff=4 * spec.text_dim, num_layers=12, num_heads=12)
    codec = EncodecConfig.from_dict(dict(_CODEC))
    shapes: dict[str, torch.Size] = {}
    decoder = blank(lambda: Decoder(spec)).state_dict()
    for ours, theirs in hf_names(spec).items():
        shape = decoder[ours].shape
        part = torch.Size((shape[0] // len(theirs), *shape[1:]))
        shapes |= dict.fromkeys(theirs, part)
    for prefix, whole in (
        ("text_encoder", blank(lambda: T5EncoderModel(text))),
        ("audio_encoder", blank(lambda: EncodecModel(codec))),
    ):
        tied = "encoder.embed_tokens.weight"
        shapes |= {f"{prefix}.{n}": t.shape for n, t in whole.state_dict().items() if n != tied}
    folder.mkdir(parents=True, exist_ok=True)
    _shards(folder, shapes)
    write_json(
        folder / "config.json",
        {
            "model_type": "musicgen",
            "text_encoder": text.to_dict(),
            "audio_encoder": codec.to_dict(),
            "decoder": {
                "hidden_size": spec.d_model, "num_hidden_layers": spec.n_layers, "num_attention_heads": spec.n_heads,
                "ffn_dim": spec.d_ff, "vocab_size": spec.card, "num_codebooks": spec.n_q,
            },
        },
    )  # fmt: skip
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(_WORDS)}, unk_token=_WORDS[2]))
    words.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    words.save(str(folder / "tokenizer.json"))


def _shards(folder: Path, shapes: dict[str, torch.Size]) -> None:
    """Files of weights and their index, never more than one of them in memory."""
    size = sum(2 * math.prod(shape) for shape in shapes.values())
    count = -(-size // _SHARD)
    draw = torch.Generator().manual_seed(0)
    index: dict[str, str] = {}
    held: dict[str, Tensor] = {}
    number, bytes_held = 1, 0
    for left, (name, shape) in zip(range(len(shapes) - 1, -1, -1), shapes.items(), strict=True):
        fan_in = max(1, math.prod(shape[1:])) ** 0.5
        held[name] = (torch.randn(shape, generator=draw) / fan_in).half()
        bytes_held += 2 * held[name].numel()
        if bytes_held >= size / count or not left:
            file = f"model-{number:05d}-of-{count:05d}.safetensors"
            save_file(held, folder / file, metadata={"format": "pt"})
            index |= dict.fromkeys(held, file)
            held, number, bytes_held = {}, number + 1, 0
    write_json(
        folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": index}
    )


def measure(folder: Path, precision: str) -> Moments:
    """Loads, plays and unloads in this process."""
    before = _memory("VmRSS")
    began = time.perf_counter()
    model = load_model(folder, precision=precision, seconds=FRAMES / 50)
    loaded, load_s = _memory("VmHWM"), time.perf_counter() - began
    began = time.perf_counter()
    sound = model.codec.stream(1)
    with model.stream("piano", seed=1, seconds=FRAMES / model.spec.frame_rate_hz) as stream:
        for frame in stream:
            sound.push(frame.tokens[None, :, None])
    play_s = time.perf_counter() - began
    played = _memory("VmHWM")
    del stream, frame, sound
    model.unload()
    after = _memory("VmRSS")
    spec, text, codec = sizes_of(str(folder))
    need = needed(spec, precision, text=text, codec=codec)
    size = need.decoder + need.text + need.codec
    return Moments(precision, size, before, loaded, played, after, load_s, play_s)


def _memory(what: str) -> int:
    """Of this process, in bytes. Raises DeviceError where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DeviceError(
            f"how much memory a process takes is read from /proc ({error}): use Linux"
        ) from error
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Path(sys.argv[1]), sys.argv[2]))))
