"""A model's name -> model, bank and engine, loaded phase by phase on a worker thread, without Qt."""

import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drawbar.errors import BadInputError
from drawbar_desktop.services.feature_listener import Ear, EarPort
from drawbar_desktop.state.interfaces import BankPort, SnapshotLike, TraceLike
from drawbar_desktop.state.slider_making import LayerLine, Made

Say = Callable[[str], object]


class PlayerPort(Protocol):
    """Plays finished sounds (`drawbar.live.Player`)."""

    @property
    def playing(self) -> bool: ...

    @property
    def position_s(self) -> float: ...

    def play(self, audio: Any, start: int = 0, loop: tuple[int, int] | None = None) -> object: ...

    def stop(self) -> object: ...


class EnginePort(Protocol):
    """What the window asks of the engine (`drawbar.live.Engine`)."""

    @property
    def trace(self) -> TraceLike: ...

    @property
    def player(self) -> "PlayerPort": ...

    def play(self, settings: Any, automation: Any = None, prefix: Any = None) -> object: ...

    def preview(self, tokens: Any) -> object:
        """Play an example beside whatever is going on."""
        ...

    def set_mode(self, id: str, mode: str) -> object: ...

    def set_output(self, device: str | None) -> object: ...

    @property
    def take(self) -> Any:
        """The last take that ended, or None."""
        ...

    def stop(self) -> object: ...

    def set_amount(self, id: str, amount: float) -> object: ...

    def set_bypass(self, on: bool) -> object:
        """Switch between the take and its unsteered twin."""
        ...

    def set_gain_db(self, gain_db: float) -> object: ...

    def add_feature(self, id: str) -> object: ...

    def remove_feature(self, id: str) -> object: ...

    def watch(self, ids: Sequence[str]) -> object: ...

    def snapshot(self) -> SnapshotLike: ...

    def close(self) -> object: ...


@dataclass(frozen=True)
class Loaded:
    """What the window plays with once loading is done."""

    engine: EnginePort
    bank: BankPort | None
    settings: Callable[..., Any]
    unknown_words: Callable[[str], Sequence[str]] | None = None
    frame_rate_hz: float = 50.0
    sample_rate_hz: int = 32_000
    name: str = ""
    folder: Path | None = None
    licence: str = ""
    site: str = ""
    context_frames: int = 1500
    automation: Callable[[Mapping[str, Any]], Any] = lambda stored: stored
    """Lanes as JSON -> what the engine takes."""
    ear: EarPort | None = None
    clip_maker: Callable[[Any], Any] | None = None
    """A blind session -> what makes its clips."""
    notice: str = ""
    make_direction: (
        Callable[[str, Sequence[Path], Sequence[Path], Callable[[str, float], None]], Made] | None
    ) = None
    """Name, files like it, files unlike it and whom to tell -> a saved direction of the user's own."""


Load = Callable[[Say], Loaded]


class Jobs:
    """Work off the window's thread; answers are called on the thread that drains."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def run(self, work: Callable[[], Any], done: Callable[[Any, Exception | None], object]) -> None:
        """Start `work` on a thread of its own; `done(result, error)` is called by a later `drain`."""

        def body() -> None:
            try:
                result, error = work(), None
            except Exception as caught:  # the app's edge: shown in the window, never lost
                result, error = None, caught
            self.post(lambda: done(result, error))

        threading.Thread(target=body, name="drawbar-job", daemon=True).start()

    def post(self, call: Callable[[], object]) -> None:
        """Have `call` run by the next `drain`; from any thread."""
        self._answers.put(call)

    def drain(self) -> None:
        """Run what has been posted."""
        while True:
            try:
                call = self._answers.get_nowait()
            except queue.Empty:
                return
            call()


def load_embedded(say: Say) -> Loaded:
    """The embedded model and its bank; a missing or foreign bank is a notice, a missing model an error."""
    return load("embedded", None, say)


def load(name: str, bank_folder: Path | None, say: Say) -> Loaded:
    """A model by name or folder, with a bank (the embedded one by default)."""
    say("Loading the libraries")
    import torch

    from drawbar.corpus import normalise_prompt
    from drawbar.listening_test.clips import ClipMaker
    from drawbar.live import Engine, TakeSettings
    from drawbar.musicgen import load_model
    from drawbar.paths import embedded_model_dir
    from drawbar.steering import Automation, Palette

    if sys.platform.startswith("linux"):
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    say("Loading the model")
    model: Any = load_model(name, device="cpu")
    say("Opening the bank")
    bank, notice = _open_bank(model, bank_folder)
    say("Starting the engine")
    engine: Any = Engine(model, bank)
    embedded = name == "embedded"
    return Loaded(
        engine=engine,
        bank=Palette(bank, model.fingerprint) if bank is not None else None,
        settings=TakeSettings,
        unknown_words=(lambda text: normalise_prompt(text)[1]) if embedded else None,
        frame_rate_hz=model.spec.frame_rate_hz,
        sample_rate_hz=model.spec.sample_rate_hz,
        name=model.spec.name,
        folder=embedded_model_dir() if embedded else Path(name),
        licence="Apache-2.0" if embedded else "see the model's card; MusicGen's weights are CC-BY-NC-4.0",
        site=model.fingerprint,
        context_frames=model.spec.context_frames,
        automation=Automation.from_json,
        ear=Ear(model, bank) if bank is not None else None,
        clip_maker=(lambda session: ClipMaker(model, bank, session)) if bank is not None else None,
        notice=notice,
        make_direction=lambda *given: _make_direction(model, *given),
    )


def _make_direction(
    model: Any,
    name: str,
    like: Sequence[Path],
    unlike: Sequence[Path],
    tell: Callable[[str, float], None],
) -> Made:
    from drawbar.contrast.examples import from_examples, sound_files
    from drawbar.steering import OwnDirections

    store = OwnDirections()
    if name.casefold() in (known.casefold() for known in store.names()):
        raise BadInputError(
            f"there is a slider mine/{name} already, and takes may use it: choose another name"
        )
    found = from_examples(model, name, sound_files(like), sound_files(unlike), progress=tell)
    store.save(found.own)
    lines = tuple(
        LayerLine(row.layer, row.difference.mean, row.difference.spread, row.probe.mean)
        for row in found.layers
    )
    return Made(found.own.id, found.own.layer, lines)


def _open_bank(model: Any, folder: Path | None) -> tuple[Any, str]:
    from drawbar.bank import Bank
    from drawbar.errors import DrawbarError
    from drawbar.paths import embedded_bank_dir
    from drawbar.steering import check_site

    folder = folder or embedded_bank_dir()
    if not folder.exists():
        return None, f"There is no bank in {folder}: the model plays, but there are no sliders to add."
    try:
        bank = Bank.open(folder)
        check_site(bank, model)
    except DrawbarError as error:
        return None, f"The bank cannot be used: {error}"
    return bank, ""
