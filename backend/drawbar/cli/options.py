"""Options that several commands share, each with its one help text."""

from pathlib import Path
from typing import Annotated

import typer

from drawbar.files.destination import check_file, check_folder

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
ModelOption = Annotated[str, typer.Option("--model", help="embedded, a folder, or a Hugging Face name.")]
BankOption = Annotated[
    Path | None, typer.Option("--bank", help="A folder or an installed bank; else the embedded one.")
]


def device_here(name: str | None) -> str | None:
    """Refused before the work where there is no such device; for `cpu` nothing is loaded. Raises DeviceError."""
    if name not in (None, "cpu"):
        from drawbar.musicgen.checkpoint import memory_needed

        memory_needed.device_here(str(name))
    return name


DeviceOption = Annotated[str, typer.Option("--device", callback=device_here, help="cpu, cuda, cuda:1, mps.")]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision", help="auto (fast enough here), float32, bfloat16, float16, kv8, kv4, int8, int4."
    ),
]
FontOption = Annotated[Path | None, typer.Option("--soundfont", help="A General MIDI .sf2 file.")]
OnOption = Annotated[
    str | None, typer.Option("--on", help="Workers on Ray: local-ray[:N], HOST:PORT, ray://HOST:PORT.")
]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="At most, with --on.")]
PublicOption = Annotated[
    bool, typer.Option("--allow-public-address", help="Whoever reaches a Ray cluster can run code on it.")
]


def file_to_write(path: Path | None) -> Path | None:
    """An option's callback: a file can be written there, said before any work. Raises BadInputError, DiskError."""
    if path is not None:
        check_file(path)
    return path


def run_to_write(place: str | None) -> str | None:
    """A run's folder can be written there. An object store (``s3://...``) is tried when it is opened."""
    if place is not None and "://" not in place:
        check_folder(Path(place))
    return place


def folder_to_write(path: Path | None) -> Path | None:
    """A folder can be written there (see ``file_to_write``)."""
    if path is not None:
        check_folder(path)
    return path
