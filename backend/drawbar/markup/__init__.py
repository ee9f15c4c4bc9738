"""HTML and SVG from Jinja2 templates in which every value is escaped; knows nothing of what is told.

A template lies in the folder ``templates`` beside the module that fills it.
"""

from drawbar.markup.drawing import Drawing, Shape, shape
from drawbar.markup.rendering import render

__all__ = ["Drawing", "Shape", "render", "shape"]
