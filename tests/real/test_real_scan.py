"""Other people's checkpoints are neither suspicious nor dangerous, and weights_only is foretold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from converter.risk.scanner import scan_file
from tests.support.real_checkpoints import fetch, read_table

if TYPE_CHECKING:
    from tests.support.real_checkpoints import RealCheckpoint

pytestmark = pytest.mark.network

# ONNX files have no signature that tells them from any other bytes.
OTHERS = (".onnx",)
ROWS = [row for row in read_table() if not row.path.endswith(OTHERS)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_verdict(row: RealCheckpoint) -> None:
    report = scan_file(fetch(row.package, row.version, row.path))
    assert report.verdict in ("safe", "unknown")
    assert (report.verdict == "unknown") == bool(report.imports)
    if row.container.endswith("torch.save") and report.weights_only is not None:
        assert report.weights_only == (row.weights_only == "ok")
