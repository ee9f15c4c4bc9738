"""The frozen app: what its spec leaves out, what its lock holds, its desktop entry, and the app where it was built."""

import configparser
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"


def freeze() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drawbar_freeze", PACKAGING / "freeze.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def locked() -> set[str]:
    text = (PACKAGING / "requirements-freeze.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9][a-z0-9.-]*)==", text, re.MULTILINE))


def test_nothing_under_the_agpl_goes_into_the_frozen_app() -> None:
    names = locked()
    assert {"pyinstaller", "python-rtmidi", "pyside6-essentials", "torch"} <= names
    assert not names & {"essentia", "audiocraft", "encodec", "laion-clap", "pytest", "mypy"}
    text = (PACKAGING / "drawbar.spec").read_text(encoding="utf-8")
    for name in ("essentia", "audiocraft", "encodec", "laion_clap", "triton"):
        assert f'"{name}"' in text, f"the spec does not exclude {name}"
        assert name in freeze().FORBIDDEN


def test_cuda_is_left_out_of_the_environment_where_its_licence_forbids_passing_it_on() -> None:
    text = (
        "torch==2.11.0 ; m \\\n    --hash=sha256:00\nnvidia-cudnn-cu13==9 \\\n    --hash=sha256:01\n"
        "triton==3.6.0\ntorchcodec==1\nnumpy==1.26.4 \\\n    --hash=sha256:02\n# end\n"
    )
    kept, torch = freeze().pins(text, without_cuda=True)
    assert [line.split("==")[0] for line in kept] == ["torchcodec", "numpy"]
    assert torch == "2.11.0"
    assert len(freeze().pins(text, without_cuda=False)[0]) == 5


@pytest.mark.parametrize("name", ["libcudart.so.13", "libcudnn.so.9", "libtorch_cuda.so", "libnvrtc.so.13"])
def test_the_smoke_test_knows_cuda_when_it_sees_it(name: str) -> None:
    assert freeze().CUDA.match(name)
    assert not freeze().CUDA.match("libcurl.so.4")


def test_the_desktop_entry_names_a_program_an_icon_and_where_it_belongs() -> None:
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment,method-assign]
    entry.read(PACKAGING / "drawbar.desktop", encoding="utf-8")
    values = entry["Desktop Entry"]
    assert values["Type"] == "Application"
    assert values["Exec"].split()[0] == "drawbar"
    assert "Audio" in values["Categories"].split(";")
    assert values["StartupWMClass"] == "drawbar", (
        "as the window calls itself, so that the dock shows one icon"
    )
    icon = ElementTree.parse(PACKAGING / f"{values['Icon']}.svg").getroot()
    assert icon.get("viewBox") == "0 0 128 128"


def test_the_frozen_program_finds_what_was_packed_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("drawbar_frozen_main", PACKAGING / "frozen_main.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setenv("DRAWBAR_ASSETS", "")
    monkeypatch.delenv("DRAWBAR_ASSETS")
    monkeypatch.setattr("drawbar_desktop.__main__.main", lambda: 0)
    assert module.main() == 0
    from drawbar.paths import assets_dir

    assert assets_dir() == tmp_path / "assets"


@pytest.mark.slow
def test_the_frozen_app_starts_on_a_bare_machine_and_makes_music() -> None:
    module = freeze()
    program = module.DIST / "drawbar"
    if not program.exists():
        pytest.skip("there is no frozen app here: python packaging/freeze.py builds it")
    assert module.smoke(program) == 0
