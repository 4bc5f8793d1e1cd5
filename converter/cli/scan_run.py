"""What ``depickle scan`` does once its arguments are known.

Apart from click and from the documents, which both take longer to import than a small file takes
to scan: they come with the options that need them.
"""

from __future__ import annotations

import os

from converter.cli.exit_codes import ExitCode
from converter.cli.progress_bar import progress_for
from converter.errors import SourceNotFoundError
from converter.reporting.scan_text import scan_text
from converter.reporting.scanning import file_reports_of
from converter.risk.policy import reaches
from converter.risk.verdict import Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Final

    from converter.risk.report import FileReport

DEFAULTS: Final[Mapping[str, Any]] = {
    "fail_on": "unknown",
    "explain": False,
    "format_name": "text",
    "jobs": None,
    "quiet": False,
    "no_progress": False,
    "verbose": False,
}
"""Every option of the command, as it is where it is not given."""

_CODES: Final = {
    Verdict.UNKNOWN: ExitCode.UNREADABLE,
    Verdict.UNREADABLE: ExitCode.UNREADABLE,
    Verdict.SUSPICIOUS: ExitCode.SUSPICIOUS,
    Verdict.DANGEROUS: ExitCode.DANGEROUS,
}


def run_scan(paths: Sequence[str], chosen: Mapping[str, Any] = DEFAULTS) -> ExitCode:
    """Scan, print the result in the form that was chosen, and return the exit code.

    Raises:
        SourceNotFoundError: there is nothing to scan.
    """
    for path in paths:
        if not os.path.exists(path):  # noqa: PTH110 - pathlib takes as long to import as a scan
            msg = f"no such file or folder: {path}"
            raise SourceNotFoundError(msg)
    progress = progress_for(chosen)
    reports = file_reports_of(
        paths, explained=chosen["explain"], progress=progress, jobs=chosen["jobs"]
    )
    if not reports:
        msg = f"no file to scan: {paths[0]}"
        raise SourceNotFoundError(msg)
    if not chosen["quiet"]:
        print(_told(reports, chosen["format_name"]), flush=True)
    verdicts = (report.verdict for report in reports)
    return exit_code_of_scan(verdicts, Verdict(chosen["fail_on"]))


def _told(reports: list[FileReport], format_name: str) -> str:
    if format_name == "text":
        return scan_text(reports)
    from converter.reporting.scan_documents import scan_report

    report = scan_report(reports)
    if format_name == "sarif":
        import json

        from converter.reporting.sarif import sarif_log

        return json.dumps(sarif_log(report), indent=2)
    from converter.cli.output_options import json_text

    return json_text(report)


def exit_code_of_scan(verdicts: Iterable[Verdict], level: Verdict) -> ExitCode:
    """Return the code of the gravest verdict that counts."""
    counted = [verdict for verdict in set(verdicts) if reaches(verdict, level)]
    if not counted:
        return ExitCode.DONE
    return _CODES[max(counted, key=lambda verdict: verdict.rank)]
