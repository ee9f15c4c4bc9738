"""A folder -> one valid file or folder in it of every kind that Drawbar reads: what inputs are mutated from."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.bank import Bank, ConceptSlider, Evidence, FeatureEvidence, Push, Trial
from drawbar.bank.bundle import export_bank
from drawbar.bank.tables import TableWriter, add_bank
from drawbar.corpus.dataset import ManifestRow
from drawbar.listening_test.plan import BlindSettings
from drawbar.listening_test.session import BlindSession
from drawbar.research.horizon.annotations import proposed
from drawbar.research.horizon.events import (
    KINDS,
    PLANTS,
    Event,
    PieceSettings,
    Track,
    Window,
    save_events,
    save_tracks,
)
from drawbar.research.horizon.review import write_queue
from drawbar.steering.own import OwnDirection, OwnDirections
from drawbar_desktop.state.settings import DEFAULTS
from drawbar_desktop.state.takes import TakeStore
from tests.bank.small_bank import INFO, fill
from tests.bank.test_store import directions, example
from tests.desktop.test_state_keeping import make_take, spool
from tests.musicgen.released import write_audiocraft, write_hf
from tests.musicgen.test_lora import write_adapter
from tests.sae.test_checkpoint import authors_folder


def write_study(home: Path) -> None:
    """Tracks, events and proposals of a study, and the list of a composed corpus."""
    piece = PieceSettings(3, 20.0, PLANTS[0])
    tracks = [
        Track("one", "train", 20.0, "CC0-1.0", "composed", "0" * 64, piece=piece),
        Track("two", "test", 30.0, "CC-BY-4.0", "folder", "1" * 64, path="a.wav", text="slow piano"),
    ]
    events = [
        Event(track.id, Window(1.0, 3.0), Window(9.0, 11.0), kind, True)
        for track, kind in zip(tracks, KINDS, strict=False)
    ]
    save_tracks(home / "study" / "tracks.jsonl", tracks)
    save_events(home / "study" / "events.jsonl", events)
    write_queue(home / "study", [proposed(*pair) for pair in zip(tracks, events, strict=True)])
    row = ManifestRow(
        "p0",
        0,
        20.0,
        "audio/p0.flac",
        "slow piano",
        "pieces/p0.json",
        "annotations/p0.npz",
        "CC0-1.0",
        "train",
    )
    (home / "manifest.jsonl").write_text(json.dumps(asdict(row)) + "\n")


def write_specimens(home: Path) -> None:
    """Banks, SAEs, models in both layouts, takes, sounds, tables, settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAWBAR_HOME", str(home / "home"))
        with Bank.create(home / "bank", INFO) as bank:
            fill(bank)
            bank.write_directions([(1, directions([0, 7])), (3, directions([0, 1, 2, 5, 10]))])
            bank.write_examples(
                [("3/0", example(1)), ("3/1", example(2, bin_name="q25")), ("1/7", example(3))]
            )
            push = Push(3, np.array([3, 0, 0, 4], np.float32))
            bank.write_concept_sliders(
                [ConceptSlider("slow", (push,), features=(("3/1", 1.0),), card={"slope": 1.0})]
            )
            trials = [
                Trial(
                    "confirm",
                    "feature",
                    "3/2",
                    3,
                    amount,
                    "piano",
                    5,
                    7,
                    32,
                    np.array([amount, 0.5], np.float32),
                )
                for amount in (-1.0, 1.0)
            ]
            card = {"format": 1, "measure": "detector:drums", "slope": 1.25}
            told = {"summary": {"candidates": 2}, "measures": ["detector:drums", "finite"]}
            bank.write_evidence(
                Evidence((FeatureEvidence("3/2", "proven", 3.0, (-0.5, 1.5), card),), told, trials)
            )
            BlindSession.begin(home / "session.json", bank, BlindSettings(trials=4, seconds=1.0), secret="a")
        export_bank(home / "bank", home / "b.drawbank")
        with TableWriter(home / "table") as writer:
            add_bank(writer, home / "bank", "little")
    authors_folder(home / "sae")
    write_hf(home / "hf")
    write_audiocraft(home / "audiocraft")
    TakeStore(home / "takes").add(make_take(0.1))
    left = spool(home / "takes", 1).leave()
    assert left is not None
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (9600, 2)).astype(np.float32)
    for ending in ("wav", "flac", "ogg", "mp3", "aiff"):
        soundfile.write(home / f"a.{ending}", noise, 32_000)
    (home / "run.json").write_text(
        json.dumps({"corpus": "composed:2", "out": "run", "layers": [1], "sae": {"k": 4}})
    )
    (home / "run.toml").write_text('corpus = "composed:2"\nout = "run"\nlayers = [1, 2]\n[sae]\nk = 4\n')
    (home / "own.csv").write_text("path,id,split,start_s,end_s\na.wav,one,train,0,1\nb.wav,two,test,,\n")
    (home / "caps.csv").write_text(
        "ytid,start_s,end_s,aspect_list,caption\nabcdefghijk,0,10,\"['x']\",words\n"
    )
    (home / "raw.tsv").write_text("TRACK_ID\tA\tB\tPATH\tD\tTAGS\nt1\ta\tb\t01/1.mp3\t3.0\tgenre---rock\n")
    (home / "people.csv").write_text("feature,label,author,score\n3/5,Wobble,me,0.5\n3/1,Kick,,\n")
    write_adapter(home / "lora", home / "hf")
    vector = np.eye(1, 8, 3, dtype=np.float32)[0]
    OwnDirections(home / "mine").save(
        OwnDirection("slow", "f" * 64, "m", 1, vector, 1.0, about={"layers": [1, 2]})
    )
    write_study(home)
    (home / "buffers.json").write_text(json.dumps({"a card": 60, "another": 20}))
    (home / "precision.json").write_text(
        json.dumps(
            {"digest x86_64 1": {"chosen": "int8", "step_ms": {"int8": 4.5}, "forbidden": {"int4": "why"}}}
        )
    )
    settings = {
        **DEFAULTS,
        "prompts": ["a"],
        "blend": [{"text": "b", "weight": 0.5, "unwanted": False}],
        "rack": [{"id": "3/1", "amount": 1.0}],
        "macros": [{"name": "m", "value": 0.5, "members": {"3/1": [0, 1]}}],
        "midi": [{"target": "play", "channel": 0, "number": 1, "kind": "absolute", "port": ""}],
    }
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "midi.json").write_text(json.dumps({"midi": [
        {"target": "amount:3/1", "channel": 0, "number": 7, "kind": "14-bit", "port": ""},
        {"target": "strip:1", "channel": 3, "number": 1, "kind": "relative", "port": "a"},
        {"target": "bank-next", "channel": 0, "number": 60, "kind": "note", "port": ""}]}))  # fmt: skip
    (home / "preset.json").write_text(
        json.dumps({"name": "p", "strips": settings["rack"], "macros": settings["macros"]})
    )
