"""Small files in which more ways lead to a tensor than anybody can walk.

Each of these took minutes or forever, or gigabytes, before what is walked over again was counted.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

import converter
from converter.errors import LimitError
from converter.limits import Limits
from converter.readers.opening import open_checkpoint
from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMITS = Limits(max_shared_values=2_000, max_names_chars=1_000_000)
TENSOR = tensor_opcodes("0", 4)


def _put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def _get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def _dict(entries: dict[str, bytes]) -> bytes:
    """Return the opcodes of what goes into a dict that is on the stack."""
    return b"(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def _module_state(parameters: dict[str, bytes], modules: dict[str, bytes]) -> bytes:
    tables = {"_parameters": parameters, "_buffers": {}, "_modules": modules}
    made = {name: b"}" + _dict(entries) for name, entries in tables.items()}
    return b"}" + _dict(made) + b"b"


def _each_holds_all_others(count: int, made: bytes, fill: Callable[..., bytes]) -> bytes:
    pickle = b"".join(made + _put(index) + b"0" for index in range(count))
    for index in range(count):
        own = {"w": TENSOR} if index == 0 else {}
        others = {f"k{other}": _get(other) for other in range(count) if other != index}
        pickle += _get(index) + fill(own, others) + b"0"
    return pickle + _get(0)


def _layers(count: int, fan: int) -> bytes:
    pickle = b"}" + _dict({"w": TENSOR}) + _put(0)
    for layer in range(1, count):
        pickle += b"0}" + _dict({f"k{way}": _get(layer - 1) for way in range(fan)}) + _put(layer)
    return pickle


def _saved(folder: Path, pickle: bytes) -> Path:
    path = folder / "model.pt"
    path.write_bytes(torch_zip(b"\x80\x02" + pickle + b".", {"0": bytes(16)}))
    return path


MODULE = b"ctorch.nn.modules.container\nSequential\n)\x81"
HOSTILE = {
    "dicts that all hold each other": _each_holds_all_others(
        12, b"}", lambda own, others: _dict(own | others)
    ),
    "modules that all hold each other": _each_holds_all_others(12, MODULE, _module_state),
    "dicts of the same dict, many times over": _layers(18, 10),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_more_ways_than_can_be_walked_are_over_a_limit(name: str, tmp_path: Path) -> None:
    path = _saved(tmp_path, HOSTILE[name])
    with pytest.raises(LimitError) as caught:
        open_checkpoint(path, limits=LIMITS)
    assert caught.value.limit == "max_shared_values"


def test_a_long_key_that_many_places_share_is_over_a_limit(tmp_path: Path) -> None:
    shared = b"}" + _dict({"y" * 100_000: TENSOR}) + _put(1) + b"0"
    path = _saved(tmp_path, shared + b"}" + _dict({f"a{way}": _get(1) for way in range(20)}))
    with pytest.raises(LimitError) as caught:
        open_checkpoint(path, limits=LIMITS)
    assert caught.value.limit == "max_names_chars"


def test_honest_sharing_is_named_for_every_way(tmp_path: Path) -> None:
    path = _saved(tmp_path, _layers(3, 10))
    report = converter.convert(path, tmp_path / "model.safetensors")
    assert report.tensors + len(report.aliases) == 100
