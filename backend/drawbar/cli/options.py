"""Options that several commands share, each with its one help text."""

from pathlib import Path
from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
ModelOption = Annotated[str, typer.Option("--model", help="embedded, a folder, or a Hugging Face name.")]
BankOption = Annotated[
    Path | None, typer.Option("--bank", help="A folder or an installed bank; else the embedded one.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.")]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", help="auto (fast enough here), float32, bfloat16, float16, int8, int4."),
]
FontOption = Annotated[Path | None, typer.Option("--soundfont", help="A General MIDI .sf2 file.")]
