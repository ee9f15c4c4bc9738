"""Templates -> text in which nothing that comes from outside is markup; they travel with the program."""

import re
import subprocess
import sys
import xml.dom.minidom
import zipfile
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from drawbar.bench.figure import dot_plot
from drawbar.markup import Drawing, render, shape
from drawbar.research.horizon.plots import curve, forest, scatter
from tests.test_packaging import ROOT

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=y>&amp;"


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text('<p title="{{ words }}">{{ words }}</p>{{ drawing }}', encoding="utf-8")
    drawing = Drawing(HOSTILE, 10, 10, [shape("text", HOSTILE, words=HOSTILE, title=HOSTILE, fill=HOSTILE)])
    text = render(template, words=HOSTILE, drawing=drawing)
    page = xml.dom.minidom.parseString(f"<html>{text}</html>")
    names = {node.tagName for node in page.getElementsByTagName("*")}
    assert names == {"html", "p", "svg", "text", "title"}
    assert page.getElementsByTagName("p")[0].getAttribute("title") == HOSTILE
    words = page.getElementsByTagName("text")[0]
    assert (words.getAttribute("class"), words.getAttribute("fill")) == (HOSTILE, HOSTILE)


def test_a_value_that_is_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ nothing }}", encoding="utf-8")
    with pytest.raises(UndefinedError, match="nothing"):
        render(tmp_path / "page.html")


def test_every_drawing_holds_hostile_names_as_text() -> None:
    drawings = [
        dot_plot({HOSTILE: {HOSTILE: 0.7}}, [HOSTILE], title=HOSTILE, marks=[0.9]),
        forest([(HOSTILE, 0.5, 0.4, 0.6, "own")], low=0.3, high=0.9, line=0.5, caption=HOSTILE).__html__(),
        curve([(0.6, 0.5, 0.4, 0.6), (0.7, 0.9, 0.8, 1.0)], across=HOSTILE, up=HOSTILE).__html__(),
        scatter([(0.1, 0.2)], (0.2, 0.3), (0.3, 0.1), across=HOSTILE, up=HOSTILE).__html__(),
    ]
    for drawing in drawings:
        names = {node.tagName for node in xml.dom.minidom.parseString(drawing).getElementsByTagName("*")}
        assert names <= {"svg", "line", "circle", "rect", "text", "polygon", "polyline"}


def test_no_module_writes_markup_by_hand() -> None:
    sources = [path for folder in ("backend", "desktop") for path in (ROOT / folder).rglob("*.py")]
    closing = re.compile(r"</(?!s>)\w")  # </s> is a token of the text encoder
    assert [path for path in sources if closing.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.slow
def test_the_wheel_holds_every_template_and_table(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT / "backend").as_posix()
        for path in (ROOT / "backend" / "drawbar").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert "drawbar/evidence/report/templates/page.html" in wanted
    assert wanted <= packed


def test_the_frozen_app_takes_them_along() -> None:
    spec = (ROOT / "packaging" / "drawbar.spec").read_text(encoding="utf-8")
    assert 'collect_data_files("drawbar")' in spec
