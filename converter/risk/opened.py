"""The verdict on a checkpoint that a reader has opened already: no byte is read again.

A reader reads what a loader reads; records beside that are for `converter.risk.scanner`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.containers.detection import Claim
from converter.risk.facts import (
    ArchiveFacts,
    Context,
    InputFacts,
    Origin,
    PickleFacts,
    PlacedAnomaly,
)
from converter.risk.scanner import judge_facts
from converter.risk.strings import is_blob
from converter.risk.survey import survey_of

if TYPE_CHECKING:
    from converter.anomaly import Anomaly
    from converter.checkpoint.canonical import Opened
    from converter.limits import Limits
    from converter.risk.report import FileReport

_STACKED: Final = re.compile(r"pickle at [0-9]+")
_PADDING: Final = b"\0 \t\r\n"
_SEARCHED_NBYTES: Final = 1 << 16
# What readers call their writers → what the archive is.
_ARCHIVES: Final = (
    ("TorchScript", "torchscript", Context.TORCHSCRIPT),
    ("torch.package", "torch_package", Context.PACKAGE),
    ("torch.export", "torch_export", Context.TORCH),
)
_PLAIN: Final = frozenset({"pickle", "npy", "npz"})


def judge_opened(opened: Opened, limits: Limits) -> FileReport:
    """Return what is to be thought of what a reader has read."""
    return judge_facts(facts_of(opened), limits=limits)


def facts_of(opened: Opened) -> InputFacts:
    """Return the facts of what a reader has read."""
    kind, context = _kind_of(opened)
    return InputFacts(
        name=opened.source.name,
        nbytes=opened.source.nbytes,
        claims=(Claim(opened.container, 0, "as it was read"),),
        pickles=tuple(
            PickleFacts(
                record=_record_of(opened, label),
                graph=graph,
                survey=survey_of(graph, is_blob),
                nbytes=graph.stop - graph.start,
                origin=Origin.STACKED if _STACKED.fullmatch(label) else Origin.MAIN,
                context=context,
            )
            for label, graph in opened.graphs
        ),
        archives=(ArchiveFacts(None, kind, 0),),
        anomalies=tuple(
            PlacedAnomaly(anomaly, None, kind)
            for anomaly in opened.anomalies
            if not _is_padding(opened, anomaly)
        ),
    )


def _record_of(opened: Opened, label: str) -> str | None:
    """Return the record that a reader's label stands for; a plain pickle is the file itself."""
    plain = opened.container == "pickle" and (label == "pickle" or _STACKED.fullmatch(label))
    return None if plain else label


def _kind_of(opened: Opened) -> tuple[str, Context]:
    if opened.container in _PLAIN:
        return opened.container, Context.PLAIN
    for writer, kind, context in _ARCHIVES:
        if (opened.writer or "").startswith(writer):
            return kind, context
    return "torch_save" if opened.container == "zip" else opened.container, Context.TORCH


def _is_padding(opened: Opened, anomaly: Anomaly) -> bool:
    """Return whether what follows a plain pickle is padding and nothing else."""
    if anomaly.code != "data_after_stop" or anomaly.record is not None or anomaly.offset is None:
        return False
    left = min(_SEARCHED_NBYTES, opened.source.nbytes - anomaly.offset)
    return left >= 0 and not opened.source.read_at(anomaly.offset, left).strip(_PADDING)
