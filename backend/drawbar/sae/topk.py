"""Residuals [N, D] -> the k features that explain each one best -> residuals again.

A sparse autoencoder in SAELens' conventions (``W_enc`` [D, F], ``W_dec`` [F, D] with unit rows): TopK, or
with one threshold a feature (JumpReLU, BatchTopK). It knows nothing of models or music; ``fingerprint`` and
``layer`` only say which residuals it belongs to.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from drawbar.errors import BadInputError
from drawbar.sae.sparse import decode_pairs, largest


class SAE(nn.Module):
    """A TopK autoencoder: ``a = relu(topk((x - b_dec) @ W_enc + b_enc))``, ``x' = a @ W_dec + b_dec``.

    Gao et al. 2024, arXiv 2406.04093. With ``thresholds``, a feature fires where its value is above its own
    threshold, however many do (Rajamanoharan et al. 2024, arXiv 2407.14435); k is then the usual number, and
    pairs hold twice as many at most. Activations are in units of the residual, because the rows of ``W_dec``
    have unit length.
    """

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor

    def __init__(
        self,
        d_model: int,
        d_sae: int,
        k: int,
        *,
        layer: int = 0,
        fingerprint: str = "",
        apply_b_dec_to_input: bool = True,
        thresholds: bool = False,
    ) -> None:
        super().__init__()
        if d_model < 1 or not 1 <= k <= d_sae:
            raise BadInputError(
                f"no SAE of {d_sae} features at width {d_model} with k={k}: k must be 1 to d_sae"
            )
        self.k = k
        self.layer = layer
        self.fingerprint = fingerprint
        self.apply_b_dec_to_input = apply_b_dec_to_input
        self.W_enc = nn.Parameter(torch.zeros(d_sae, d_model).T)  # a feature's column lies in one piece
        self.W_dec = nn.Parameter(torch.zeros(d_sae, d_model))
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.threshold = nn.Parameter(torch.zeros(d_sae)) if thresholds else None

    @property
    def d_model(self) -> int:
        return self.W_dec.shape[1]

    @property
    def d_sae(self) -> int:
        return self.W_dec.shape[0]

    @property
    def kept(self) -> int:
        """How many features :meth:`top` names at a position."""
        return self.k if self.threshold is None else min(2 * self.k, self.d_sae)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator, mean: Tensor | None = None) -> None:
        """Random unit decoder rows, the encoder their transpose, ``b_dec`` the mean residual [D]."""
        rows = torch.randn(self.d_sae, self.d_model, generator=generator)
        self.W_dec.copy_(nn.functional.normalize(rows, dim=1))
        self.W_enc.copy_(self.W_dec.T)
        self.b_enc.zero_()
        self.b_dec.zero_() if mean is None else self.b_dec.copy_(mean)

    def centre(self, x: Tensor) -> Tensor:
        """What the encoder sees of a residual [N, D]."""
        return x - self.b_dec if self.apply_b_dec_to_input else x

    def before(self, x: Tensor) -> Tensor:
        """Residuals [N, D] -> what each feature is given, before any is chosen [N, F]."""
        return torch.addmm(self.b_enc, self.centre(x), self.W_enc)

    def top(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The strongest features of each residual: activations [N, kept] >= 0 and indices [N, kept] int64."""
        pre = self.before(x)
        if self.threshold is not None:
            pre = pre.relu() * (pre > self.threshold)
        indices = largest(pre, self.kept)
        return pre.gather(1, indices).relu(), indices

    def encode(self, x: Tensor) -> Tensor:
        """Residuals [N, D] -> activations [N, F]; without thresholds at most k of each row are above zero."""
        if self.threshold is not None:
            pre = self.before(x)
            return pre.relu() * (pre > self.threshold)
        values, indices = self.top(x)
        return values.new_zeros(len(x), self.d_sae).scatter(1, indices, values)

    def decode(self, a: Tensor) -> Tensor:
        """Activations [N, F] -> residuals [N, D]."""
        return torch.addmm(self.b_dec, a, self.W_dec)

    def decode_top(self, values: Tensor, indices: Tensor) -> Tensor:
        """Activations as pairs ([N, k], [N, k]) -> residuals [N, D]; equal to ``decode`` of the same."""
        return decode_pairs(values, indices, self.W_dec) + self.b_dec

    def forward(self, x: Tensor) -> Tensor:
        """Residuals [N, D] -> their reconstruction [N, D]."""
        return self.decode_top(*self.top(x)) if self.threshold is None else self.decode(self.encode(x))

    @torch.no_grad()
    def folded(self, scale: float) -> "SAE":
        """The same SAE for residuals before ``x * scale``: activations in the residual's own units."""
        if not scale > 0:
            raise BadInputError(f"an SAE cannot be folded with scale {scale}: it must be positive")
        out = self.empty_like()
        out.W_enc.copy_(self.W_enc)
        out.W_dec.copy_(self.W_dec)
        out.b_enc.copy_(self.b_enc / scale)
        out.b_dec.copy_(self.b_dec / scale)
        if self.threshold is not None and out.threshold is not None:
            out.threshold.copy_(self.threshold / scale)
        return out

    def empty_like(self) -> "SAE":
        """A new SAE of the same shape and site, all zeros, on the same device."""
        out = SAE(
            self.d_model,
            self.d_sae,
            self.k,
            layer=self.layer,
            fingerprint=self.fingerprint,
            apply_b_dec_to_input=self.apply_b_dec_to_input,
            thresholds=self.threshold is not None,
        )
        return out.to(self.W_dec.device)

    def weights(self) -> Mapping[str, Tensor]:
        """The tensors by their SAELens names, on the CPU, contiguous float32."""
        return {name: value.detach().float().cpu().contiguous() for name, value in self.named_parameters()}
