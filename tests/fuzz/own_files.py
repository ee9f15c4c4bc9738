"""A draw and the specimens -> one input of a kind that Drawbar itself wrote or is sent, damaged, and used."""

import contextlib
import io
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drawbar.audio_analysis import chat
from drawbar.audio_analysis.audio_llm import _plain_answer
from drawbar.bank import Bank, Query
from drawbar.corpus import read_manifest
from drawbar.errors import BadInputError, DrawbarError
from drawbar.listening_test.session import BlindSession
from drawbar.live.audio_out import buffer
from drawbar.musicgen.checkpoint.lora import read_adapter
from drawbar.musicgen.quantised import precision
from drawbar.research.horizon.events import load_events, load_tracks
from drawbar.research.horizon.review import read_decisions, read_queue
from drawbar.steering.own import OwnDirections
from drawbar_desktop.controllers.context import Links
from drawbar_desktop.controllers.device_and_model_settings import DeviceAndModelSettings
from drawbar_desktop.controllers.osc_control import OscControl
from drawbar_desktop.services.osc import messages_of
from drawbar_desktop.state.desk import Desk
from tests.fuzz import mutate
from tests.fuzz.files import bytes_file, json_file, json_lines

SENDER = ("127.0.0.1", 9)


def adapter(draw: random.Random, home: Path, place: Path) -> None:
    """A LoRA adapter from anyone."""
    shutil.copytree(home / "lora", place)
    if draw.random() < 0.7:
        json_file(draw, home / "lora" / "adapter_config.json", place / "adapter_config.json")
    else:
        name = "adapter_model.safetensors"
        bytes_file(draw, home / "lora" / name, place / name)
    found = read_adapter(place)
    given = {name: torch.zeros(len(up), down.shape[1]) for name, (down, up, _) in found.factors.items()}
    found.check(given | dict(found.whole))
    for name, weight in given.items():
        found.changed(name, weight)


def direction(draw: random.Random, home: Path, place: Path) -> None:
    """A direction of one's own."""
    shutil.copytree(home / "mine", place)
    (vectors,) = place.glob("*.safetensors")
    if draw.random() < 0.7:
        json_file(draw, home / "mine" / "slow.json", place / "slow.json")
    else:
        bytes_file(draw, vectors, vectors)
    mine = OwnDirections(place)
    for name in mine.names():
        assert np.isfinite(mine.load(name).direction().vector.numpy()).all()


def feature_table(draw: random.Random, home: Path, place: Path) -> None:
    """A table of many banks' features."""
    from drawbar.bank.tables import FeatureTables

    shutil.copytree(home / "table", place)
    names = sorted(path.name for path in place.iterdir())
    name = draw.choice(names)
    (json_file if name.endswith(".json") else bytes_file)(draw, home / "table" / name, place / name)
    for query in (Query("drums"), Query("", sort="label"), Query("", fold=True, layer=3)):
        for row in FeatureTables(place).find(query, limit=5).rows:
            assert row.label.isprintable()


def blind_session(draw: random.Random, home: Path, place: Path) -> None:
    """A blind test that is taken up again and answered to its end."""
    json_file(draw, home / "session.json", place / "session.json")
    with Bank.open(home / "bank", edits=place / "edits") as bank:
        session = BlindSession.load(place / "session.json", bank)
    while session.current is not None:
        session.hidden(session.current)
        session.answer(session.current.letters[0])
    session.finish()
    session.csv()


def study_file(draw: random.Random, home: Path, place: Path) -> None:
    """Tracks, events and proposals of a study, line by line."""
    name, read = draw.choice(
        (("tracks.jsonl", load_tracks), ("events.jsonl", load_events), ("queue.jsonl", None))
    )
    json_lines(draw, home / "study" / name, place / name)
    if read is not None:
        read(place / name)
        return
    shutil.copy(place / name, place / "decisions-me.jsonl")
    for use in (lambda: read_queue(place), lambda: read_decisions(place, "me")):
        with contextlib.suppress(BadInputError):
            use()


