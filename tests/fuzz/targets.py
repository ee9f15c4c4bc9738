"""A draw and the specimens -> one input of a kind, mutated, given to what reads that kind and used as a user would."""

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from drawbar.bank import Bank, Query, import_bank
from drawbar.bank.bundle import read_bundle
from drawbar.bank.checks import verify
from drawbar.cli.settings_file import read_config, settings_from
from drawbar.corpus import read_table
from drawbar.corpus.audio import read_audio
from drawbar.errors import BadInputError, DrawbarError
from drawbar.features.labellers.people import read_people
from drawbar.live.takes.take import load_record
from drawbar.pipeline import BuildSettings
from drawbar.sae import load_sae
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.midi import MidiMap
from drawbar_desktop.state.recording import leftovers, recovered_take
from drawbar_desktop.state.takes import TakeStore
from tests.fuzz import mutate
from tests.fuzz.commands import all_commands, command
from tests.fuzz.files import bytes_file, json_file, linked
from tests.fuzz.guard import Target
from tests.fuzz.own_files import (
    adapter,
    blind_session,
    corpus,
    direction,
    endpoint,
    feature_table,
    measured,
    osc,
    study_file,
)


def sae(draw: random.Random, home: Path, place: Path) -> None:
    shutil.copytree(home / "sae", place)
    if draw.random() < 0.7:
        json_file(draw, home / "sae" / "cfg.json", place / "cfg.json")
    else:
        bytes_file(draw, home / "sae" / "sae_weights.safetensors", place / "sae_weights.safetensors")
    load_sae(place)


def hugging_face(draw: random.Random, home: Path, place: Path) -> None:
    name = draw.choice(("config.json",) * 6 + ("tokenizer.json", "model.safetensors"))
    linked(home / "hf", place, but=(name,))
    if name == "model.safetensors":
        bytes_file(draw, home / "hf" / name, place / name)
    else:
        json_file(draw, home / "hf" / name, place / name)
    _play(draw, place)


def audiocraft(draw: random.Random, home: Path, place: Path) -> None:
    name = draw.choice(
        ("state_dict.bin",) * 3 + ("compression_state_dict.bin", "t5/config.json", "codec/config.json")
    )
    linked(home / "audiocraft", place, but=(name,))
    if name.endswith(".json"):
        json_file(draw, home / "audiocraft" / name, place / name)
    else:
        _pickled(draw, home / "audiocraft" / name, place / name)
    _play(draw, place)


def own_codec(draw: random.Random, home: Path, place: Path) -> None:
    """The sizes of our own codecs; their tensors are the right ones."""
    from drawbar.musicgen.codec.bands import BandCodec
    from drawbar.musicgen.codec.interface import load_codec

    if "bands" not in _CODECS:
        whole = BandCodec()
        _CODECS["bands"] = (json.loads(json.dumps(whole.config.to_dict())), whole.state_dict())
    config, tensors = _CODECS["bands"]
    changed = mutate.value(draw, config)
    load_codec(changed if isinstance(changed, dict) else {}, tensors, 8)


_CODECS: dict[str, Any] = {}


def _pickled(draw: random.Random, source: Path, target: Path) -> None:
    """What torch saves: its settings, its tensors or its bytes changed."""
    import torch

    kind = draw.randrange(4)
    if kind == 0:
        bytes_file(draw, source, target)
        return
    package: Any = torch.load(source, weights_only=True)
    if kind == 1 and isinstance(package.get("xp.cfg"), str):
        package["xp.cfg"] = xp_text(draw, package["xp.cfg"])
    elif kind == 2 and "best_state" in package:
        state = dict(package["best_state"])
        name = draw.choice(list(state))
        tensor = state[name]
        changes: list[Callable[[], object]] = [
            lambda: tensor.to_sparse(), lambda: tensor.to("meta"), lambda: tensor * float("nan"), lambda: None,
            lambda: tensor.to(torch.int8), lambda: tensor.to(torch.complex64), lambda: tensor[..., :0],
            lambda: tensor.new_zeros(()), lambda: tensor.new_zeros(1).expand(1 << 40), lambda: [1],
            lambda: torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.qint8), lambda: tensor.to(torch.float64),
        ]  # fmt: skip
        state[name] = draw.choice(changes)()
        package["best_state"] = state
    else:
        name = draw.choice(list(package))
        package[name] = draw.choice([*mutate.ODD[:-1], "facebook/encodec_32khz", "//pretrained/../../x"])
    torch.save(package, target)


XP_ODD = ("2026-11-30", "1:30", ".inf", ".nan", "~", "x", "-1", "1e400", "2147483648", "0x7f", "1_000", "9" * 400,
          "[]", "{}", "{a: b}", "[1, 2]", "!!binary aGk=", "!!set {a}", "${channels}", "${dataset.segment_duration}",
          "&a [*a]", "!!python/object/apply:os.system [id]", "1000000000", "0.5", "true", "'a'")  # fmt: skip


