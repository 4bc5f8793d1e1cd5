"""``depickle scan``: what pickles would do, judged."""

from __future__ import annotations

from typing import Any, Final

import click

from converter.cli.output_options import quiet_options
from converter.cli.scan_run import run_scan

_LEVELS: Final = ("unknown", "suspicious", "dangerous")


@click.command("scan", short_help="What its pickle would do; files and folders.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--fail-on",
    type=click.Choice(_LEVELS),
    default="unknown",
    show_default=True,
    help="From which verdict on the exit code is not 0; unreadable never is.",
)
@click.option("--explain", is_flag=True, help="Tell every pickle as pseudo-code, with offsets.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How the result is printed.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Scan in N processes; by default one a processor where there are hundreds of files.",
)
@quiet_options
def cmd_scan(paths: tuple[str, ...], **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Say of each file, and of every file in a folder, what loading it would do.

    Nothing of it is executed, and no tensor is read. Exit codes: 0 nothing from --fail-on upwards;
    11 unknown code, or it could not be told; 12 suspicious; 13 dangerous; 3 nothing to scan.
    """
    return run_scan(paths, chosen)
