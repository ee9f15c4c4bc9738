"""A value and who wants to know -> calls on change; setters compare before they emit."""

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Event(Generic[P]):
    """A list of callbacks; `connect` returns the function that disconnects again."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[P, object]] = []

    def connect(self, callback: Callable[P, object]) -> Callable[[], None]:
        """Call `callback` on every `emit`, in the order of connection."""
        self._callbacks.append(callback)

        def disconnect() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return disconnect

    def emit(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call everyone who is connected now."""
        for callback in tuple(self._callbacks):
            callback(*args, **kwargs)


class Value(Generic[T]):
    """One observable value: setting an equal value is silent."""

    def __init__(self, value: T) -> None:
        self._value = value
        self.changed: Event[[T]] = Event()

    @property
    def value(self) -> T:
        return self._value

    def set(self, value: T) -> bool:
        """Store `value`; emits and returns True only when it differs from the current one."""
        if value == self._value:
            return False
        self._value = value
        self.changed.emit(value)
        return True

    def bind(self, callback: Callable[[T], object]) -> Callable[[], None]:
        """Call `callback` now and on every change."""
        callback(self._value)
        return self.changed.connect(callback)
