"""The canonical checkpoint: storages and tensors by reference, the tree of values, components."""

from __future__ import annotations

from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Components
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef

__all__ = ["Checkpoint", "Component", "ComponentKind", "Components", "Storage", "TensorRef"]
