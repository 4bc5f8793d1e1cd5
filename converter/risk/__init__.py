"""What a pickle would do, judged: facts, rules, verdict, policy."""

from __future__ import annotations

from converter.risk.policy import Policy
from converter.risk.report import FileReport, Scan
from converter.risk.scanner import scan_file, scan_paths
from converter.risk.verdict import Verdict

__all__ = ["FileReport", "Policy", "Scan", "Verdict", "scan_file", "scan_paths"]
