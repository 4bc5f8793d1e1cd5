"""What each known call of a pickle would have built, one file per owner of the call."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from converter.readers.rebuild import (
    numpy_values,
    plain_values,
    torch_composites,
    torch_names,
    torch_tensors,
    torchscript_calls,
)
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.checkpoint.values import Value
    from converter.readers.rebuild.rebuilder import Builder

__all__ = ["BUILDERS", "NAMES", "NotThisShapeError", "Rebuilder"]

BUILDERS: Final[Mapping[tuple[str, str], Builder]] = MappingProxyType(
    {
        **plain_values.BUILDERS,
        **torch_names.BUILDERS,
        **torch_tensors.BUILDERS,
        **torch_composites.BUILDERS,
        **numpy_values.BUILDERS,
        **torchscript_calls.BUILDERS,
    }
)
"""Canonical (module, name) of a call → what it would have built."""

NAMES: Final[Mapping[tuple[str, str], Value]] = MappingProxyType(
    {**plain_values.NAMES, **torch_names.NAMES}
)
"""Canonical (module, name) of a bare global → its value."""
