"""``depickle verify``: two checkpoints, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import (
    format_option,
    quiet_options,
    selection_options,
    show,
    write_options,
)
from converter.cli.progress_bar import progress_for
from converter.conversion import ConversionSettings
from converter.reporting.fingerprints import fingerprint_text
from converter.reporting.text import verification_text
from converter.writing.options import WriteOptions


@click.command("verify", short_help="Bit for bit, by reading both again.")
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("output", metavar="[DST]", type=click.Path(), required=False)
@selection_options
@click.option(
    "--fingerprint",
    metavar="HEX",
    help="Instead of a DST: SRC, or a component of it, must have this fingerprint.",
)
@click.option(
    "--oracle",
    type=click.Choice(["torch"]),
    help="Also compare SRC with torch.load(weights_only=True), where torch takes the file.",
)
@format_option
@quiet_options
def cmd_verify(source: str, output: str | None, **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Compare SRC with DST, bit for bit: its conversion, or any other checkpoint.

    In a conversion of SRC the metadata and all values that are no tensors are compared as well.

    Give the options that DST was converted with, if there were any. With --fingerprint there is
    no DST: what `inspect --fingerprint` said of a checkpoint is looked for in SRC.
    """
    if (output is None) == (chosen["fingerprint"] is None):
        msg = "verify takes either DST or --fingerprint HEX"
        raise click.UsageError(msg)
    if output is None:
        return _check_fingerprint(source, chosen)
    options = write_options(chosen, folder=Path(output).is_dir())
    settings = ConversionSettings(oracle=chosen["oracle"] == "torch")
    report = converter.verify(
        source,
        output,
        options=None if options == WriteOptions(folder=options.folder) else options,
        settings=settings,
        progress=progress_for(chosen),
    )
    if not chosen["quiet"]:
        show(lambda: verification_text(report), report, chosen["format_name"])
    return ExitCode.DONE if report.identical else ExitCode.DIFFERS


def _check_fingerprint(source: str, chosen: dict[str, Any]) -> int:
    """Look for a fingerprint in one file; options about a DST have no place here."""
    if write_options(chosen, folder=False) != WriteOptions() or chosen["oracle"]:
        msg = "--fingerprint takes no options about what was written"
        raise click.UsageError(msg)
    progress = progress_for(chosen)
    report = converter.verify_fingerprint(source, chosen["fingerprint"], progress=progress)
    if not chosen["quiet"]:
        show(lambda: fingerprint_text(report), report, chosen["format_name"])
    return ExitCode.DONE if report.matches else ExitCode.DIFFERS
