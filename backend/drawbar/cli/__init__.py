"""Command-line words -> the stage they name; one file per group of commands, the only place that prints.

Nothing heavy is imported before a command runs. Results go to stdout, everything else (progress, notes,
errors) to stderr. Exit codes: 0 done, 1 a DrawbarError in one line, 2 wrong usage, 130 stopped by the user.
"""

import os
import sys
from collections.abc import Sequence

import typer

from drawbar.cli import (
    banks,
    bench_variants,
    building,
    directions,
    discovery,
    ears,
    evidence_report,
    horizon,
    horizon_study,
    models,
    playing,
    proving,
    reports,
    reviewing,
    verifying,
)
from drawbar.cli.shared import say
from drawbar.errors import CancelledError, DrawbarError

__all__ = ["app", "main"]

app = typer.Typer(
    name="drawbar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find, label, prove and play the concepts inside music generators. Without arguments: the window.",
)
app.add_typer(discovery.app)
app.add_typer(building.app)
app.add_typer(banks.features_app, name="features")
app.add_typer(banks.bank_app, name="bank")
app.add_typer(proving.app)
reports.app.command("evidence")(evidence_report.report_evidence)
horizon_study.register(horizon.app, reports.app)
app.add_typer(reports.app, name="report")
app.add_typer(horizon.app, name="study")
app.add_typer(reviewing.app, name="review")
app.add_typer(directions.app, name="direction")
app.add_typer(playing.app)
app.add_typer(ears.app)
app.add_typer(models.models_app, name="model")
app.add_typer(verifying.app)
app.add_typer(bench_variants.app, name="bench")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what the user can cause ends in one line, not a traceback."""
    try:
        typer.main.get_command(app).main(
            args=list(sys.argv[1:] if argv is None else argv), prog_name="drawbar", standalone_mode=True
        )
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except (CancelledError, KeyboardInterrupt):
        say("stopped")
        return 130
    except DrawbarError as error:
        say(f"drawbar: {' '.join(str(error).split())}")
        return 1
    except BrokenPipeError:  # `drawbar ... | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0
