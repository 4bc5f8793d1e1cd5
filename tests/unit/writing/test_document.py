"""Tests of where a document is kept."""

from __future__ import annotations

import hashlib
import json

import pytest

from converter.errors import LimitError, PlanError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.document import attach_document
from converter.writing.layout import OutputPlan
from converter.writing.options import WriteOptions
from converter.writing.plan import plan_output
from tests.unit.writing.made import checkpoint, floats

DOCUMENT = '{"é": 1}'
NBYTES = len(DOCUMENT.encode())


def plan_of(*, plain: bool = False, folder: bool = False) -> OutputPlan:
    made = checkpoint(model={"w": floats()}, ema={"w": floats()})
    options = WriteOptions(plain=plain, folder=folder)
    return plan_output(made, options, DEFAULT_LIMITS, file_name="x.safetensors")


def test_small_document_is_embedded() -> None:
    plan = attach_document(plan_of(), DOCUMENT, Limits(max_embedded_document_bytes=NBYTES))
    (file,) = plan.files
    assert plan.sidecar is None
    assert dict(file.metadata) == {
        "format": "pt",
        "depickle.document": DOCUMENT,
        "depickle.document.sha256": hashlib.sha256(DOCUMENT.encode()).hexdigest(),
    }
    assert json.loads(file.header[8:])["__metadata__"]["depickle.document"] == DOCUMENT


def test_large_document_goes_beside_the_file() -> None:
    plan = attach_document(plan_of(), DOCUMENT, Limits(max_embedded_document_bytes=NBYTES - 1))
    assert plan.sidecar is not None
    digest = hashlib.sha256(DOCUMENT.encode()).hexdigest()
    assert plan.sidecar.file_name == f"x.safetensors.{digest[:12]}.depickle.json"
    assert plan.sidecar.content == DOCUMENT.encode()
    assert dict(plan.files[0].metadata) == {
        "format": "pt",
        "depickle.document.sha256": hashlib.sha256(DOCUMENT.encode()).hexdigest(),
        "depickle.document.file": plan.sidecar.file_name,
    }


def test_document_of_a_folder_stands_beside_its_files() -> None:
    plan = attach_document(plan_of(folder=True), DOCUMENT, DEFAULT_LIMITS)
    assert plan.sidecar is not None
    assert plan.sidecar.file_name == "checkpoint.depickle.json"
    for file in plan.files:
        assert file.metadata["depickle.document.file"] == "checkpoint.depickle.json"


def test_offsets_do_not_move() -> None:
    plan = plan_of()
    assert attach_document(plan, DOCUMENT, DEFAULT_LIMITS).files[0].entries == plan.files[0].entries


def test_plain_output_holds_none() -> None:
    with pytest.raises(PlanError, match="plain"):
        attach_document(plan_of(plain=True), DOCUMENT, DEFAULT_LIMITS)


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_second_document_is_refused(limit: int) -> None:
    limits = Limits(max_embedded_document_bytes=limit)
    plan = attach_document(plan_of(), DOCUMENT, limits)
    with pytest.raises(PlanError, match="already"):
        attach_document(plan, DOCUMENT, limits)


def test_header_limit_holds_for_the_document_too() -> None:
    with pytest.raises(LimitError):
        attach_document(plan_of(), "x" * 500, Limits(max_header_bytes=500))
