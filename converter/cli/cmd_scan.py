"""``depickle scan``: what pickles would do, judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import converter
from converter.cli.exit_codes import ExitCode
from converter.cli.output_options import quiet_options, show
from converter.cli.progress_bar import progress_for
from converter.errors import SourceNotFoundError
from converter.reporting.sarif import sarif_log
from converter.reporting.scan_text import scan_text
from converter.risk.policy import reaches
from converter.risk.verdict import Verdict

if TYPE_CHECKING:
    from converter.reporting.scan_documents import ScanReport

_LEVELS: Final = ("unknown", "suspicious", "dangerous")
_CODES: Final = {
    Verdict.UNKNOWN: ExitCode.UNREADABLE,
    Verdict.UNREADABLE: ExitCode.UNREADABLE,
    Verdict.SUSPICIOUS: ExitCode.SUSPICIOUS,
    Verdict.DANGEROUS: ExitCode.DANGEROUS,
}


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
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        msg = f"no such file or folder: {missing[0]}"
        raise SourceNotFoundError(msg)
    progress = progress_for(wanted=not (chosen["quiet"] or chosen["no_progress"]))
    report = converter.scan(
        *paths, explained=chosen["explain"], progress=progress, jobs=chosen["jobs"]
    )
    if not report.files:
        msg = f"no file to scan: {paths[0]}"
        raise SourceNotFoundError(msg)
    if not chosen["quiet"]:
        _print(report, chosen["format_name"])
    return exit_code_of_scan(report, Verdict(chosen["fail_on"]))


def _print(report: ScanReport, format_name: str) -> None:
    if format_name == "sarif":
        click.echo(json.dumps(sarif_log(report), indent=2))
    else:
        show(lambda: scan_text(report), report, format_name)


def exit_code_of_scan(report: ScanReport, level: Verdict) -> ExitCode:
    """Return the code of the gravest verdict that counts."""
    verdicts = [Verdict(file.verdict) for file in report.files]
    counted = [verdict for verdict in verdicts if reaches(verdict, level)]
    if not counted:
        return ExitCode.DONE
    return _CODES[max(counted, key=lambda verdict: verdict.rank)]
