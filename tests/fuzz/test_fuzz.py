"""Files that are nearly right, of every kind that is read: used or refused in one short line, never a traceback.

`pytest tests/fuzz --long` takes many thousand inputs of each kind. An input that fails is named by its seed.
"""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from drawbar.bank import Bank, import_bank
from drawbar.bank.bundle import export_bank, read_bundle
from drawbar.bank.checks import verify
from drawbar.cli.settings_file import read_config, settings_from
from drawbar.corpus import read_table
from drawbar.corpus.audio import read_audio
from drawbar.errors import DrawbarError
from drawbar.live.takes.take import load_record
from drawbar.pipeline import BuildSettings
from drawbar.sae import load_sae
from drawbar_desktop.state.desk import Desk
from drawbar_desktop.state.recording import leftovers, recovered_take
from drawbar_desktop.state.takes import TakeStore
from tests.bank.small_bank import INFO, fill
from tests.desktop.test_state_keeping import make_take, spool
from tests.fuzz import mutate
from tests.sae.test_checkpoint import authors_folder

LONGEST = 900  # characters of a refusal, but for the path
Target = Callable[[random.Random, Path, Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One valid file or folder of every kind."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAWBAR_HOME", str(home / "home"))
        with Bank.create(home / "bank", INFO) as bank:
            fill(bank)
        export_bank(home / "bank", home / "b.drawbank")
    authors_folder(home / "sae")
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
    settings = {"theme": "dark", "prompts": ["a"], "rack": [{"id": "3/1", "amount": 1.0}], "macros": [
        {"name": "m", "value": 0.5, "members": {"3/1": [0, 1]}}], "midi": [
        {"target": "play", "channel": 0, "number": 1, "kind": "absolute", "port": ""}], "endless": False}  # fmt: skip
    (home / "settings.json").write_text(json.dumps(settings))
    (home / "preset.json").write_text(
        json.dumps({"name": "p", "strips": settings["rack"], "macros": settings["macros"]})
    )
    return home


def json_file(draw: random.Random, source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if draw.random() < 0.3:
        target.write_bytes(mutate.data(draw, source.read_bytes()))
    else:
        target.write_text(json.dumps(mutate.value(draw, json.loads(source.read_text()))))


def bytes_file(draw: random.Random, source: Path, target: Path) -> Path:
    target.write_bytes(mutate.data(draw, source.read_bytes()))
    return target


def sae(draw: random.Random, home: Path, place: Path) -> None:
    shutil.copytree(home / "sae", place)
    if draw.random() < 0.7:
        json_file(draw, home / "sae" / "cfg.json", place / "cfg.json")
    else:
        bytes_file(draw, home / "sae" / "sae_weights.safetensors", place / "sae_weights.safetensors")
    load_sae(place)


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
    place.mkdir()
    path = bytes_file(draw, home / "b.drawbank", place / "b.drawbank")
    read_bundle(path)
    import_bank(path, place / "bank")


def bank(draw: random.Random, home: Path, place: Path) -> None:
    shutil.copytree(home / "bank", place)
    bytes_file(draw, home / "bank" / "bank.sqlite", place / "bank.sqlite")
    verify(place)
    with Bank.open(place, edits=place / "edits") as opened:
        for row in opened.search("drums"):
            opened.feature(row.id)
        opened.facets()


def sound(draw: random.Random, home: Path, place: Path) -> None:
    place.mkdir()
    name = draw.choice(("a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"))
    assert np.isfinite(read_audio(bytes_file(draw, home / name, place / name), 32_000)).all()


def run_file(draw: random.Random, home: Path, place: Path) -> None:
    place.mkdir()
    if draw.random() < 0.7:
        json_file(draw, home / "run.json", place / "run.json")
        settings_from(BuildSettings, read_config(place / "run.json"))
    else:
        settings_from(BuildSettings, read_config(bytes_file(draw, home / "run.toml", place / "run.toml")))


def table(draw: random.Random, home: Path, place: Path) -> None:
    place.mkdir()
    name = draw.choice(("own.csv", "caps.csv", "raw.tsv"))
    for found in read_table(bytes_file(draw, home / name, place / name)):
        assert found.path.is_relative_to(place.resolve())


def settings(draw: random.Random, home: Path, place: Path) -> None:
    json_file(draw, home / "settings.json", place / "settings.json")
    json_file(draw, home / "preset.json", place / "presets" / "p.json")
    desk = Desk(place)
    desk.recall_rack(lambda id: None)
    desk.presets.all()


TARGETS: tuple[Target, ...] = (sae, take, recording, bundle, bank, sound, run_file, table, settings)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target.__name__))
def test_what_is_nearly_right_is_used_or_refused(
    whole: Path, tmp_path: Path, request: pytest.FixtureRequest, target: Target
) -> None:
    for seed in range(20_000 if request.config.getoption("--long") else 40):
        place = tmp_path / str(seed)
        try:
            target(random.Random(f"{target.__name__} {seed}"), whole, place)
        except DrawbarError as error:
            said = str(error).replace(str(tmp_path), "")
            if len(said) > LONGEST:
                pytest.fail(f"seed {seed}: {said[:300]} ...")
        except Exception as error:
            raise AssertionError(f"{target.__name__}, seed {seed}: {error!r}"[:2000]) from error
        shutil.rmtree(place, ignore_errors=True)
