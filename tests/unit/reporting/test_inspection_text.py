"""What `inspect` shows of a pickled model and of the source a legacy file carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import converter
from converter.reporting.terminal_text import count_text, printable, size_text
from converter.reporting.text import inspection_text
from converter.writing.options import WriteOptions

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("zipped", [True, False])
def test_module_is_printed_as_torch_prints_it(tmp_path: Path, *, zipped: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout(0.25)).eval()
    path = tmp_path / "model.pt"
    torch.save(model, path, _use_new_zipfile_serialization=zipped)
    picture = converter.inspect(path)
    (module,) = picture.modules
    assert module.printed == repr(model)
    assert module.certainty == "certain"
    assert module.evaluating == ["", "0", "1"]
    text = inspection_text(picture)
    assert "as print() would show it" in text
    assert "(1): Dropout(p=0.25, inplace=False)" in text
    assert "_forward_hooks" not in text


def test_legacy_file_shows_the_source_it_carries(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 3), path, _use_new_zipfile_serialization=False)
    picture = converter.inspect(path)
    (source,) = picture.class_sources
    assert source.class_name == "torch.nn.modules.linear.Linear"
    assert source.source is not None
    assert source.source.startswith("class Linear(Module):")
    assert "source of 1 torch class; --all shows it" in inspection_text(picture)
    assert "class Linear(Module):" in inspection_text(picture, everything=True)


def test_left_out_tensor_is_named(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 3)
    model.register_buffer("scratch", torch.ones(2), persistent=False)
    path = tmp_path / "model.pt"
    torch.save(model, path)
    (module,) = converter.inspect(path).modules
    assert [text.split(" ")[0] for text in module.left_out] == ["scratch"]
    plain = WriteOptions(plain=True)
    report = converter.convert(path, tmp_path / "model.safetensors", options=plain)
    assert [item.name for item in report.left_out] == ["scratch"]


def test_advice_stands_below_the_error(tmp_path: Path) -> None:
    path = tmp_path / "short.pt"
    torch.save(torch.ones(4), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-1])
    picture = converter.inspect(path)
    assert picture.advice is not None
    lines = inspection_text(picture).split("\n")
    place = lines.index(f"error: {picture.error}")
    assert lines[place + 1] == f"  {picture.advice}"


def test_texts_for_people() -> None:
    assert [count_text(1, "class"), count_text(2, "class"), count_text(3, "tensor")] == [
        "1 class",
        "2 classes",
        "3 tensors",
    ]
    assert [size_text(0), size_text(1), size_text(1536), size_text(5 << 30)] == [
        "0 bytes",
        "1 byte",
        "1.5 KiB",
        "5.0 GiB",
    ]
    assert printable("a\x1b[0m\u202eb\ud800") == "a\\x1b[0m\\u202eb\\ud800"
