"""Writing checkpoints as safetensors: plan, then gather, then sink."""

from __future__ import annotations

from converter.writing.document import attach_document
from converter.writing.gather import TensorBytes, stream_tensor
from converter.writing.layout import AliasPlan, EntryPlan, FilePlan, OutputPlan, Sidecar
from converter.writing.names import Renamed
from converter.writing.options import DEFAULT_OPTIONS, WriteOptions
from converter.writing.output import write_output
from converter.writing.plan import plan_output
from converter.writing.safetensors_file import write_file
from converter.writing.selection import LeftOut

__all__ = [
    "DEFAULT_OPTIONS",
    "AliasPlan",
    "EntryPlan",
    "FilePlan",
    "LeftOut",
    "OutputPlan",
    "Renamed",
    "Sidecar",
    "TensorBytes",
    "WriteOptions",
    "attach_document",
    "plan_output",
    "stream_tensor",
    "write_file",
    "write_output",
]
