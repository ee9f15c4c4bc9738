"""Feature ids -> sliders on the mixer and rows for the meters, for one model and one bank."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from drawbar.live.controls import Controls
from drawbar.live.observer import RowObserver
from drawbar.live.takes.take import TakeSettings
from drawbar.live.takes.trace import Trace
from drawbar.musicgen.interfaces import SitedModel
from drawbar.prompts import MARK, weight_id
from drawbar.steering import (
    DEFAULT_BRANCH,
    Direction,
    DirectionSource,
    Mixer,
    directions_for,
    in_mode,
    prompt_weight,
)

SLOTS = 64


class Sliders:
    """What has a slider, what is only watched. Every method may be called from any thread."""

    def __init__(
        self, model: SitedModel, bank: DirectionSource | None, controls: Controls, trace: Trace
    ) -> None:
        self.mixer = Mixer((), spec=model.spec, slots=SLOTS, site=model.fingerprint)
        self.observer = RowObserver(SLOTS, tuple(bank.info.layers) if bank is not None else ())
        self._model, self._bank, self._controls, self._trace = model, bank, controls, trace
        self._lock = threading.RLock()
        self._rack: dict[str, Direction] = {}
        self._watched: dict[str, Direction] = {}
        self._prompts: list[str] = []
        self._branch: str = DEFAULT_BRANCH["add"]

    def __contains__(self, id: str) -> bool:
        return id in self._rack

    def require(self, ids: Iterable[str]) -> None:
        """Raises BadInputError or SiteMismatchError for an id that cannot have a slider."""
        self._directions([id for id in ids if id not in self._rack and not id.startswith(MARK)])

    def add(self, id: str) -> None:
        """Give a feature a slider; a take's prompts have theirs. Raises BadInputError, SiteMismatchError."""
        if id in self._rack or id.startswith(MARK):
            return
        direction = self._watched.get(id) or self._directions([id])[0]
        with self._lock:
            if id in self._rack:  # another thread was quicker while the bank was read
                return
            self.mixer.add(direction)
            self._rack[direction.id] = direction
            self._watched.pop(direction.id, None)
            self._rewatch()

    def remove(self, id: str) -> None:
        """Take its slider away; its effect ramps out."""
        with self._lock:
            if self._rack.pop(id, None) is None:
                return
            self._controls.forget(id)
            self.mixer.remove(id)
            self._rewatch()

    def set_mode(self, id: str, mode: str) -> None:
        """How a slider acts. Raises BadInputError."""
        with self._lock:
            direction = self._rack.get(id)
            if direction is None:
                return
            changed = in_mode(direction, mode, self._branch)
            if (changed.mode, changed.branch) == (direction.mode, direction.branch):
                return
            self.mixer.remove(id)
            self.mixer.add(changed, self._controls.amounts().get(id, 0.0))
            self._rack[id] = changed
            self._controls.moved.set()

    def watch(self, ids: Iterable[str]) -> None:
        """Show the activations of these features beside those of the sliders. Raises BadInputError."""
        wanted = [id for id in dict.fromkeys(ids) if id not in self._rack]
        fresh = {row.id: row for row in self._directions([id for id in wanted if id not in self._watched])}
        with self._lock:
            self._watched = {id: self._watched.get(id) or fresh[id] for id in wanted}
            self._rewatch()

    def begin(self, settings: TakeSettings, laned: Iterable[str] = ()) -> None:
        """Sliders as a take's settings say; features that have a slider keep it, at 0 if not named."""
        self._branch = settings.branch
        for id in [*settings.amounts, *laned]:
            self.add(id)
        self._begin_prompts(settings)
        for id in self._rack:
            self.set_mode(id, settings.modes.get(id, "add"))
        amounts = {id: settings.amounts.get(id, 0.0) for id in self._rack}
        weights = {weight_id(place): part.weight for place, part in enumerate(settings.blend)}
        self._controls.reset({**amounts, **weights})
        self.mixer.stacking = settings.stacking
        for id, amount in amounts.items():
            self.mixer.set(id, 0.0 if self._controls.bypass and not settings.twin else amount)

    def _begin_prompts(self, settings: TakeSettings) -> None:
        """One slider for the weight of each of the take's prompts, and none of another take's."""
        with self._lock:
            for id in self._prompts:
                self.mixer.remove(id)
            self._prompts = [weight_id(place) for place in range(len(settings.blend))]
            for place, part in enumerate(settings.blend):
                self.mixer.add(prompt_weight(place, self._model.spec.d_model), part.weight)

    def move(self, id: str, amount: float) -> None:
        """Pass a move on to the mixer, unless the slider was removed meanwhile."""
        with self._lock:
            if id in self._rack or id in self._prompts:
                self.mixer.set(id, amount)

    def _directions(self, ids: Sequence[str]) -> list[Direction]:
        return directions_for(self._model, self._bank, ids) if ids else []

    def _rewatch(self) -> None:
        self.observer.watch([*self._rack.values(), *self._watched.values()])
        self._trace.set_ids(self.observer.slot_of)
