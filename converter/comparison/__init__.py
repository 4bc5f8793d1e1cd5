"""How two checkpoints differ, as loading the one where the other is would meet it."""

from __future__ import annotations

from converter.comparison.changes import ChangeKind, TensorChange
from converter.comparison.checkpoints import (
    CheckpointComparison,
    ComponentComparison,
    compare_checkpoints,
)
from converter.comparison.held_names import open_as_held
from converter.comparison.magnitudes import Magnitude
from converter.comparison.suggestions import Suggestion, Suggestions

__all__ = [
    "ChangeKind",
    "CheckpointComparison",
    "ComponentComparison",
    "Magnitude",
    "Suggestion",
    "Suggestions",
    "TensorChange",
    "compare_checkpoints",
    "open_as_held",
]
