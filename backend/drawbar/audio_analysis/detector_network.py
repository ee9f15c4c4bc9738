"""Log-mel pictures -> one logit per factor and 80 ms: the convolutional net of the detectors."""

import torch
from torch import Tensor, nn

N_MELS = 80
MEL_N_FFT = 2048
MEL_HOP = 640  # one picture column per 20 ms frame
STEP_FRAMES = 4  # one answer per 80 ms
_DILATIONS = (1, 2, 4, 8, 16)  # each answer hears about 5 s


class _Mix(nn.Module):
    """A residual dilated convolution over time."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.conv = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` [B, W, S] -> the same shape."""
        out: Tensor = x + self.conv(torch.relu(self.norm(x)))
        return out


class DetectorNet(nn.Module):
    """``mel`` [B, 80, T] (log10, T at 50 Hz) -> logits [B, C, ceil(T / 4)]."""

    def __init__(self, n_factors: int, width: int = 96) -> None:
        super().__init__()
        sizes = (1, 16, 32, 48, 64)
        strides = ((2, 2), (2, 2), (2, 1), (2, 1))
        self.picture = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(
                        before, after, 5 if before == 1 else 3, stride, 2 if before == 1 else 1, bias=False
                    ),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                )
                for before, after, stride in zip(sizes[:-1], sizes[1:], strides, strict=True)
            )
        )
        self.fold = nn.Conv1d(sizes[-1] * N_MELS // 16, width, 1)
        self.mix = nn.Sequential(*(_Mix(width, d) for d in _DILATIONS), nn.BatchNorm1d(width), nn.ReLU())
        self.drop = nn.Dropout(0.2)
        self.head = nn.Conv1d(width, n_factors, 1)

    def embed(self, mel: Tensor) -> Tensor:
        """``mel`` [B, 80, T] -> what the answers are read from, [B, W, ceil(T / 4)]."""
        x = self.picture(((mel + 2.0) / 1.5).unsqueeze(1))
        out: Tensor = self.mix(self.fold(x.flatten(1, 2)))
        return out

    def forward(self, mel: Tensor) -> Tensor:
        """``mel`` [B, 80, T] -> logits [B, C, ceil(T / 4)]."""
        out: Tensor = self.head(self.drop(self.embed(mel)))
        return out
