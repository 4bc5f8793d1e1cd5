"""The components of a checkpoint are a sequence and a mapping at once."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened


def test_components_by_place_and_by_name() -> None:
    model = Component("model", ComponentKind.MODEL, ("net",), None, {})
    optimizer = Component("optimizer", ComponentKind.OPTIMIZER, ("optim",), None, {})
    opened = Opened(MemorySource(b"", "made"), "zip")
    components = Checkpoint(opened, "bundle", [model, optimizer]).components
    assert list(components) == [model, optimizer]
    assert components[0] is components["model"] is model
    assert components[1:] == (optimizer,)
    assert dict(components) == {"model": model, "optimizer": optimizer}
    assert components.items() == [("model", model), ("optimizer", optimizer)]
    assert components.values() == [model, optimizer]
    with pytest.raises(KeyError, match="scheduler"):
        components["scheduler"]
