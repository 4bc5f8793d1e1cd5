"""One spelling for each name: Python 2 to 3, and where torch and numpy have moved things.

Strings only; nothing is imported for a name from a file. The Python mapping is CPython's own
(``_compat_pickle``, as data), which its unpickler applies below protocol 3. What is mapped here
beyond that is the same object under an older name: the new name is what a loader would reach.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MOVED_PACKAGES: Final = {
    # numpy 2.0 made the package private and left the old one as an alias.
    "numpy.core": "numpy._core",
    # torch 1.12 and 1.13 moved quantisation below torch.ao; the old modules import from there.
    "torch.nn.intrinsic": "torch.ao.nn.intrinsic",
    "torch.nn.qat": "torch.ao.nn.qat",
    "torch.nn.quantizable": "torch.ao.nn.quantizable",
    "torch.nn.quantized": "torch.ao.nn.quantized",
    "torch.nn.quantized._reference": "torch.ao.nn.quantized.reference",
    "torch.quantization": "torch.ao.quantization",
    # torch 2.5 published it.
    "torch.distributed._tensor": "torch.distributed.tensor",
    # torch 1.11 moved both.
    "torch.distributed._sharded_tensor": "torch.distributed._shard.sharded_tensor",
    "torch.distributed._sharding_spec": "torch.distributed._shard.sharding_spec",
    # torch 1.8 renamed the module, which hid behind the function of the same name.
    "torch.tensor": "torch._tensor",
    # Python 3.13 only.
    "pathlib._local": "pathlib",
}
"""Packages and modules, old to new; whatever lies below them has moved with them."""

MOVED_NAMES: Final = {
    ("torch.distributed.tensor.api", "DTensor"): ("torch.distributed.tensor", "DTensor"),
    ("torch.nn.modules.linear", "_LinearWithBias"): (
        "torch.nn.modules.linear",
        "NonDynamicallyQuantizableLinear",
    ),
    ("torch.storage", "_TypedStorage"): ("torch.storage", "TypedStorage"),
    ("torch.storage", "_UntypedStorage"): ("torch.storage", "UntypedStorage"),
    ("torch._C", "_TensorBase"): ("torch._C", "TensorBase"),
}
"""Single names, old to new, in modules that are called by their new name already."""


@lru_cache(maxsize=4096)
def canonical_name(module: str, name: str, protocol: int | None) -> tuple[str, str]:
    """Return (module, name) as today's Python, torch and numpy spell them.

    Args:
        module: as the stream has it.
        name: qualified name, as the stream has it.
        protocol: the stream's protocol; None where it does not say, which means 0 or 1.
    """
    if protocol is None or protocol < 3:
        module, name = NAME_MAPPING.get((module, name)) or (
            IMPORT_MAPPING.get(module, module),
            name,
        )
    module = _moved_module(module)
    return MOVED_NAMES.get((module, name), (module, name))


def _moved_module(module: str) -> str:
    """Return where `module` is today, by the longest part of it that has moved."""
    package = module
    while package:
        if package in MOVED_PACKAGES:
            return MOVED_PACKAGES[package] + module[len(package) :]
        package = package.rpartition(".")[0]
    return module