def corpus(draw: random.Random, home: Path, place: Path) -> None:
    """The list of a composed corpus."""
    json_lines(draw, home / "manifest.jsonl", place / "manifest.jsonl")
    for row in read_manifest(place):
        f"{row.id:>8} {row.seconds:.1f}"


def measured(draw: random.Random, home: Path, place: Path) -> None:
    """What was measured on this machine: damaged, it is measured again."""
    own = place / "home"
    for name in ("buffers.json", "precision.json"):
        json_file(draw, home / name, own / name)
    found = buffer.remembered("a card")
    assert found is None or 20 <= found <= 200
    buffer.remember("a card", 40)
    assert buffer.remembered("a card") == 40
    precision.forbid("digest", "int8", "too far off")
    assert precision._known("digest").forbidden["int8"] == "too far off"


def endpoint(draw: random.Random, home: Path, place: Path) -> None:
    """What an endpoint answers that was asked what it hears."""
    heard = {"name": "drums", "description": "a kit", "confidence": 0.5, "in_controls": False,
             "concepts": [{"name": "snare", "confidence": 0.5}]}  # fmt: skip
    if draw.random() < 0.7:
        heard = mutate.value(draw, heard)
    answer = {"choices": [{"message": {"role": "assistant", "content": json.dumps(heard)}}]}
    if draw.random() < 0.4:
        answer = mutate.value(draw, answer)
    data = json.dumps(answer).encode()
    if draw.random() < 0.3:
        data = mutate.data(draw, data)

    class Opener:
        def open(self, request: object, timeout: float) -> io.BytesIO:
            return io.BytesIO(data)

    whole, chat._opener = chat._opener, Opener()  # type: ignore[assignment]
    try:
        chat.ask(chat.ChatSettings("http://127.0.0.1:9", "any", retries=0), {}, _plain_answer)
    finally:
        chat._opener = whole


def osc(draw: random.Random, home: Path, place: Path) -> None:
    """Datagrams from whoever can reach the port: right ones with odd values, and damaged ones."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import BuildError, OscMessageBuilder

    desk, told = Desk(place), list[str]()
    desk.notices.told.connect(told.append)
    links: Any = Links(desk, None)  # type: ignore[arg-type]
    mover: Any = DeviceAndModelSettings.__new__(DeviceAndModelSettings)
    mover.desk, mover._pressed = desk, {}
    control = OscControl(links, mover.carry_out, {"play": lambda: None, "new": lambda: None})
    names = (*control._handlers, "state", "play", "", "x")
    places = ("", "1", "0", "-1", "-9", "x", "9" * 40, "3/1", "x/y", "é", "y")
    values: tuple[Any, ...] = (
        0, 1, -1, 2**31 - 1, 0.5, -1.0, 1e38, float("nan"), float("inf"), "", "x", "0.5", "9" * 400, "nan", "1e999",
        True, False, None, b"\xff", [1, 2],
    )  # fmt: skip
    for _ in range(10):
        message = OscMessageBuilder(f"/drawbar/{draw.choice(names)}/{draw.choice(places)}")
        for _ in range(draw.choice((0, 1, 1, 1, 2, 40))):
            with contextlib.suppress(BuildError, ValueError):
                message.add_arg(draw.choice(values))
        try:
            data = message.build().dgram
        except BuildError:
            continue
        if draw.random() < 0.3:
            bundle = OscBundleBuilder(IMMEDIATELY)
            for _ in range(draw.choice((1, 3, 90))):
                bundle.add_content(message.build())
            data = bundle.build().dgram
        if draw.random() < 0.5:
            data = mutate.data(draw, data)
        with contextlib.suppress(ValueError):
            for one in messages_of(data, SENDER):
                control._one(one)
    numbers = (desk.transport.gain_db.value, desk.timeline.grid.value.tempo_bpm, desk.blending.share.value)
    assert 0 <= desk.transport.seed.value < 2**63
    assert np.isfinite(numbers).all()
    for text in told:
        if len(text) > 400 or not text.isprintable():
            raise DrawbarError(text)
