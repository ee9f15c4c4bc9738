"""Several prompts of one take -> their texts, weights and the names under which the weights move; no torch."""

from __future__ import annotations

from dataclasses import dataclass

from drawbar.errors import BadInputError

MARK = "prompt:"
MOST_PROMPTS = 8


def weight_id(place: int) -> str:
    """The name under which the weight of the ``place``-th prompt is moved, recorded and replayed."""
    return f"{MARK}{place}"


@dataclass(frozen=True)
class PromptPart:
    """One prompt of several. Raises BadInputError for a weight outside 0 to 1."""

    text: str
    weight: float = 1.0
    """Its share when the take begins; what all shares leave of 1 is no prompt."""
    unwanted: bool = False
    """Guidance leads away from it."""

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise BadInputError(f"weight {self.weight} of the prompt {self.text!r}: use a number from 0 to 1")
