"""``depickle migrate``: every checkpoint of a folder to verified safetensors."""

from __future__ import annotations

from typing import Any

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import format_option, quiet_options, show
from converter.cli.progress_bar import progress_for
from converter.conversion import ConversionSettings
from converter.errors import SourceNotFoundError
from converter.reporting.migration import NO_CHECKPOINT, migration_text
from converter.risk.policy import policy_of


@click.command("migrate", short_help="A whole archive, resumable.")
@click.argument("root", metavar="ROOT", type=click.Path())
@click.argument("destination", metavar="DEST", type=click.Path())
@click.option("--no-verify", is_flag=True, help="Do not read and compare both sides afterwards.")
@click.option(
    "--allow",
    type=click.Choice(["suspicious", "dangerous"]),
    help="Convert although loading a source itself would be that; converting runs nothing of it.",
)
@click.option("--replace", is_flag=True, help="Convert again what has an output.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Convert in N processes; by default one a processor where there are files enough.",
)
@format_option
@quiet_options
def cmd_migrate(root: str, destination: str, **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Convert every checkpoint below ROOT to a safetensors file at the same place below DEST.

    Files are known by their content, and folders that are one checkpoint become one file. What
    cannot be converted is named and stops nothing. Run it again to go on: what has an output is
    left alone. Exit codes: 0 every checkpoint has an output; 21 some have not; 3 no checkpoint.
    """
    settings = ConversionSettings(
        verify=not chosen["no_verify"],
        replace=chosen["replace"],
        policy=policy_of([chosen["allow"]] if chosen["allow"] else []),
    )
    progress = progress_for(chosen)
    report = converter.migrate(
        root, destination, settings=settings, jobs=chosen["jobs"], progress=progress
    )
    if all(file.outcome == NO_CHECKPOINT for file in report.files):
        msg = f"no checkpoint to migrate: {root}"
        raise SourceNotFoundError(msg)
    if not chosen["quiet"]:
        show(lambda: migration_text(report), report, chosen["format_name"])
    return ExitCode.DONE if report.complete else ExitCode.UNFINISHED
