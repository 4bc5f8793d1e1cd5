"""``depickle convert``: a checkpoint to verified safetensors."""

from __future__ import annotations

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
from converter.conversion import SUFFIX, ConversionSettings
from converter.reporting.text import conversion_text
from converter.risk.policy import policy_of


@click.command(
    "convert", short_help="DST.safetensors: one file. DST/: one file per component. Verified."
)
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("destination", metavar="DST", type=click.Path())
@selection_options
@click.option("--no-verify", is_flag=True, help="Do not read and compare both sides afterwards.")
@click.option(
    "--oracle",
    type=click.Choice(["torch"]),
    help="Also compare with torch.load(weights_only=True), where torch takes the file.",
)
@click.option(
    "--allow",
    type=click.Choice(["suspicious", "dangerous"]),
    help="Convert although loading SRC itself would be that; converting runs nothing of it.",
)
@click.option("--replace", is_flag=True, help="Replace an existing output.")
@click.option("--fingerprint", is_flag=True, help="Read the output again for its fingerprints.")
@format_option
@quiet_options
def cmd_convert(source: str, destination: str, **chosen: Any) -> int:  # noqa: ANN401 - click's
    """Convert SRC to safetensors and compare the result with SRC, bit for bit.

    DST.safetensors becomes one file; any other DST becomes a folder with one file for each
    component, or several and an index with --max-shard-size. Nothing of SRC is executed, and SRC
    is not changed.
    """
    options = write_options(chosen, folder=not destination.endswith(SUFFIX))
    settings = ConversionSettings(
        verify=not chosen["no_verify"],
        oracle=chosen["oracle"] == "torch",
        replace=chosen["replace"],
        fingerprint=chosen["fingerprint"],
        policy=policy_of([chosen["allow"]] if chosen["allow"] else []),
    )
    progress = progress_for(chosen)
    report = converter.convert(
        source, destination, options=options, settings=settings, progress=progress
    )
    if not chosen["quiet"]:
        show(lambda: conversion_text(report), report, chosen["format_name"])
    if report.verification is not None and not report.verification.identical:
        return ExitCode.DIFFERS
    return ExitCode.DONE
