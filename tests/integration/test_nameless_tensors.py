"""Tensors of an object that its state_dict() does not name: kept in the document, or said."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

import converter
from converter.conversion import ConversionSettings
from converter.errors import FormatError, TensorError
from converter.limits import DEFAULT_LIMITS
from converter.writing import WriteOptions
from tests.conftest import REPOSITORY
from tests.support.command import depickle

if TYPE_CHECKING:
    from pathlib import Path

MODULE = REPOSITORY / "corpus" / "module" / "own_class.pt"
TOO_LARGE = ConversionSettings(limits=DEFAULT_LIMITS._replace(max_embedded_storage_bytes=3))


def names_of(path: Path) -> set[str]:
    raw = path.read_bytes()
    return set(json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])) - {"__metadata__"}


def nameless() -> str:
    facts = converter.open(MODULE).components["model"].module
    assert facts is not None
    (left,) = facts.left_out
    return left.path


def state_of(path: Path) -> Any:  # noqa: ANN401 - what the object held
    return converter.open(path).to_python().state


@pytest.mark.torch
def test_object_comes_back_whole_and_its_model_loads_as_a_model(tmp_path: Path) -> None:
    from tests.support.live_equality import difference

    report = converter.convert(MODULE, tmp_path / "a.safetensors")
    assert report.left_out == []
    assert nameless() not in names_of(tmp_path / "a.safetensors")
    converter.convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    for name in ("a", "b"):
        reason = difference(state_of(MODULE), state_of(tmp_path / f"{name}.safetensors"))
        assert reason is None
    converter.restore(tmp_path / "b.safetensors", tmp_path / "c.pt", allow_unsupported=True)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (WriteOptions(plain=True), None),
        (WriteOptions(include=("*weight",)), None),
        (WriteOptions(), TOO_LARGE),
    ],
    ids=["plain", "some left out by request", "too large"],
)
def test_what_is_not_kept_is_said(
    options: WriteOptions, settings: ConversionSettings | None, tmp_path: Path
) -> None:
    target = tmp_path / "a.safetensors"
    report = converter.convert(MODULE, target, options=options, settings=settings)
    assert nameless() in {one.name for one in report.left_out}
    if not options.plain:
        with pytest.raises(TensorError, match="left out"):
            converter.open(target).to_python()


def test_a_changed_byte_of_it_is_found(tmp_path: Path) -> None:
    target = tmp_path / "a"
    converter.convert(MODULE, target, options=WriteOptions(folder=True))
    assert converter.verify(MODULE, target).identical
    document, model = target / "checkpoint.depickle.json", target / "model.safetensors"
    before = document.read_bytes()
    after = before.replace(b'"data":"AAAAAA=="', b'"data":"AAAAAQ=="')
    assert after != before
    document.write_bytes(after)
    old, new = (hashlib.sha256(text).hexdigest().encode() for text in (before, after))
    model.write_bytes(model.read_bytes().replace(old, new))
    (found,) = converter.verify(MODULE, target).differences
    assert "other elements" in found.detail


def test_bytes_of_another_length_are_a_damaged_document(tmp_path: Path) -> None:
    target = tmp_path / "a"
    assert depickle("convert", MODULE, target).code == 0
    document = target / "checkpoint.depickle.json"
    found = json.loads(document.read_text(encoding="utf-8"))
    (kept,) = [one for one in found["storages"] if "data" in one]
    kept["nbytes"] += 1
    from converter.checkpoint.document import decode_document, restore_tree

    with pytest.raises((FormatError, TensorError), match="another length"):
        restore_tree(decode_document(json.dumps(found)), lambda *_: pytest.fail("asked first"))