def xp_text(draw: random.Random, text: str) -> str:
    """YAML with a few values, lines or bytes changed."""
    lines = text.splitlines()
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(lines))
        head, colon, _ = lines[at].partition(":")
        if colon and draw.random() < 0.8:
            lines[at] = f"{head}: {draw.choice(XP_ODD)}"
        else:
            del lines[at]
    text = "\n".join(lines)
    return mutate.data(draw, text.encode()).decode("utf-8", "replace") if draw.random() < 0.2 else text


def _play(draw: random.Random, folder: Path) -> None:
    """The model is inspected, loaded, and plays two frames."""
    from drawbar.musicgen.checkpoint.inspection import glance, inspect
    from drawbar.musicgen.model import load_model

    glance(str(folder))
    if draw.random() < 0.3:
        inspect(str(folder))
    model = load_model(folder)
    with model.stream("slow piano", seed=1, seconds=0.04) as stream:
        for _ in stream:
            pass


def warm_up(home: Path) -> None:
    """Whole models are played once: what that imports and compiles, every worker that is forked afterwards has."""
    draw = random.Random(0)
    for layout in ("hf", "audiocraft"):
        _play(draw, home / layout)
    all_commands()


def take(draw: random.Random, home: Path, place: Path) -> None:
    (found,) = (p for p in (home / "takes").iterdir() if p.name[0] != ".")
    shutil.copytree(found, place / found.name)
    name = draw.choice(("take.json", "about.json"))
    json_file(draw, found / name, place / found.name / name)
    store = TakeStore(place)
    for item in store.all():
        store.record(item)
    assert sum(1 for _ in place.rglob("take.wav")) == 1
    load_record(bytes_file(draw, found / "take.wav", place / "b.wav"))


def recording(draw: random.Random, home: Path, place: Path) -> None:
    (found,) = (home / "takes").glob(".recording-*")
    shutil.copytree(found, place / found.name)
    name = draw.choice(("about.json", "tokens.npy", "moves.jsonl"))
    if name == "about.json":
        json_file(draw, found / name, place / found.name / name)
    else:
        bytes_file(draw, found / name, place / found.name / name)
    (left,) = leftovers(place)
    assert len(recovered_take(left).audio) == 32_000


def bundle(draw: random.Random, home: Path, place: Path) -> None:
    path = bytes_file(draw, home / "b.drawbank", place / "b.drawbank")
    read_bundle(path)
    import_bank(path, place / "bank")


def bank(draw: random.Random, home: Path, place: Path) -> None:
    shutil.copytree(home / "bank", place)
    name = draw.choice(("bank.sqlite", "directions.safetensors", "examples.safetensors"))
    bytes_file(draw, home / "bank" / name, place / name)
    _use_bank(place)


