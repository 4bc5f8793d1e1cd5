"""Code of a TorchScript archive that opens files or loads libraries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "torchscript-code"
# What may stand around a dot: spaces, a continued line, in brackets a comment.
_GAP: Final = r"(?:\s|\\|#[^\n]*\n)*"
_DOT: Final = rf"{_GAP}\.{_GAP}"
# Operators of torch 2.13 that reach outside the process, and calls that load more code.
_OUTSIDE: Final = re.compile(
    rf"\b(?:torch|aten){_DOT}(?:from_file|save|load)\b|\bload_library\b"
    rf"|\bops{_DOT}prim{_DOT}(?:PythonOp|rpc_\w+)\b|\brpc_(?:async|sync|remote){_GAP}\("
)
_CUSTOM: Final = re.compile(rf"\bops{_DOT}([A-Za-z_]\w*){_DOT}")
# `torch`, `ops` or a group of operators by itself, as for another name or for getattr: torch's
# printer writes the operator behind it, always.
_ALIASED: Final = re.compile(rf"(?<![\w.])(?:torch|ops(?:{_DOT}\w+)?)\b(?!{_GAP}\.)")
_TEXTS: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|\'\'\'(?:\\.|[^\\])*?\'\'\'|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*',
    re.DOTALL,
)
_OWN: Final = frozenset(
    {"aten", "prim", "prims", "quantized", "_quantized", "sparse", "mkldnn", "cuda", "inductor"}
    | {"onednn", "xnnpack", "prepacked", "static_runtime", "debugprims", "c10d", "rngprims"}
)


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for code in case.facts.codes:
        match = _OUTSIDE.search(code.text)
        if match is not None:
            name = re.sub(_GAP, "", match[0])
            yield Finding(
                ID,
                Severity.DANGEROUS,
                Location(code.record, len(code.text[: match.start()].encode())),
                f"code of the archive uses {name}, which reaches outside the model",
                Reach.LATENT,
                evidence=name,
            )
        aliased = _ALIASED.search(_TEXTS.sub(_blank, code.text))
        if aliased is not None:
            yield Finding(
                ID,
                Severity.SUSPICIOUS,
                Location(code.record, len(code.text[: aliased.start()].encode())),
                f"code of the archive hands {aliased[0]} on, so that what it calls is not told",
                Reach.LATENT,
                evidence=aliased[0],
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


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
