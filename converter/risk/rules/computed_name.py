"""Names and callables that only come about while the pickle runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.inert.nodes import ByteString
from converter.risk.finding import Finding, Reach, Severity, shortened
from converter.risk.observed import Weight, weighed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case, PickleCase

ID: Final = "computed-name"
_OPERANDS: Final = 2
WEIGHTS: Final = {
    "global_name_computed": Weight(
        Severity.DANGEROUS, "a name is computed by the pickle itself", Reach.EXECUTABLE
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from pickle.findings_of_uses(ID)
        yield from _byte_names(pickle)
    yield from weighed_streams(case, ID, WEIGHTS)


def _byte_names(pickle: PickleCase) -> Iterator[Finding]:
    """Yield a finding where STACK_GLOBAL meets byte strings, which end our reading.

    CPython decodes the strings of Python 2 as ASCII and goes on; no pickler mixes the two.
    """
    operands = pickle.graph.leftover[-2:]
    if pickle.graph.error is None or len(operands) != _OPERANDS:
        return
    if any(type(item) is ByteString for item in operands) and all(
        isinstance(item, (str, ByteString)) for item in operands
    ):
        module, name = (
            item.decode("latin-1") if isinstance(item, bytes) else str(item) for item in operands
        )
        yield Finding(
            ID,
            Severity.DANGEROUS,
            pickle.locate(pickle.graph.error.offset),
            shortened(f"{module}.{name} is named by strings of Python 2"),
            Reach.EXECUTABLE,
            evidence=shortened(f"{module}.{name}"),
        )
