"""A template's file and its values -> text; values are escaped, a missing one is an error."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(template: Path, filters: Mapping[str, Callable[..., str]] | None = None, **values: object) -> str:
    """Fill a template; it finds what it includes in its own folder. Raises jinja2's UndefinedError.

    ``filters`` are the folder's: every page of a folder is given the same ones.
    """
    environment = _environment(template.parent)
    environment.filters.update(filters or {})
    return environment.get_template(template.name).render(values)


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
