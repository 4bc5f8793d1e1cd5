"""``depickle inspect``: what is in a checkpoint."""

from __future__ import annotations

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import format_option, show
from converter.reporting.text import inspection_text


@click.command("inspect", short_help="What is in it.")
@click.argument("path", type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Cut no table short.")
@format_option
def cmd_inspect(path: str, *, everything: bool, format_name: str) -> int:
    """Show what is in a checkpoint: container, style, components, tensors, values, names.

    Nothing is executed and no tensor is read.
    """
    report = converter.inspect(path)
    show(lambda: inspection_text(report, everything=everything), report, format_name)
    return ExitCode.DONE if report.error is None else ExitCode.UNREADABLE
