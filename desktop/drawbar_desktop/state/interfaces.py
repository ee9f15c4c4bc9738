"""What the window needs of engine and bank -> protocols, so that state is tested without them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.records import Example, Facets, Feature, Page
from drawbar.bank.search import Query

Floats = NDArray[np.float32]


class FeatureLike(Protocol):
    """A feature as a row of the bank (`drawbar.bank.FeatureRow`)."""

    @property
    def id(self) -> str:
        """Layer and number, as "3/1407"."""
        ...

    @property
    def layer(self) -> int:
        """Counted from 0."""
        ...

    @property
    def label(self) -> str:
        """The best label; empty when nobody has named it."""
        ...

    @property
    def label_author(self) -> str: ...

    @property
    def twins(self) -> int:
        """How many other features are the same slider."""
        ...

    @property
    def label_score(self) -> float | None: ...

    @property
    def density(self) -> float:
        """Share of frames in which it fires."""
        ...

    @property
    def p99(self) -> float:
        """The 99th percentile of the activation where it fires."""
        ...

    @property
    def starred(self) -> bool: ...

    @property
    def verdict(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...


class BankPort(Protocol):
    """What the browser and the inspector ask of a bank (`drawbar.bank.Bank`)."""

    def find(self, query: Query, *, limit: int = 100, offset: int = 0) -> Page:
        """Some rows of a search and how many there are in all."""
        ...

    def feature(self, id: str) -> Feature: ...

    def examples(self, id: str, bin: str | None = None) -> Sequence[Example]:
        """Clips in which it fires, as codec tokens."""
        ...

    def nearest(self, text: str, limit: int = 5) -> Sequence[FeatureLike]: ...

    def facets(self) -> Facets:
        """What can be filtered by, with counts."""
        ...

    def star(self, feature: str, on: bool = True) -> None: ...

    def hide(self, feature: str, on: bool = True) -> None: ...

    def add_label(self, feature: str, text: str, author: str = "me") -> None: ...

    def remove_label(self, feature: str, text: str) -> None: ...

    def shelve(self, feature: str, shelf: str, on: bool = True) -> None: ...

    def vectors(self, ids: Sequence[str]) -> Mapping[str, Any]:
        """SAE rows, `W_dec` [n, D] among them."""
        ...


class SnapshotLike(Protocol):
    """What the engine says of itself when polled (`drawbar.live.Snapshot`)."""

    @property
    def state(self) -> str: ...

    @property
    def frame(self) -> int: ...

    @property
    def played_s(self) -> float: ...

    @property
    def real_time_factor(self) -> float:
        """Seconds of music made in a second; 0 when unknown."""
        ...

    @property
    def latency_ms(self) -> float:
        """From a move to the ear; 0 when unknown."""
        ...

    @property
    def underruns(self) -> int: ...

    @property
    def message(self) -> str: ...

    @property
    def device_lost(self) -> str:
        """Why the chosen device is gone; empty while there is one."""
        ...

    @property
    def output_name(self) -> str: ...

    @property
    def loops(self) -> bool:
        """The music repeats itself."""
        ...

    @property
    def buffer_ms(self) -> int:
        """What the output holds; 0 before there is one."""
        ...

    @property
    def output_reason(self) -> str:
        """Why it goes there and not to a better place; empty for the best."""
        ...

    @property
    def take_id(self) -> int: ...

    @property
    def paused(self) -> bool: ...

    @property
    def waits(self) -> bool:
        """Silent for now, because audio must be made first."""
        ...

    @property
    def ready_s(self) -> float:
        """How much is made and not heard yet."""
        ...

    @property
    def amounts(self) -> Mapping[str, float]: ...


class TraceLike(Protocol):
    """What has been generated so far (`drawbar.live.Trace`)."""

    @property
    def samples(self) -> int: ...

    def audio(self, since_sample: int = 0) -> Floats:
        """What was heard, `[n]`."""
        ...

    def steered(self, since_sample: int = 0) -> Floats:
        """The steered stream, `[n]`."""
        ...

    def twin(self, since_sample: int = 0) -> Floats:
        """The unsteered twin, `[n]`; empty in a take without one."""
        ...

    def tokens(self) -> NDArray[np.uint16]:
        """`[K, T]`."""
        ...

    def activations(self, since_frame: int = 0) -> tuple[Sequence[str], Floats]:
        """Feature ids and activations `[R, T]` from a frame on."""
        ...
