"""``depickle inspect``: what is in a checkpoint."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import format_option, quiet_options, show
from converter.cli.progress_bar import progress_for
from converter.reporting.text import inspection_text


@click.command(
    "inspect",
    short_help="What is in it: container, style, components, tensors, values, printed modules.",
)
@click.argument("path", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Cut no table short.")
@click.option(
    "--fingerprint", is_flag=True, help="Read all tensors, for fingerprints of their content."
)
@format_option
@quiet_options
def cmd_inspect(path: str, *, everything: bool, fingerprint: bool, **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Show what is in a checkpoint: container, style, components, tensors, values, names.

    Nothing is executed and, but for a fingerprint, no tensor is read.
    """
    progress = progress_for(chosen)
    report = converter.inspect(path, fingerprint=fingerprint, progress=progress)
    if not chosen["quiet"]:
        text = partial(inspection_text, report, everything=everything)
        show(text, report, chosen["format_name"])
    return ExitCode.DONE if report.error is None else ExitCode.UNREADABLE
