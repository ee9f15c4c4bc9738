"""An order -> `drawbar build` in a process of its own: begun, paused, gone on with, and its banks put on the list."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from drawbar.errors import BadInputError
from drawbar.files.reading import json_value
from drawbar.paths import FIRST_LAYER_BANK
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.services.build_process import BuildProcess
from drawbar_desktop.state.building import Building, Order, plan_words

_PATIENCE_S = 5.0
_PERCENT = re.compile(r"(\d+)%$")
_COUNT = re.compile(r": (\d+) of (\d+) ")


class Builder:
    """What the build card asks for."""

    def __init__(self, links: Links, state: Building, use: Callable[[Path], object]) -> None:
        """``use`` loads the model again with a bank."""
        self._links, self.state, self._use = links, state, use
        self._process: BuildProcess | None = None
        self._planning: BuildProcess | None = None
        self._given: set[str] = set()
        self._paused = False

    def offer(self) -> None:
        """A build that the last window left: it goes on when somebody says so."""
        order = self.state.order.value
        if order is not None and self.state.phase.value == "paused":
            self._links.ask(
                "build", f"{order.words} is half made.", ("Go on", self.go_on), ("Later", lambda: None)
            )

    def order(self, corpus: str, layers: str, name: str) -> Order:
        """What the card's fields say. Raises BadInputError."""
        home = self._links.desk.home
        if home is None:
            raise BadInputError("there is no folder to build in: set DRAWBAR_HOME")
        numbers = [part for part in layers.replace(",", " ").split() if part]
        if not all(part.isdecimal() and len(part) < 5 for part in numbers):
            raise BadInputError(f"layers {layers[:40]!r}: write numbers with commas, 2, 4")
        run = home / "builds" / time.strftime("%Y-%m-%d %H.%M.%S")
        model = self._links.desk.settings["model"] or "embedded"
        return Order(corpus, str(run), model, tuple(sorted({*map(int, numbers)})), name.strip())

    def plan(self, order: Order) -> None:
        """How long, how much disk and memory; nothing is built."""
        if self._planning is not None or self.state.phase.value == "running":
            return

        def ended(code: int, out: str, last: str) -> None:
            self._planning = None
            try:
                self.state.plan.set(plan_words(json_value(out)) if code == 0 else "")
                self.state.trouble.set("" if code == 0 else last)
            except (ValueError, KeyError) as error:
                self.state.trouble.set(f"the plan cannot be read: {error!r}")

        self.state.plan.set("Trying how fast this machine is \u2026")
        self.state.trouble.set("")
        self._planning = self._run([*order.arguments(), "--plan", "--json"], lambda words: None, ended)
        if self._planning is None:
            self.state.plan.set("")

    def begin(self, order: Order) -> None:
        """Start it, or go on where it stopped."""
        state = self.state
        if state.phase.value == "running":
            return
        with self._links.told():
            state.begin(order)
            self._paused = False
            self._given.clear()
            state.progress.set(("Starting", -1.0))
            self._process = self._run(order.arguments(), self._told, self._ended)
            if self._process is None:
                state.phase.set("paused")
        self._links.settle("build")

    def go_on(self) -> None:
        """With the one that is half made."""
        if (order := self.state.order.value) is not None:
            self.begin(order)

    def pause(self) -> None:
        """Stop the process; what is finished stays."""
        if self._process is not None:
            self._paused = True
            self._process.end()

    def forget(self) -> None:
        """It is not offered any more; its folder stays where it is."""
        if self.state.phase.value == "paused":
            self.state.end()
            self._links.settle("build")

    def close(self) -> None:
        """The window closes: a build that runs is paused, and offered at the next start."""
        for process in (self._process, self._planning):
            if process is not None:
                process.end()
                process.wait(_PATIENCE_S)

    def _run(
        self, arguments: list[str], told: Callable[[str], object], ended: Callable[[int, str, str], object]
    ) -> BuildProcess | None:
        post = self._links.jobs.post
        try:
            return BuildProcess(
                ["build", *arguments],
                lambda line: post(lambda: told(line)),
                lambda code, out, last: post(lambda: ended(code, out, last)),
            )
        except OSError as error:
            self.state.trouble.set(f"the build cannot be started: {error}")
            return None

    def _told(self, line: str) -> None:
        percent, count = _PERCENT.search(line), _COUNT.search(line)
        share = int(percent[1]) / 100 if percent else -1.0
        if count:
            share = int(count[1]) / max(1, int(count[2]))
        self.state.progress.set((line, share))
        order = self.state.order.value
        if order is not None and (Path(order.run) / FIRST_LAYER_BANK).is_dir():
            self._give(Path(order.run) / FIRST_LAYER_BANK, "The first layer of")

    def _ended(self, code: int, out: str, last: str) -> None:
        self._process = None
        order = self.state.order.value
        if order is None:
            return
        if code == 0:
            self._give(Path(order.run) / "bank", "All of")
            self.state.end()
            return
        self.state.phase.set("paused")
        self.state.progress.set(("", -1.0))
        if not self._paused:
            self.state.trouble.set(last or f"the build ended with code {code}")

    def _give(self, folder: Path, what: str) -> None:
        """Install a bank, once, and offer to open it."""
        order = self.state.order.value
        if folder.name in self._given or order is None:
            return
        self._given.add(folder.name)
        words = f"{what} \u201c{order.words}\u201d is ready."

        def have(place: Path | None, error: Exception | None) -> None:
            if place is None:
                self._links.tell(f"the bank was not installed: {error}")
                return
            self._links.desk.settings.remember("banks", str(place), 20)
            self.state.have.set(words)
            self._links.ask("built", words, ("Open it", lambda: self._use(place)), ("Later", lambda: None))

        def put() -> Path:
            from drawbar.cli.build import installed

            return installed(folder)

        self._links.jobs.run(put, have)
