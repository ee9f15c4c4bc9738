"""Old takes, dropped files, examples and "what am I hearing?" -> the engine's second player, the ear, the timeline."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbar.bank.records import Example
from drawbar.errors import BadInputError, CancelledError, DrawbarError
from drawbar.live.takes.take import Stored, load_record, stored_tokens
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.playback import PlaybackController
from drawbar_desktop.services.feature_listener import HeardFile
from drawbar_desktop.services.loudness import matching_gains_db
from drawbar_desktop.state.beat_grid import Grid, track_tempo
from drawbar_desktop.state.hearing import rank
from drawbar_desktop.state.takes import TakeItem

Floats = NDArray[np.float32]
PREFIX_S = 4.0
HEARD_S = 2.0
Opened = tuple[Floats, tuple[str, ...], Floats]
"""Audio, the heat-map's rows and the heat-map."""


class Audition:
    """Everything that is heard or looked at without being generated."""

    def __init__(
        self, links: Links, playing: PlaybackController, restore: Callable[[Stored], object]
    ) -> None:
        """`restore` is asked when a dropped file turns out to be a take."""
        self._restore = restore
        self._links, self._playing, self.desk = links, playing, links.desk
        self._audio: Floats = np.zeros(0, np.float32)
        self._tokens: NDArray[np.uint16] | None = None
        self._starting = False
        self._example = False
        self._opened = 0
        self._later: Path | None = None
        self._cancel = threading.Event()
        self._compared: tuple[str, str] | None = None
        self.desk.timeline.loop.changed.connect(lambda _: self._loop_changed())

    # -- the second player ----------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Whether an old take or a file is heard."""
        engine = self._links.engine
        return engine is not None and engine.player.playing and not self._example

    def poll(self) -> None:
        """30 Hz: where the ear is."""
        engine, desk = self._links.engine, self.desk
        if engine is None:
            return
        now = self.playing or self._starting
        if not now and desk.transport.player.value:
            desk.history.playing.set(None)
        desk.transport.player.set(now)
        if not now:
            self._playing.hush(False)
        if now and desk.timeline.title:
            desk.timeline.show_position(engine.player.position_s)

    def play(self, start_s: float = 0.0, gain_db: float = 0.0) -> None:
        """Play what is open from a time on, round the loop if there is one."""
        loaded = self._links.loaded
        if loaded is None or not len(self._audio):
            return
        rate, loop = loaded.sample_rate_hz, self.desk.timeline.loop.value
        span = None
        if loop is not None:
            first, last = (min(len(self._audio), round(t * rate)) for t in loop)
            span = (first, last) if last - first > rate // 50 else None
        gain_db += self.desk.transport.gain_db.value
        audio = self._audio * np.float32(10 ** (gain_db / 20)) if gain_db else self._audio
        self._example, self._starting = False, True
        self._playing.hush(self._playing.busy)

        def begun(_: object, error: Exception | None) -> None:
            self._starting = False
            self._links.tell_error(None, error)

        start = min(len(self._audio) - 1, max(0, round(start_s * rate)))
        self._links.jobs.run(lambda: loaded.engine.player.play(audio, start, span), begun)

    def play_or_pause(self) -> None:
        """What is shown: pause it, let it go on, or play it; a new take only where nothing is shown."""
        engine, transport, timeline = self._links.engine, self.desk.transport, self.desk.timeline
        if engine is None or not (self._playing.busy or timeline.audio_s or timeline.title):
            self.new_take()
        elif self.playing or transport.player.value:
            engine.player.stop()
        elif timeline.title:
            self.play(self._from_here())
        elif self._playing.busy:
            engine.pause(not engine.snapshot().paused)
        else:
            self.seek(self._from_here())

    def pause(self) -> None:
        """Silence, from a host's stop; what plays can go on."""
        engine = self._links.engine
        if engine is None:
            return
        if self.playing or self.desk.transport.player.value:
            engine.player.stop()
        elif self._playing.busy and not engine.snapshot().paused:
            engine.pause(True)

    def resume(self) -> None:
        """Go on, from a host's continue."""
        engine = self._links.engine
        if engine is None or self.playing or self.desk.transport.player.value:
            return
        if not self._playing.busy or self.desk.timeline.title or engine.snapshot().paused:
            self.play_or_pause()

    def move_to(self, time_s: float) -> None:
        """A host's song position: where a take that is open goes on from."""
        timeline = self.desk.timeline
        if timeline.title and time_s < timeline.audio_s:
            timeline.show_position(time_s)
            if self.playing:
                self.play(time_s)

    def _from_here(self) -> float:
        """Where the playhead stands; from the beginning when it stands at the end."""
        timeline = self.desk.timeline
        return timeline.played_s if timeline.played_s < timeline.audio_s - 0.2 else 0.0

    def new_take(self) -> None:
        """Make new music with the shown settings; while a model loads, as soon as it is there."""
        transport = self.desk.transport
        if self._links.engine is None:
            wish = transport.loading.value and not transport.wanted.value
            transport.wanted.set(wish)
            if wish:
                self._links.tell("Plays as soon as the model is there")
            return
        self._playing.begin()

    def again(self) -> None:
        """The last seed once more, with the sliders as they stand."""
        self.desk.transport.keep_seed()
        self.new_take()

    def end_take(self) -> None:
        """The take that is being made ends; what was heard of it is kept."""
        engine = self._links.engine
        if engine is not None and self._playing.busy:
            engine.stop()

    def stop(self) -> None:
        """Silence, and back to the live take."""
        engine = self._links.engine
        if engine is not None:
            engine.player.stop()
        self.desk.history.playing.set(None)
        self.desk.transport.player.set(False)

    def back_to_live(self) -> None:
        """Stop, and show the take of the engine again."""
        self.stop()
        if self.desk.timeline.title:
            take = self._links.engine.take if self._links.engine is not None else None
            ended = take.settings.seconds if take is not None else None
            self.desk.timeline.start(self.desk.transport.seconds.value if self._playing.busy else ended)

    def seek(self, time_s: float) -> None:
        """Play what is shown from a time on."""
        if self.desk.timeline.title:
            self.play(time_s)
            return
        if self._playing.busy:
            self._links.tell(
                "This take is still being made: it can be played from anywhere once it has ended"
            )
            return
        take = self._links.engine.take if self._links.engine else None
        if take is not None:
            item = self.desk.history.get(self.desk.history.selected.value)
            if item is not None and item.settings == take.settings:
                self.open_take(item, start_s=time_s)
            else:
                self._audio, self._tokens = take.audio, take.tokens
                self.desk.timeline.load(
                    take.audio, "Last take", self.desk.timeline.ids, np.array(self.desk.timeline.heat)
                )
                self.play(time_s)

    def _loop_changed(self) -> None:
        engine = self._links.engine
        if engine is not None and self.playing and self.desk.timeline.title:
            self.play(engine.player.position_s)

    # -- takes ----------------------------------------------------------------------------------------

    def play_take(self, id: str) -> None:
        item = self.desk.history.get(id)
        if item is not None:
            self.open_take(item)

    def open_take(self, item: TakeItem, start_s: float = 0.0, gain_db: float = 0.0) -> None:
        """Show a take on the timeline and play it. Of two that are read at once, the one asked for last is opened."""
        store = self.desk.history.store
        if store is None:
            return
        self._opened += 1
        asked = self._opened

        def read() -> Opened:
            return (store.audio(item), *store.heat(item))

        def opened(found: Opened | None, error: Exception | None) -> None:
            if asked != self._opened:
                return
            if found is None:
                self._links.tell(f"The take cannot be opened: {error}")
                return
            audio, ids, heat = found
            self._audio, self._tokens = audio, None
            title = f"{item.settings.prompt or 'no prompt'}, seed {item.settings.seed}"
            self.desk.timeline.load(audio, title, ids, heat)
            if item.grid is not None:
                self.desk.timeline.grid.set(Grid(*item.grid))
            self.desk.timeline.loop.set(item.loop)
            self.desk.history.playing.set(item.id)
            self.play(start_s, gain_db)

        self._links.jobs.run(read, opened)

    def keep_loop(self) -> None:
        """The loop on the timeline (and its bars) stay with the take that is shown."""
        history, timeline = self.desk.history, self.desk.timeline
        item, loop, grid = (
            history.get(history.playing.value or history.selected.value),
            timeline.loop.value,
            timeline.grid.value,
        )
        if item is None or loop is None:
            self._links.tell("Open a take and drag a loop over its waveform first")
            return
        bars = (grid.tempo_bpm, grid.offset_s, grid.beats_per_bar) if grid.tempo_bpm else None
        history.mark(item.id, loop=loop, grid=bars)
        self._links.tell(f"Kept: the loop of {loop[1] - loop[0]:.2f} s comes back with the take")

    def compare(self) -> None:
        """Switch between the selected take and the other one, at the same place, equally loud."""
        history, engine = self.desk.history, self._links.engine
        one, other = history.get(history.selected.value), history.get(history.against.value)
        if engine is None or one is None or other is None or one.id == other.id:
            self._links.tell("Right-click another take first: \u201cCompare with this one\u201d")
            return
        now = history.playing.value
        target = other if now == one.id else one
        start = engine.player.position_s if now in (one.id, other.id) and self.playing else 0.0
        store = history.store
        assert store is not None

        def gains() -> float:
            rate = self._links.loaded.sample_rate_hz if self._links.loaded else 32_000
            rest = one if target is other else other
            return matching_gains_db(store.audio(target), store.audio(rest), rate)[0]

        def ready(gain_db: float | None, error: Exception | None) -> None:
            self.open_take(target, start, gain_db or 0.0)
            self._links.tell(f"Now: {target.settings.prompt or 'no prompt'}, seed {target.settings.seed}")

        self._links.jobs.run(gains, ready)

    # -- files ----------------------------------------------------------------------------------------

    def open_later(self, path: Path) -> None:
        """A file that was asked for at the start: as if it were dropped, as soon as a model is there."""
        self._later = path
        self.adopt()

    def adopt(self) -> None:
        """A model is there: open what was asked for meanwhile."""
        path = self._later
        if path is not None and self._links.loaded is not None:
            self._later = None
            self.drop(path)

    def drop(self, path: Path) -> None:
        """A file was dropped: Drawbar's own offers its settings, any sound shows what fires in it."""
        try:
            record = load_record(path)
        except (DrawbarError, OSError):
            loaded = self._links.loaded
            if loaded is None or loaded.read_melody is None:
                self.listen_to(path)
                return
            self._links.ask(
                "dropped",
                f"What should be done with {path.name}?",
                ("Follow its melody", lambda: self.follow(path)),
                ("Show what fires in it", lambda: self.listen_to(path)),
                sign="file-music-outline",
            )
            return
        self._links.ask(
            "dropped",
            f"{path.name} was made by Drawbar: seed {record['settings'].seed}, \u201c{record['settings'].prompt}\u201d",
            ("Restore its settings", lambda: self._restore(record)),
            ("Show what fires in it", lambda: self.listen_to(path)),
            sign="file-music-outline",
        )

    def follow(self, path: Path) -> None:
        """The takes that begin from now on follow the tune of a file, until it is let go of."""
        loaded = self._links.loaded
        read = loaded.read_melody if loaded is not None else None
        if read is None:
            return

        def heard(tones: tuple[int, ...] | None, error: Exception | None) -> None:
            if tones is None:
                self._links.tell(f"{path.name} cannot be used: {error}")
                return
            self.desk.transport.melody.set(tones)
            self._links.ask(
                "melody",
                f"The next takes follow the melody of {path.name}",
                ("Without it again", lambda: self.desk.transport.melody.set(())),
                sign="file-music-outline",
            )

        self._links.jobs.run(lambda: read(path), heard)

    def listen_to(self, path: Path) -> None:
        """Which features fire in a sound file, on the timeline."""
        loaded, timeline = self._links.loaded, self.desk.timeline
        if loaded is None or loaded.ear is None:
            self._links.tell("No bank is open, so there is nothing to compare the file with")
            return
        self._cancel.set()
        cancel = self._cancel = threading.Event()
        ear, jobs = loaded.ear, self._links.jobs

        def tell(share: float) -> None:
            jobs.post(lambda: None if cancel.is_set() else self._say_listening(path, share))

        def heard(found: HeardFile | None, error: Exception | None) -> None:
            self._links.settle("listening")
            if isinstance(error, CancelledError):
                self._links.tell("Cancelled")
            elif found is None:
                self._links.tell(f"{path.name} cannot be used: {error}")
            elif not cancel.is_set():
                self._audio, self._tokens = found.audio, found.tokens
                self.stop()
                timeline.load(found.audio, path.name, found.ids, found.heat)
                self._links.tell("Click to play; right-click to continue from a point with new music")

        self._say_listening(path, 0.0)
        jobs.run(lambda: ear.listen(path, tell, cancel), heard)

    def _say_listening(self, path: Path, share: float) -> None:
        self._links.ask(
            "listening",
            f"Listening to {path.name}: {share:.0%}",
            ("Cancel", self._cancel.set),
            sign="ear-hearing",
        )

    def continue_from(self, time_s: float) -> None:
        """New music that goes on from a place in what is shown."""
        loaded = self._links.loaded
        tokens = self._shown_tokens()
        if loaded is None or tokens is None:
            self._links.tell("There is nothing to continue from here")
            return
        end = round(time_s * loaded.frame_rate_hz)
        most = min(round(PREFIX_S * loaded.frame_rate_hz), loaded.context_frames // 3)
        prefix = tokens[:, max(0, end - most) : end]
        if prefix.shape[1] < 5:
            self._links.tell("Choose a place further right: there must be something to continue from")
            return
        self.stop()
        self._links.tell(
            f"Continuing from {time_s:.1f} s: the last {prefix.shape[1] / loaded.frame_rate_hz:.1f} s lead in"
        )
        self._playing.begin(np.ascontiguousarray(prefix))

    def _shown_tokens(self) -> NDArray[np.uint16] | None:
        engine, history = self._links.engine, self.desk.history
        if not self.desk.timeline.title:
            return engine.trace.tokens() if engine is not None else None
        if self._tokens is not None:
            return self._tokens
        item, store = history.get(history.playing.value or history.selected.value), history.store
        if item is None or store is None:
            return None
        try:
            return stored_tokens(store.record(item))
        except BadInputError:
            return None

    def detect_tempo(self) -> None:
        """Tempo and first beat of what is shown."""
        engine, timeline = self._links.engine, self.desk.timeline
        if engine is None:
            return
        audio = self._audio if timeline.title else engine.trace.audio(0)
        rate, beats = timeline.sample_rate_hz, timeline.grid.value.beats_per_bar

        def found(tempo: tuple[float, float] | None, error: Exception | None) -> None:
            if tempo is None or not tempo[0]:
                self._links.tell("No steady beat was found; type the tempo")
            else:
                timeline.grid.set(Grid(tempo[0], tempo[1], beats))
                self._links.tell(f"{tempo[0]:.1f} beats a minute")

        self._links.jobs.run(lambda: track_tempo(audio, rate), found)

    # -- the bank's ear -------------------------------------------------------------------------------

    def hear(self, quietly: bool = False) -> None:
        """Rank what the last two seconds activate in the whole bank."""
        loaded, hearing, engine = self._links.loaded, self.desk.hearing, self._links.engine
        if loaded is None or engine is None or hearing.busy.value:
            return
        tokens = self._shown_tokens()
        at = round(self.desk.timeline.played_s * loaded.frame_rate_hz)
        width = round(HEARD_S * loaded.frame_rate_hz)
        if tokens is not None:
            end = min(max(at, 0), tokens.shape[1]) or tokens.shape[1]
            tokens = tokens[:, max(0, end - width) : end]
        if loaded.ear is None or tokens is None or tokens.shape[1] < 10:
            if not quietly:
                hearing.heard.set(())
                reason = "No bank is open." if loaded.ear is None else "Play something first."
                hearing.trouble.set("")
                hearing.trouble.set(reason)
            return
        ear, part = loaded.ear, tokens
        hearing.busy.set(True)
        start = max(0.0, at / loaded.frame_rate_hz - HEARD_S)

        def heard(found: tuple[Sequence[str], Floats] | None, error: Exception | None) -> None:
            hearing.busy.set(False)
            if found is None:
                hearing.trouble.set(str(error))
                return
            ids, means = found
            hearing.show(rank(ids, means, self._links.feature), f"{start:.1f} to {start + HEARD_S:.1f} s")

        self._links.jobs.run(lambda: ear.hear(part), heard)

    def preview(self, id: str | None) -> None:
        """A feature's best example, beside whatever is being generated; None stops it."""
        engine, bank = self._links.engine, self.desk.library.bank
        if engine is None or bank is None:
            return
        if id is None:
            if self._example:
                engine.player.stop()
                self._example = False
            return
        examples = list(bank.examples(id, "top")) or list(bank.examples(id))
        if examples:
            self.listen_example(examples[0])

    def listen_example(self, example: Example) -> None:
        engine = self._links.engine
        if engine is None:
            return
        self.desk.history.playing.set(None)
        self._example = True
        self._links.tell(f"Example from {example.clip}")
        self._links.jobs.run(lambda: engine.preview(example.tokens), self._links.tell_error)
