"""A bank's evidence -> counts, a headline table, and one HTML file that a musician can read and play."""

from drawbar.evidence.report.content import Content, collect
from drawbar.evidence.report.page import page, shown
from drawbar.evidence.report.tables import markdown

__all__ = ["Content", "collect", "markdown", "page", "shown"]
