"""Several sliders' pushes at one position -> the share of each that is let through, so that their sum stays in bounds.

Every rule leaves a lone slider exactly as it is and moves without a jump when another one leaves 0. Knows no network,
no time and no names.
"""

from typing import Literal, get_args

from torch import Tensor

from drawbar.errors import BadInputError

Stacking = Literal["none", "mean", "budget", "largest"]
"""``none``: the plain sum. ``mean``: 1/n of it for n equal sliders. ``budget``: no longer than unlike sliders of these
strengths would make it (the root of the sum of squares; sqrt(n) for n equal ones), so only alike ones are held back.
``largest``: no longer than the strongest of them."""

STACKING: tuple[Stacking, ...] = get_args(Stacking)


def check_stacking(rule: str) -> Stacking:
    """Raises BadInputError for a rule that is not known."""
    for known in STACKING:
        if rule == known:
            return known
    raise BadInputError(f"stacking {rule!r} is not known: use one of {', '.join(STACKING)}")


def shares(rule: Stacking, weights: Tensor, vectors: Tensor) -> Tensor:
    """Norms ``[n, k]`` (signed) of k unit directions ``[k, D]`` at n positions -> share ``[n]`` of their sum, 0 to 1.

    The directions of all layers count together: the residual stream adds up what every layer adds, and alike
    features sit at neighbouring layers. Exactly 1 where no more than one is at work.
    """
    size = weights.abs()
    if rule == "none" or weights.shape[1] < 2:
        return size.new_ones(len(size))
    strongest = size.amax(1)
    if rule == "mean":
        share = strongest / size.sum(1)
    else:
        bound = strongest if rule == "largest" else (size**2).sum(1).sqrt()
        share = (bound / (weights @ vectors).norm(dim=1)).clamp(max=1)
    return share.where((size > 0).sum(1) > 1, share.new_ones(())).nan_to_num(1.0)
