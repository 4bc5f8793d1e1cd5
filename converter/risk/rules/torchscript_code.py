"""Code of a TorchScript archive that opens files or loads libraries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "torchscript-code"
# Operators of torch 2.13 that reach outside the process, and calls that load more code.
_OUTSIDE: Final = re.compile(
    r"\b(?:torch|ops\.aten|aten)\.(?:from_file|save|load)\b|\bload_library\b|\bops\.prim\.PythonOp\b"
)
_CUSTOM: Final = re.compile(r"\bops\.([A-Za-z_]\w*)\.")
_OWN: Final = frozenset(
    {"aten", "prim", "prims", "quantized", "_quantized", "sparse", "mkldnn", "cuda", "inductor"}
    | {"onednn", "xnnpack", "prepacked", "static_runtime", "debugprims", "c10d", "rngprims"}
)


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for code in case.facts.codes:
        match = _OUTSIDE.search(code.text)
        if match is not None:
            yield Finding(
                ID,
                Severity.DANGEROUS,
                Location(code.record, len(code.text[: match.start()].encode())),
                f"code of the archive uses {match[0]}, which reaches outside the model",
                Reach.LATENT,
                evidence=match[0],
            )
        custom = sorted({name for name in _CUSTOM.findall(code.text) if name not in _OWN})
        if custom:
            yield Finding(
                ID,
                Severity.UNKNOWN,
                Location(code.record, 0),
                f"code of the archive uses operators that torch does not have: {', '.join(custom)}",
                Reach.LATENT,
                evidence=custom[0],
            )
