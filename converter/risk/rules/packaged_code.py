"""Code that an archive brings along, and that loading it would import or run."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "packaged-code"
# Where torch.package keeps the code of scripted modules, which is no Python.
_SCRIPTED: Final = "/.data/ts_code/"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    packaged = (
        code
        for code in case.facts.codes
        if code.native or (code.kind == "torch_package" and _SCRIPTED not in f"/{code.record}")
    )
    for code in islice(packaged, case.scan_limits.max_findings):
        what = "machine code" if code.native else "a Python module"
        yield Finding(
            ID,
            Severity.UNKNOWN,
            Location(code.record, 0),
            f"the archive brings {what} that loading it may run",
            Reach.EXECUTABLE,
            evidence=code.record,
        )
