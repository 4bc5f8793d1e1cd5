"""Other people's whole models and framework checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import safetensors.numpy

import converter
from converter.writing.options import WriteOptions
from tests.support.real_checkpoints import fetch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network


@pytest.mark.parametrize("model", ["human_gut_model", "chicken_caecum_model"])
def test_whole_model_equals_the_state_dict_published_later(model: str, tmp_path: Path) -> None:
    """SemiBin 2.1.0 ships pickled models; 2.6.0 ships the state_dicts of the same models.

    The names and bytes recovered from the pickled object, whose class is not installed, are those
    that the authors published later: a proof that nobody here wrote.
    """
    whole = fetch("SemiBin", "2.1.0", f"SemiBin/models/{model}.pt")
    later = fetch("SemiBin", "2.6.0", f"SemiBin/models/{model}.pt")
    converter.convert(whole, tmp_path / "whole.safetensors")
    options = WriteOptions(components=("model",))
    converter.convert(later, tmp_path / "later.safetensors", options=options)
    recovered = safetensors.numpy.load_file(tmp_path / "whole.safetensors")
    published = safetensors.numpy.load_file(tmp_path / "later.safetensors")
    assert len(recovered) == 32
    assert recovered.keys() == published.keys()
    for name, array in recovered.items():
        assert array.dtype == published[name].dtype
        assert array.tobytes() == published[name].tobytes(), name


@pytest.mark.parametrize(
    ("package", "version", "inside", "style", "layout", "count"),
    [
        ("whisperx", "3.8.6", "whisperx/assets/pytorch_model.bin", "bundle", "Lightning", 160),
        (
            "admet-ai",
            "1.4.0",
            "admet_ai/resources/models/admet_classification/model_0.pt",
            "bundle",
            None,
            9,
        ),
        (
            "admet-ai",
            "1.4.0",
            "admet_ai/resources/models/admet_regression/model_0.pt",
            "bundle",
            None,
            9,
        ),
    ],
)
def test_bundles_that_torch_refuses(  # noqa: PLR0913, PLR0917 - a row of the table
    package: str,
    version: str,
    inside: str,
    style: str,
    layout: str | None,
    count: int,
    tmp_path: Path,
) -> None:
    path = fetch(package, version, inside)
    checkpoint = converter.open(path)
    checkpoint.close()
    assert checkpoint.style == style
    assert (checkpoint.layout or "").startswith(layout or "")
    # One tensor object may stand in two places; the table counts objects.
    found = {id(t) for t in checkpoint.tensors().values() if t.class_name != "numpy.ndarray"}
    assert len(found) == count
    report = converter.convert(path, tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical


def test_namespace_without_tensors(tmp_path: Path) -> None:
    inside = "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/training_args.bin"
    path = fetch("rxnmapper", "0.4.3", inside)
    picture = converter.inspect(path)
    assert picture.tensors == []
    assert any(line.path == "learning_rate" for line in picture.values)
    assert converter.convert(path, tmp_path / "args.safetensors").tensors == 0
