"""A small scan, as the example inside its schema."""

from __future__ import annotations

from typing import Final

from converter.reporting.scan_documents import FindingLine, PlaceLine, ScannedFile, ScanReport

# A pickled model whose class only its author's code has.
SCAN_EXAMPLE: Final = ScanReport(
    verdict="unknown",
    files=[
        ScannedFile(
            name="run.pth.tar",
            nbytes=1_600_455,
            container="torch_save",
            verdict="unknown",
            pickles=1,
            findings=[
                FindingLine(
                    rule="unknown-global",
                    severity="unknown",
                    reach="executable",
                    confidence="high",
                    message="mymodel.Net is called by NEWOBJ: code that is on no list",
                    place=PlaceLine(offset=19, record="run/data.pkl", path="root['model']"),
                    evidence="mymodel.Net",
                )
            ],
            imports=["mymodel.Net"],
            weights_only=False,
            refused_by_weights_only=["mymodel.Net"],
        )
    ],
)
