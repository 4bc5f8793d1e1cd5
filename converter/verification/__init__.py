"""The doubt: its own header decoder and element addressing, comparing both sides' bytes."""

from __future__ import annotations

from converter.verification.differences import Difference, DifferenceKind
from converter.verification.header import OutputHeader, OutputTensor, read_header
from converter.verification.torch_oracle import OracleReport, OracleVerdict, compare_with_torch
from converter.verification.verifier import (
    ExpectedTensor,
    VerificationReport,
    verify_checkpoints,
    verify_output,
)

__all__ = [
    "Difference",
    "DifferenceKind",
    "ExpectedTensor",
    "OracleReport",
    "OracleVerdict",
    "OutputHeader",
    "OutputTensor",
    "VerificationReport",
    "compare_with_torch",
    "read_header",
    "verify_checkpoints",
    "verify_output",
]
