"""Shows examples that torch itself cannot print, so that a failing one does not hide its failure.

torch has no ``repr`` for the tensors of some types (``bits16``, in 2.13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis.vendor import pretty

if TYPE_CHECKING:
    import torch


def shown_tensor(tensor: torch.Tensor) -> str:
    """Return what torch prints, or type and size where it prints nothing."""
    try:
        return repr(tensor)
    except (NotImplementedError, RuntimeError):
        return f"tensor(..., size={tuple(tensor.shape)}, dtype={tensor.dtype})"


def _show(tensor: torch.Tensor, printer: Any, cycle: bool) -> None:  # noqa: ANN401, ARG001, FBT001 - Hypothesis's protocol
    printer.text(shown_tensor(tensor))


def show_tensors() -> None:
    """Have Hypothesis print tensors so; torch need not be imported."""
    pretty.for_type_by_name("torch", "Tensor", _show)
    pretty.for_type_by_name("torch.nn.parameter", "Parameter", _show)
