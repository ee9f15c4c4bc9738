"""Word numbers [B, L] and a mask -> text states [B, L, Dt]: the encoder half of T5, as released.

T5 v1.0 (ReLU) and v1.1 (gated GELU): RMS norms, one table of relative positions for all blocks, no scaling of the
attention by its width (arXiv 1910.10683; gated: 2002.05202). The weights keep their released names, and the arithmetic
its released order, so that the states are those of transformers' ``T5EncoderModel`` bit by bit. Knows nothing of
tokenizers or files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drawbar.errors import BadInputError
from drawbar.files.json_object import JsonMapping
from drawbar.files.reading import shortened

MOST_LAYERS, WIDEST = 512, 1 << 24
"""Far beyond every T5; a damaged configuration must not make the machine count to a billion."""


@dataclass(frozen=True)
class T5Settings:
    """The sizes of one T5 encoder. Raises BadInputError for sizes that no T5 has."""

    vocab_size: int = 32_128
    d_model: int = 512
    """Width Dt of the states."""
    d_kv: int = 64
    """Width of one attention head."""
    d_ff: int = 2048
    """Width of the feed-forward layer."""
    num_layers: int = 6
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "relu"
    """``relu`` (v1.0) or ``gated-gelu`` (v1.1)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (type(value) is not int or not 1 <= value <= WIDEST):
                raise BadInputError(
                    f"{field.name} {shortened(value)}: it must be a whole number from 1 to {WIDEST}"
                )
        if self.num_layers > MOST_LAYERS:
            raise BadInputError(f"num_layers {self.num_layers}: at most {MOST_LAYERS}")
        if self.relative_attention_num_buckets < 4 or self.relative_attention_num_buckets % 4:
            raise BadInputError(
                f"relative_attention_num_buckets {self.relative_attention_num_buckets}: it must be a multiple of 4"
            )
        if self.relative_attention_max_distance <= self.relative_attention_num_buckets // 4:
            raise BadInputError(
                f"relative_attention_max_distance {self.relative_attention_max_distance}: it must be above a "
                f"quarter of the {self.relative_attention_num_buckets} buckets"
            )
        if not isinstance(self.layer_norm_epsilon, float) or not 0 < self.layer_norm_epsilon < 1:
            raise BadInputError(
                f"layer_norm_epsilon {shortened(self.layer_norm_epsilon)}: it must be a small number"
            )
        if self.feed_forward_proj not in ("relu", "gated-gelu"):
            raise BadInputError(
                f"feed_forward_proj {shortened(self.feed_forward_proj)}: the released T5 have 'relu' or 'gated-gelu'"
            )

    @classmethod
    def read(cls, config: JsonMapping) -> T5Settings:
        """A T5's ``config.json`` -> its sizes; a key that is not there has the value that transformers gives it."""
        return cls(**{field.name: config[field.name] for field in fields(cls) if field.name in config})


class Norm(nn.Module):
    """Scales by the root mean square; no mean is taken off, nothing is added."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """``[..., Dt]`` -> the same shape."""
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon))


class Attention(nn.Module):
    """Every word looks at every word; the first block also holds the table of relative positions."""

    def __init__(self, settings: T5Settings, first: bool) -> None:
        super().__init__()
        inner = settings.num_heads * settings.d_kv
        self.heads = settings.num_heads
        self.q = nn.Linear(settings.d_model, inner, bias=False)
        self.k = nn.Linear(settings.d_model, inner, bias=False)
        self.v = nn.Linear(settings.d_model, inner, bias=False)
        self.o = nn.Linear(inner, settings.d_model, bias=False)
        if first:
            self.relative_attention_bias = nn.Embedding(
                settings.relative_attention_num_buckets, settings.num_heads
            )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``[B, L, Dt]`` and what is added to the scores ``[1 or B, H, L, L]`` -> ``[B, L, Dt]``."""
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.q, self.k, self.v)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)
        result: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return result


