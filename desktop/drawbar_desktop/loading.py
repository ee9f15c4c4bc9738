"""Nothing -> model, bank and engine, loaded phase by phase on a worker thread, without Qt."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from drawbar_desktop.state.ports import BankPort, SnapshotLike, TraceLike

__all__ = ["EnginePort", "Jobs", "Load", "Loaded", "load_embedded"]

Say = Callable[[str], object]


class EnginePort(Protocol):
    """What the window asks of the engine (`drawbar.live.Engine`)."""

    @property
    def trace(self) -> TraceLike:
        """What has been generated so far."""
        ...

    def play(self, settings: Any) -> object:
        """Begin a take."""
        ...

    @property
    def take(self) -> Any:
        """The last take that ended, or None."""
        ...

    def stop(self) -> object:
        """End it."""
        ...

    def set_amount(self, id: str, amount: float) -> object:
        """Move a slider."""
        ...

    def set_bypass(self, on: bool) -> object:
        """Switch between the take and its unsteered twin."""
        ...

    def set_gain_db(self, gain_db: float) -> object:
        """The listener's volume."""
        ...

    def add_feature(self, id: str) -> object:
        """Make a feature steerable."""
        ...

    def remove_feature(self, id: str) -> object:
        """Stop steering it."""
        ...

    def watch(self, ids: Sequence[str]) -> object:
        """Which activations to trace."""
        ...

    def snapshot(self) -> SnapshotLike:
        """How it is doing."""
        ...

    def close(self) -> object:
        """Stop and free everything."""
        ...


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
    preview: Callable[[Any], object] | None = None
    """Plays codec tokens `[K, T]` and returns when they have been heard."""
    notice: str = ""


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
    say("Loading the libraries")
    from drawbar.corpus import normalise_prompt
    from drawbar.live import Engine, TakeSettings
    from drawbar.musicgen import load_model

    say("Loading the model")
    model = load_model("embedded", device="cpu")
    say("Opening the bank")
    bank, notice = _open_bank(model)
    say("Starting the engine")
    engine: Any = Engine(model, bank)
    return Loaded(
        engine=engine,
        bank=bank,
        settings=TakeSettings,
        unknown_words=lambda text: normalise_prompt(text)[1],
        frame_rate_hz=model.spec.frame_rate_hz,
        sample_rate_hz=model.spec.sample_rate_hz,
        name=model.spec.name,
        notice=notice,
        preview=lambda tokens: _preview(model, tokens),
    )


def _preview(model: Any, tokens: Any) -> None:
    import time

    import torch

    from drawbar.live import open_output

    with torch.inference_mode():
        audio = model.codec.decode(torch.from_numpy(tokens.astype("int64"))[None])[0, 0].numpy()
    output = open_output(None, model.spec.sample_rate_hz)
    try:
        output.start()
        done = 0
        while done < len(audio):
            done += output.write(audio[done:])
            time.sleep(0.02)
        output.finish()
        while output.queued() and not output.failed:
            time.sleep(0.02)
        time.sleep(output.latency_s)
    finally:
        output.close()


def _open_bank(model: Any) -> tuple[Any, str]:
    from drawbar.bank import Bank
    from drawbar.errors import DrawbarError
    from drawbar.paths import embedded_bank_dir
    from drawbar.steering import check_site

    folder: Path = embedded_bank_dir()
    if not folder.exists():
        return None, f"There is no bank in {folder}: the model plays, but there are no sliders to add."
    try:
        bank = Bank.open(folder)
        check_site(bank, model)
    except DrawbarError as error:
        return None, f"The bank cannot be used: {error}"
    return bank, ""