def bank_rows(draw: random.Random, home: Path, place: Path) -> None:
    """A healthy database with a few values of the wrong kind in it."""
    import sqlite3

    shutil.copytree(home / "bank", place)
    database = sqlite3.connect(place / "bank.sqlite")
    names = [
        n for (n,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    for _ in range(draw.randint(1, 3)):
        table = draw.choice(names)
        try:
            columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')] or [
                "dropped before"
            ]
        except sqlite3.Error:
            continue  # its virtual table's own tables are damaged already
        odd = draw.choice([
            None, 2**62, -1, 1e300, float("inf"), "x", "\x1b[31m", "[" * 300, "9" * 400, b"\xff\x41", b"", b"\0" * 64,
            "{}", "[[[]]]", '{"a": {"b": [1]}}', "NaN", "\0", "null", "[1, null]",
        ])  # fmt: skip
        try:
            if draw.random() < 0.1:
                database.execute(f'DELETE FROM "{table}"')
            elif draw.random() < 0.05:
                database.execute(f'DROP TABLE "{table}"')
            else:
                column = draw.choice(columns)
                value = database.execute(f'SELECT "{column}" FROM "{table}" LIMIT 1').fetchone()
                if (
                    isinstance(odd, str)
                    and value
                    and isinstance(value[0], str)
                    and value[0][:1] in "[{"
                    and draw.random() < 0.7
                ):
                    odd = json.dumps(mutate.value(draw, json.loads(value[0])))
                where = "" if draw.random() < 0.5 else " WHERE rowid = 1"
                database.execute(f'UPDATE "{table}" SET "{column}" = ?{where}', (odd,))
        except (sqlite3.Error, UnicodeEncodeError, ValueError, OverflowError):
            continue  # a constraint or the search index said no
    with contextlib.suppress(sqlite3.Error):  # the search index was damaged: what went in before it stays
        database.commit()
    database.close()
    _use_bank(place)


def _use_bank(place: Path) -> None:
    """Verified, opened, searched, read, its evidence shown, edited."""
    for use in (verify, _read_bank):
        try:
            use(place)
        except DrawbarError as error:
            refused: DrawbarError | None = error
        else:
            refused = None
    if refused is not None:
        raise refused


def _read_bank(place: Path) -> None:
    with Bank.open(place, edits=place / "edits") as opened:
        for query in ("drums", ""):
            for row in opened.search(query):
                opened.feature(row.id)
        opened.facets()
        rows = [row.id for row in opened.search("", limit=3)]
        opened.vectors(rows)
        for row_id in rows:
            opened.examples(row_id)
        opened.trials()
        opened.concept_sliders()
        for name in ("summary", "measures"):
            opened.evidence(name)
        opened.add_label("3/5", "mine")
        opened.star("3/5")


def query(draw: random.Random, home: Path, place: Path) -> None:
    """Anything typed into the search field, with any filter."""
    pieces = (
        '"', "*", "(", ")", "OR", "AND", "NOT", "NEAR", "^", ":", "-", "\0", "\ud800", "é", "太鼓", "drums", "4/4", " ",
        "'", ";", "--", "{", "}", "+", "\\", "%", "_", "a" * 3000, "🥁", "\u202e", "label:", "layer:", "C♯",
    )  # fmt: skip
    text = "".join(draw.choice(pieces) for _ in range(draw.randint(0, 12)))
    with Bank.open(home / "bank", edits=place / "edits") as opened:
        opened.find(Query(text), limit=5)
        opened.search(text, layer=draw.choice((None, 3, -1, 2**70)), limit=draw.choice((1, 0, 50)))
        opened.find(Query(
            text, author=draw.choice((None, text)), verdict=draw.choice((None, text)),
            shelf=draw.choice((None, text, "proven")),
            min_density=draw.choice((None, float("nan"), 1e300)), max_density=draw.choice((None, -1.0, float("inf"))),
        ), limit=5)  # fmt: skip
        with contextlib.suppress(BadInputError):  # few draws name a feature
            opened.resolve(text)


def sound(draw: random.Random, home: Path, place: Path) -> None:
    name = draw.choice(("a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"))
    assert np.isfinite(read_audio(bytes_file(draw, home / name, place / name), 32_000)).all()


def run_file(draw: random.Random, home: Path, place: Path) -> None:
    if draw.random() < 0.7:
        json_file(draw, home / "run.json", place / "run.json")
        settings_from(BuildSettings, read_config(place / "run.json"))
    else:
        settings_from(BuildSettings, read_config(bytes_file(draw, home / "run.toml", place / "run.toml")))


def table(draw: random.Random, home: Path, place: Path) -> None:
    name = draw.choice(("own.csv", "caps.csv", "raw.tsv", "people.csv"))
    path = bytes_file(draw, home / name, place / name)
    if name == "people.csv":
        read_people(path)
    else:
        for found in read_table(path):
            assert found.path.is_relative_to(place.resolve())


def settings(draw: random.Random, home: Path, place: Path) -> None:
    json_file(draw, home / "settings.json", place / "settings.json")
    desk = Desk(place)
    desk.recall_rack(lambda id: None)
    desk.settings.set("gain_db", 1.0)
    desk.settings.save()


def preset(draw: random.Random, home: Path, place: Path) -> None:
    from drawbar_desktop.state.presets import macros_from, strips_from

    json_file(draw, home / "preset.json", place / "presets" / "p.json")
    for found in Desk(place).presets.all():
        strips_from(found.strips, lambda id: None)
        for macro in macros_from(found.macros):
            assert all(np.isfinite(ends).all() for ends in macro.members.values())


def midi(draw: random.Random, home: Path, place: Path) -> None:
    json_file(draw, home / "midi.json", place / "settings.json")
    desk = Desk(place)
    kept = desk.midi.to_values()
    for _ in range(20):
        length = draw.choice((0, 1, 2, 3, 3, 3, 3, 40))
        for move in desk.midi.feed([draw.randrange(256) for _ in range(length)], "a"):
            assert move.position is None or 0 <= move.position <= 1
    again = MidiMap()
    again.restore(kept)
    assert again.to_values() == kept


TARGETS: tuple[Target, ...] = (
    sae, hugging_face, audiocraft, own_codec, take, recording, bundle, bank, bank_rows, query, sound, run_file, table,
    settings, preset, midi, command, adapter, direction, feature_table, blind_session, study_file, corpus, measured,
    endpoint, osc,
)  # fmt: skip
