"""Command-line words -> the stage they name; one file per group of commands, the only place that prints.

Nothing heavy is imported before a command runs. Results go to stdout, everything else (progress, notes,
errors) to stderr. Exit codes: 0 done, 1 a DrawbarError in one line, 2 wrong usage, 130 stopped by the user.
"""

import os
import sys
from collections.abc import Sequence

import typer

from drawbar.cli import (
    bench,
    blind,
    build,
    compose_and_analyse,
    concept_sliders,
    direction,
    evidence_report,
    features_and_bank,
    model,
    prove,
    render_and_doctor,
    report,
    verify,
    words,
)
from drawbar.cli.output import say
from drawbar.cli.research import horizon, review, study, variants
from drawbar.one_line import one_line

__all__ = ["app", "main"]

app = typer.Typer(
    name="drawbar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find, label, prove and play the concepts inside music generators. Without arguments: the window.",
)
app.add_typer(compose_and_analyse.app)
app.add_typer(build.app)
direction.app.command("from-words")(words.from_words)
features_and_bank.bank_app.command("starter")(words.starter)
app.add_typer(features_and_bank.features_app, name="features")
app.add_typer(features_and_bank.bank_app, name="bank")
app.add_typer(prove.app)
report.app.command("evidence")(evidence_report.report_evidence)
horizon.register(study.app, report.app)
app.add_typer(report.app, name="report")
app.add_typer(study.app, name="study")
app.add_typer(review.app, name="review")
app.add_typer(direction.app, name="direction")
app.add_typer(render_and_doctor.app)
app.add_typer(blind.app)
app.add_typer(model.models_app, name="model")
app.add_typer(verify.app)
app.command("sliders")(concept_sliders.sliders)
bench.app.command("steering-methods")(concept_sliders.bench_steering_methods)
bench.app.command("variants")(variants.bench_variants)
app.add_typer(bench.app, name="bench")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; what the user can cause ends in one line, not a traceback."""
    try:
        typer.main.get_command(app).main(
            args=list(sys.argv[1:] if argv is None else argv), prog_name="drawbar", standalone_mode=True
        )
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except BrokenPipeError:  # `drawbar ... | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        ending = one_line(error)
        if ending is None:
            raise
        say(ending[0])
        return ending[1]
    return 0
