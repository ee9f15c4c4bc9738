"""Further prompts and what should not be heard -> shares that move while a take plays, texts for the next take."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from drawbar.files.json_object import JsonObject
from drawbar.files.reading import typed
from drawbar.prompts import MOST_PROMPTS, PromptPart
from drawbar_desktop.state.observable import Event, Value

Key = tuple[str, bool]


class Blending:
    """Place 0 is the prompt itself, the others follow."""

    def __init__(self) -> None:
        self.share: Value[float] = Value(1.0)
        """The prompt's own."""
        self.parts: Value[tuple[PromptPart, ...]] = Value(())
        self.moved: Event[[int, float]] = Event()
        """A share of the take that is being made: its place there, and its value."""
        self._playing: list[Key] = []

    @property
    def used(self) -> bool:
        """Whether there is more than the prompt alone."""
        return self.share.value != 1.0 or any(part.text.strip() for part in self.parts.value)

    def of(self, prompt: str) -> tuple[PromptPart, ...]:
        """What a take with this prompt is given; nothing where the prompt alone says it all."""
        if not self.used:
            return ()
        return (
            PromptPart(prompt, self.share.value),
            *(part for part in self.parts.value if part.text.strip()),
        )

    def begin(self, parts: Sequence[PromptPart]) -> None:
        """A take begins with these: shares that move reach it by their text."""
        self._playing = [(part.text, part.unwanted) for part in parts]

    # -- editing --------------------------------------------------------------------------------------

    def add(self, text: str = "", *, unwanted: bool = False) -> None:
        """One more prompt, at an equal share, or something that should not be heard."""
        if len(self.parts.value) < MOST_PROMPTS - 1:
            wanted = 1 + sum(not part.unwanted for part in self.parts.value)
            weight = 1.0 if unwanted else round(1 / (wanted + 1), 2)
            self.parts.set((*self.parts.value, PromptPart(text, weight, unwanted)))

    def remove(self, place: int) -> None:
        """Take the prompt of a place (1 is the first after the prompt) out."""
        self.parts.set(tuple(part for at, part in enumerate(self.parts.value, 1) if at != place))

    def set_text(self, place: int, text: str) -> None:
        self._change(place, text=text)

    def set_share(self, place: int, share: float) -> None:
        """Move a share; one of the take that is being made is heard at once."""
        share = max(0.0, min(1.0, round(share, 3)))
        if place == 0:
            if self.share.set(share) and self._playing:
                self.moved.emit(0, share)
            return
        if not 0 < place <= len(self.parts.value) or self.parts.value[place - 1].weight == share:
            return
        self._change(place, weight=share)
        part = self.parts.value[place - 1]
        if (part.text, part.unwanted) in self._playing[1:]:
            self.moved.emit(self._playing.index((part.text, part.unwanted), 1), share)

    def share_of(self, place: int) -> float:
        """0 for a place where there is none."""
        if place == 0:
            return self.share.value
        return self.parts.value[place - 1].weight if place <= len(self.parts.value) else 0.0

    def _change(self, place: int, **changes: object) -> None:
        if 0 < place <= len(self.parts.value):
            parts = list(self.parts.value)
            parts[place - 1] = replace(parts[place - 1], **changes)  # type: ignore[arg-type]
            self.parts.set(tuple(parts))

    # -- keeping --------------------------------------------------------------------------------------

    def restore(self, blend: Sequence[PromptPart]) -> None:
        """As a take had it."""
        self.share.set(blend[0].weight if blend else 1.0)
        self.parts.set(tuple(blend[1:]))

    def to_values(self) -> list[JsonObject]:
        return [asdict(part) for part in self.parts.value]

    def recall(self, share: float, values: Sequence[object]) -> None:
        """From what the settings kept; what is malformed is left out."""
        parts = []
        for value in values[: MOST_PROMPTS - 1]:
            try:
                parts.append(typed(PromptPart, value))
            except ValueError:
                continue
        self.share.set(share)
        self.parts.set(tuple(parts))