class FeedForward(nn.Module):
    """Two matrices and a ReLU, or three and a gate of GELU in its tanh form."""

    def __init__(self, settings: T5Settings) -> None:
        super().__init__()
        self.gated = settings.feed_forward_proj == "gated-gelu"
        if self.gated:
            self.wi_0 = nn.Linear(settings.d_model, settings.d_ff, bias=False)
            self.wi_1 = nn.Linear(settings.d_model, settings.d_ff, bias=False)
        else:
            self.wi = nn.Linear(settings.d_model, settings.d_ff, bias=False)
        self.wo = nn.Linear(settings.d_ff, settings.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., Dt]`` -> the same shape."""
        result: Tensor = self.wo(_gelu(self.wi_0(x)) * self.wi_1(x) if self.gated else F.relu(self.wi(x)))
        return result


class Layer(nn.Module):
    """A norm and what works on the normed; the names are the released ones."""

    def __init__(self, settings: T5Settings, name: str, inner: nn.Module) -> None:
        super().__init__()
        self.add_module(name, inner)
        self.layer_norm = Norm(settings.d_model, settings.layer_norm_epsilon)
        self.name = name

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """``[B, L, Dt]`` -> ``[B, L, Dt]``, added to what came in."""
        result: Tensor = x + getattr(self, self.name)(self.layer_norm(x), *more)
        return result


class Block(nn.Module):
    """Attention, then feed-forward."""

    def __init__(self, settings: T5Settings, first: bool) -> None:
        super().__init__()
        attention = Layer(settings, "SelfAttention", Attention(settings, first))
        self.layer = nn.ModuleList([attention, Layer(settings, "DenseReluDense", FeedForward(settings))])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``[B, L, Dt]`` and the scores' bias -> ``[B, L, Dt]``."""
        result: Tensor = self.layer[1](self.layer[0](x, bias))
        return result


class Stack(nn.Module):
    """The blocks and the last norm."""

    def __init__(self, settings: T5Settings, words: nn.Embedding) -> None:
        super().__init__()
        self.embed_tokens = words
        self.block = nn.ModuleList(Block(settings, first=n == 0) for n in range(settings.num_layers))
        self.final_layer_norm = Norm(settings.d_model, settings.layer_norm_epsilon)


class T5Encoder(nn.Module):
    """See the module. Its states are float32."""

    def __init__(self, settings: T5Settings) -> None:
        super().__init__()
        self.settings = settings
        self.shared = nn.Embedding(settings.vocab_size, settings.d_model)
        self.encoder = Stack(settings, self.shared)

    def forward(self, words: Tensor, mask: Tensor | None = None) -> Tensor:
        """Words ``[B, L]`` and which of them are there (None: all) -> states ``[B, L, Dt]``."""
        bias = self._bias(words.shape[1])
        if mask is not None:
            bias = torch.where(mask[:, None, None].bool(), bias, torch.finfo(bias.dtype).min)
        x = self.encoder.embed_tokens(words)
        for block in self.encoder.block:
            x = block(x, bias)
        result: Tensor = self.encoder.final_layer_norm(x)
        return result

    def _bias(self, length: int) -> Tensor:
        """What the words' distances add to the attention's scores: ``[1, H, L, L]``."""
        table = self.get_submodule("encoder.block.0.layer.0.SelfAttention.relative_attention_bias")
        assert isinstance(table, nn.Embedding)
        places = torch.arange(length, device=table.weight.device)
        buckets = _buckets(places[None, :] - places[:, None], self.settings)
        bias: Tensor = table(buckets).permute(2, 0, 1)[None].contiguous()
        return bias


def _buckets(distance: Tensor, settings: T5Settings) -> Tensor:
    """How far a word stands behind another ``[L, L]`` -> its row in the table: near ones exactly, far ones by log."""
    half = settings.relative_attention_num_buckets // 2
    exact = half // 2
    far = distance.abs()
    ratio = torch.log(far.float() / exact) / math.log(settings.relative_attention_max_distance / exact)
    by_log = (exact + (ratio * (half - exact)).long()).clamp(max=half - 1)
    return (distance > 0).long() * half + torch.where(far < exact, far, by_log)


def _gelu(x: Tensor) -> Tensor:
    """GELU in its tanh form, in the order of the released code (torch's own rounds differently)."""
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))
