"""Classes that exist only here: what a pickled model names and nobody else can import."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

MODULE_NAME: Final = "depickle_invented"
CLASS_NAMES: Final = ("Net", "Block", "Head", "Net.Inner")


def invented_class(name: str) -> type[torch.nn.Module]:
    """Return the subclass of ``torch.nn.Module`` of a name, made when first asked for.

    It lives in a module of its own, `MODULE_NAME`, so that `torch.save` finds it again.

    Args:
        name: a class, or ``Outer.Inner`` for one inside another.
    """
    home: Any = sys.modules.setdefault(MODULE_NAME, types.ModuleType(MODULE_NAME))
    *outside, last = name.split(".")
    for outer in outside:
        home = invented_class(outer)
    found = vars(home).get(last)
    if found is None:
        import torch

        found = type(last, (torch.nn.Module,), {"__module__": MODULE_NAME, "__qualname__": name})
        setattr(home, last, found)
    made: type[torch.nn.Module] = found
    return made
