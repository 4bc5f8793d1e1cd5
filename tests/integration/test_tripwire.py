"""A pickle that would act when loaded is read and converted, and nothing happens."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
import safetensors.numpy

import converter
from converter.conversion import ConversionSettings
from converter.errors import RefusedError
from converter.risk.policy import policy_of
from tests.support.pickles import tensor_opcodes, torch_zip, tripwire_pickle, would_call

if TYPE_CHECKING:
    from pathlib import Path


def test_payload_is_read_and_not_executed(tmp_path: Path) -> None:
    marker = tmp_path / "tripwire"
    pickle = tripwire_pickle(marker, around=tensor_opcodes("0", 2))
    assert would_call(pickle, "posix", "mkdir")
    source = tmp_path / "hostile.pt"
    source.write_bytes(torch_zip(pickle, {"0": struct.pack("<2f", 1.5, -2.0)}))

    picture = converter.inspect(source)
    names = {line.name: line.called for line in picture.names}
    assert names["posix.mkdir"] is True
    assert converter.scan(source).verdict == "dangerous"
    with pytest.raises(RefusedError, match=r"dangerous: .* posix\.mkdir is called by REDUCE"):
        converter.convert(source, tmp_path / "out.safetensors")
    settings = ConversionSettings(policy=policy_of(["dangerous"]))
    report = converter.convert(source, tmp_path / "out.safetensors", settings=settings)

    assert not marker.exists()
    assert report.verification is not None
    assert report.verification.identical
    written = safetensors.numpy.load_file(tmp_path / "out.safetensors")
    assert [array.tolist() for array in written.values()] == [[1.5, -2.0]]
