"""``depickle restore``: the way back to a file that torch loads."""

from __future__ import annotations

from typing import Any

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import format_option, quiet_options, show
from converter.cli.progress_bar import progress_for
from converter.reporting.restoration import restoration_text


@click.command("restore", short_help="The way back: a file for torch.load(weights_only=True).")
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("destination", metavar="DST", type=click.Path())
@click.option(
    "--allow-unsupported",
    is_flag=True,
    help="Write what weights-only loading does not take as plain data.",
)
@click.option("--replace", is_flag=True, help="Replace an existing output.")
@format_option
@quiet_options
def cmd_restore(source: str, destination: str, **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Write SRC as DST, a file that torch.load(weights_only=True) takes, and read it again.

    SRC is a converted checkpoint or one of any other kind. What such a file cannot hold (dates,
    paths, numpy arrays, objects of other classes) is refused, or written as plain data.
    """
    report = converter.restore(
        source,
        destination,
        allow_unsupported=chosen["allow_unsupported"],
        replace=chosen["replace"],
        progress=progress_for(chosen),
    )
    if not chosen["quiet"]:
        show(lambda: restoration_text(report), report, chosen["format_name"])
    return ExitCode.DONE if report.verification.identical else ExitCode.DIFFERS
