"""``depickle diff``: what loading one checkpoint where another is expected would meet."""

from __future__ import annotations

from typing import Any

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import format_option, quiet_options, show
from converter.cli.progress_bar import progress_for
from converter.reporting.diff_text import diff_text


@click.command(
    "diff",
    short_help="Missing, unexpected, reshaped, retyped, changed: what load_state_dict would meet.",
)
@click.argument("a", metavar="A", type=click.Path())
@click.argument("b", metavar="B", type=click.Path())
@click.option("--no-values", is_flag=True, help="Compare names, shapes and dtypes only.")
@click.option("--all", "everything", is_flag=True, help="Cut no list short.")
@format_option
@quiet_options
def cmd_diff(a: str, b: str, **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Show how the tensors of B differ from those of A.

    A is what you have (the names and shapes that your model expects), B is what you would load
    into it: tensors that are missing, unexpected, reshaped, retyped or changed, and the options
    of `convert` that would make more of the names agree.
    """
    report = converter.diff(
        a,
        b,
        values=not chosen["no_values"],
        progress=progress_for(chosen),
    )
    if not chosen["quiet"]:
        show(
            lambda: diff_text(report, everything=chosen["everything"]),
            report,
            chosen["format_name"],
        )
    return ExitCode.DONE if report.same else ExitCode.DIFFERS
