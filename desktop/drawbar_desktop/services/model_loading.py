"""A model's name -> model, bank and engine, loaded phase by phase on a worker thread, without Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from drawbar.errors import BadInputError
from drawbar_desktop.services.feature_listener import Ear
from drawbar_desktop.services.interfaces import Loaded, Say
from drawbar_desktop.state.slider_making import LayerLine, Made
from drawbar_desktop.state.word_making import WordMade

if TYPE_CHECKING:
    import threading

    import numpy as np
    from numpy.typing import NDArray

    from drawbar.bank import Bank
    from drawbar.listening_test.clips import ClipMaker
    from drawbar.listening_test.session import BlindSession
    from drawbar.live.takes.take import Take, TakeSettings
    from drawbar.musicgen import Model


def load_embedded(say: Say) -> Loaded:
    """The embedded model and its bank; a missing or foreign bank is a notice, a missing model an error."""
    return load("embedded", None, say)


def load(name: str, bank_folder: Path | None, say: Say) -> Loaded:
    """A model by name or folder, with a bank (the embedded one by default)."""
    say("Loading the libraries")
    from drawbar.corpus import normalise_prompt
    from drawbar.live import Engine
    from drawbar.live.melody import read_melody
    from drawbar.live.threads import leave_one_core
    from drawbar.musicgen import load_model
    from drawbar.paths import embedded_model_dir
    from drawbar.steering import Palette

    leave_one_core()
    say("Loading the model")
    model = load_model(name, device="cpu")
    say("Opening the bank")
    bank, notice = _open_bank(model, bank_folder)
    say("Starting the engine")
    engine = Engine(model, bank)
    embedded = name == "embedded"
    tokenizer = embedded_model_dir() / "tokenizer.json"
    return Loaded(
        engine=engine,
        bank=Palette(bank, model.fingerprint) if bank is not None else None,
        unknown_words=(lambda text: normalise_prompt(text, tokenizer)[1]) if embedded else None,
        frame_rate_hz=model.spec.frame_rate_hz,
        sample_rate_hz=model.spec.sample_rate_hz,
        channels=model.spec.channels,
        name=model.spec.name,
        folder=embedded_model_dir() if embedded else Path(name),
        licence="Apache-2.0" if embedded else "see the model's card; MusicGen's weights are CC-BY-NC-4.0",
        site=model.fingerprint,
        context_frames=model.spec.context_frames,
        read_melody=(lambda path: read_melody(path, model.spec)) if model.spec.melody_frames else None,
        ear=Ear(model, bank) if bank is not None else None,
        clip_maker=partial(_clip_maker, model, bank) if bank is not None else None,
        vocabulary=vocabulary(tokenizer) if embedded else {},
        vary=partial(_vary, model, bank),
        notice=notice,
        make_direction=lambda *given: _make_direction(model, *given),
        make_word=None if model.text is None else lambda word, tell: _make_word(model, bank, word, tell),
    )


def vocabulary(tokenizer: Path) -> dict[str, tuple[str, ...]]:
    """The words of the embedded model's prompts by kind, without those that its tokenizer does not have."""
    from drawbar.corpus import normalise_prompt
    from drawbar.corpus.composer.instruments import (
        BASSES,
        CHORD_INSTRUMENTS,
        DRUM_STYLES,
        KEYS,
        LEADS,
        MODES,
        PATTERNS,
    )

    kinds = {
        "Instruments": (*CHORD_INSTRUMENTS, *LEADS, *(f"{name} bass" for name in BASSES)),
        "Drums": (*(f"{name} drums" for name in DRUM_STYLES), "no drums"),
        "Key": tuple(f"{key} {mode}" for mode in MODES for key in KEYS),
        "Tempo": ("slow", "medium tempo", "fast", "90 bpm", "120 bpm", "150 bpm", "swing", "straight"),
        "Chords": (
            *(f"{name} chords" for name in PATTERNS),
            "simple chords",
            "seventh chords",
            "rich chords",
        ),
        "Mood": ("soft", "loud", "sparse", "busy", "low", "high register", "growing", "fading", "swell"),
    }
    return {
        kind: tuple(word for word in dict.fromkeys(words) if not normalise_prompt(word, tokenizer)[1])
        for kind, words in kinds.items()
    }


def _vary(
    model: Model,
    bank: Bank | None,
    settings: TakeSettings,
    prefix: NDArray[np.uint16] | None,
    tell: Callable[[int, int], None],
    cancel: threading.Event,
) -> Take:
    from drawbar.live import render

    return render(model, bank, settings, prefix=prefix, progress=tell, cancel=cancel)


def _clip_maker(model: Model, bank: Bank, session: BlindSession) -> ClipMaker:
    from drawbar.listening_test.clips import ClipMaker

    return ClipMaker(model, bank, session)


def _make_direction(
    model: Model,
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


def _make_word(model: Model, bank: Bank | None, word: str, tell: Callable[[str, float], None]) -> WordMade:
    from drawbar.evidence.words.make import make_words
    from drawbar.paths import user_dir
    from drawbar.steering import OwnDirections

    store = OwnDirections()
    [made] = make_words(model, [word], bank=bank, folder=user_dir() / "pools", progress=tell)
    if made.own is None:
        raise BadInputError(made.missing)
    store.save(made.own)
    verdict = "untested" if made.finding is None else made.finding.verdict.name
    return WordMade(made.own.id, verdict, None if made.tried is None else made.tried.share)


def _open_bank(model: Model, folder: Path | None) -> tuple[Bank | None, str]:
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
        return bank, " ".join(bank.notes)
    except DrawbarError as error:
        return None, f"The bank cannot be used: {error}"
