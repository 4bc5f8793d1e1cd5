"""Canonical names."""

from __future__ import annotations

import importlib
import warnings

import pytest

from converter.inert.names import MOVED_NAMES, MOVED_PACKAGES, canonical_name


@pytest.mark.parametrize("protocol", [None, 0, 1, 2])
def test_python_2_names_below_protocol_3(protocol: int | None) -> None:
    assert canonical_name("__builtin__", "xrange", protocol) == ("builtins", "range")
    assert canonical_name("__builtin__", "eval", protocol) == ("builtins", "eval")
    assert canonical_name("cPickle", "loads", protocol) == ("pickle", "loads")
    assert canonical_name("commands", "getoutput", protocol) == ("subprocess", "getoutput")
    assert canonical_name("urllib2", "urlopen", protocol) == ("urllib.request", "urlopen")


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_python_2_names_stay_from_protocol_3_on(protocol: int) -> None:
    assert canonical_name("__builtin__", "eval", protocol) == ("__builtin__", "eval")
    assert canonical_name("cPickle", "loads", protocol) == ("cPickle", "loads")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("torch.tensor", "Tensor"), ("torch._tensor", "Tensor")),
        (("numpy.core", "x"), ("numpy._core", "x")),
        (("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")),
        (
            ("torch.nn.quantized.modules.linear", "Linear"),
            ("torch.ao.nn.quantized.modules.linear", "Linear"),
        ),
        (
            ("torch.nn.quantized._reference.modules.linear", "Linear"),
            ("torch.ao.nn.quantized.reference.modules.linear", "Linear"),
        ),
        (
            ("torch.nn.modules.linear", "_LinearWithBias"),
            ("torch.nn.modules.linear", "NonDynamicallyQuantizableLinear"),
        ),
        (("torch.storage", "_UntypedStorage"), ("torch.storage", "UntypedStorage")),
        (
            ("torch.distributed._tensor.api", "DTensor"),
            ("torch.distributed.tensor", "DTensor"),
        ),
        (("pathlib._local", "PosixPath"), ("pathlib", "PosixPath")),
    ],
)
def test_moved(old: tuple[str, str], new: tuple[str, str]) -> None:
    assert canonical_name(*old, 2) == new
    assert canonical_name(*old, 4) == new


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch", "tensor"),
        ("torch.tensors", "x"),
        ("numpy.core_extra", "x"),
        ("numpy._core", "x"),
        ("", ""),
        (".", "x"),
        ("torch.nn.modules.container", "Sequential"),
        ("os", "system"),
    ],
)
def test_unmoved(module: str, name: str) -> None:
    assert canonical_name(module, name, 2) == (module, name)


def test_canonical_is_final() -> None:
    for module in MOVED_PACKAGES:
        once = canonical_name(module, "x", 4)
        assert canonical_name(*once, 4) == once
    for old in MOVED_NAMES:
        once = canonical_name(*old, 4)
        assert canonical_name(*once, 4) == once


@pytest.mark.torch
def test_torch_still_has_every_new_name() -> None:
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in MOVED_PACKAGES.values():
            importlib.import_module(package)
        for module, name in MOVED_NAMES.values():
            assert hasattr(importlib.import_module(module), name)
