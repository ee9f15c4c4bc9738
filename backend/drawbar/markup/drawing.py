"""Lines, circles, boxes, paths and words at places -> an SVG drawing; a template shows it as ``{{ drawing }}``.

Colours come from the classes of the page's style sheet, or from attributes where the drawing stands alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drawbar.markup.rendering import render

_TEMPLATE = Path(__file__).with_name("templates") / "drawing.svg"


@dataclass(frozen=True)
class Shape:
    """One element of a drawing; see :func:`shape`."""

    tag: str
    attributes: Mapping[str, str]
    words: str = ""
    title: str = ""


def shape(tag: str, kind: str = "", *, words: str = "", title: str = "", **attributes: float | str) -> Shape:
    """``kind`` is its class, ``title`` appears under the pointer; places are rounded to 0.1, ``_`` becomes ``-``."""
    named = {name.replace("_", "-"): _text(value) for name, value in attributes.items()}
    return Shape(tag, {"class": kind} | named if kind else named, words, title)


@dataclass(frozen=True)
class Drawing:
    """Shapes on a ground of ``width`` times ``height``, with a label for those who cannot see it."""

    label: str
    width: float
    height: float
    shapes: Sequence[Shape]
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Of the whole: a class, a font."""

    def __html__(self) -> str:
        return render(_TEMPLATE, drawing=self, width=_text(self.width), height=_text(self.height))


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{round(value, 1):g}"
