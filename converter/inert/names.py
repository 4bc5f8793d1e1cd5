"""One spelling for each name: Python 2 to 3, and where torch and numpy have moved things.

Strings only; nothing is imported for a name from a file. The Python mapping is CPython's own
(``_compat_pickle``, as data), which its unpickler applies below protocol 3.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from functools import lru_cache
from typing import Final

# torch's and numpy's modules that moved, old → today's (torch 2.13, numpy 2).
_MOVED_MODULES: Final = {
    "torch.tensor": "torch._tensor",
    "torch.nn.modules.container": "torch.nn.modules.container",
}
_MOVED_PREFIXES: Final = (
    ("numpy.core.", "numpy._core."),
    ("torch.nn.quantized.", "torch.ao.nn.quantized."),
    ("torch.nn.intrinsic.", "torch.ao.nn.intrinsic."),
    ("torch.nn.qat.", "torch.ao.nn.qat."),
    ("torch.quantization.", "torch.ao.quantization."),
)
_MOVED_NAMES: Final = {
    ("torch.nn.modules.linear", "_LinearWithBias"): (
        "torch.nn.modules.linear",
        "NonDynamicallyQuantizableLinear",
    ),
}


@lru_cache(maxsize=4096)
def canonical_name(module: str, name: str, protocol: int | None) -> tuple[str, str]:
    """Return (module, name) as today's Python, torch and numpy spell them.

    Args:
        module: as the stream has it.
        name: qualified name, as the stream has it.
        protocol: the stream's protocol; None where it does not say, which means 0 or 1.
    """
    if protocol is None or protocol < 3:
        if (module, name) in NAME_MAPPING:
            module, name = NAME_MAPPING[module, name]
        else:
            module = IMPORT_MAPPING.get(module, module)
    module = _MOVED_MODULES.get(module, module)
    for old, new in _MOVED_PREFIXES:
        if module.startswith(old):
            module = new + module[len(old) :]
            break
    return _MOVED_NAMES.get((module, name), (module, name))
