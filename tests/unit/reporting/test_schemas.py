"""The schemas: in step with the types, true of every document, and no more lenient than needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings

from converter.byteio.source import MemorySource
from converter.checkpoint.document import (
    decode_document,
    document_to_json,
    encode_document,
    restore_tree,
)
from converter.checkpoint.values import Value
from converter.errors import FormatError
from converter.reporting.schema_examples import CHECKPOINT_EXAMPLE
from converter.reporting.schemas import (
    DIALECT,
    DOCUMENTS,
    DocumentSchema,
    json_schema,
    schema_text,
    write_schemas,
)
from corpus.manifest import MANIFEST_DOCUMENT
from tests.unit.checkpoint.value_trees import checkpoint_of, value_trees

SCHEMAS = Path(__file__).parents[3] / "schemas"
EVERY = (*DOCUMENTS, MANIFEST_DOCUMENT)
COMMANDS = ("converter.reporting.schemas", "corpus.manifest")
ROWS = pytest.mark.parametrize("document", EVERY, ids=lambda document: document.name)


def validator(name: str) -> Any:  # noqa: ANN401 - jsonschema has no annotations
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


CHECKPOINT = validator("checkpoint-v1")


@ROWS
def test_the_file_is_in_step_with_the_type(document: DocumentSchema) -> None:
    committed = (SCHEMAS / f"{document.name}.json").read_text(encoding="utf-8")
    hint = " and ".join(f"python -m {module} schemas" for module in COMMANDS)
    assert committed == schema_text(document), f"run: {hint}"


def test_every_file_belongs_to_a_document() -> None:
    files = {path.stem for path in SCHEMAS.glob("*.json")}
    assert files == {document.name for document in EVERY}


def test_the_readme_names_every_document() -> None:
    text = (SCHEMAS / "README.md").read_text(encoding="utf-8")
    assert [d.name for d in EVERY if f"`{d.name}.json`" not in text] == []


@ROWS
def test_the_schema_is_one(document: DocumentSchema) -> None:
    schema = json_schema(document)
    assert schema["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(schema)


@ROWS
def test_the_examples_are_valid_and_can_be_read(document: DocumentSchema) -> None:
    for example in document.examples:
        plain = json.loads(msgspec.json.encode(example))
        validator(document.name).validate(plain)
        assert plain["schema"] == f"depickle/{document.name}"
        assert msgspec.json.decode(msgspec.json.encode(example), type=document.type) == example


def test_the_checkpoint_example_can_be_restored() -> None:
    def lookup(name: str, _: str | None) -> MemorySource:
        return MemorySource(bytes(400_000 if "embed" in name else 4_000), name)

    restored = restore_tree(CHECKPOINT_EXAMPLE, lookup)
    model = restored.components[0]
    assert model.tensors["embed.weight"].storage is model.tensors["head.weight"].storage


def test_every_document_has_examples() -> None:
    assert [document.name for document in EVERY if not document.examples] == []


def test_time_to_validate_grows_with_the_size_and_not_with_the_nesting() -> None:
    """Tried form by form, tuples in tuples cost twice as much at every level: 2^60 in all."""
    value: Any = {"type": "frozenset", "items": []}
    for _ in range(60):
        value = {"type": "tuple", "items": [value]}
    document = json.loads(document_to_json(CHECKPOINT_EXAMPLE)) | {"root": value}
    CHECKPOINT.validate(document)


@given(value_trees())
@settings(max_examples=50)
def test_every_document_is_valid(root: Value) -> None:
    checkpoint = checkpoint_of(root)
    names = {name: name for name in checkpoint.tensors()}
    CHECKPOINT.validate(json.loads(document_to_json(encode_document(checkpoint, names))))


BROKEN: dict[str, Any] = {
    "another schema": {"schema": "depickle/checkpoint-v2"},
    "no producer": {"producer": None},
    "unknown field": {"more": 1},
    "unknown type of value": {"root": {"type": "pickle", "items": []}},
    "value without a type": {"root": {"items": []}},
    "bare array as a value": {"root": [1, 2]},
    "list without items": {"root": {"type": "list"}},
    "pair of three": {"root": {"type": "dict", "entries": [[1, 2, 3]]}},
    "unknown field of a value": {"root": {"type": "ref", "id": 0, "name": "x"}},
    "negative reference": {"root": {"type": "ref", "id": -1}},
    "seven bytes of a float": {"root": {"type": "float", "bits": "7ff00000000000"}},
    "words for an int": {"root": {"type": "int", "value": "many"}},
    "a hundred thousand digits": {"root": {"type": "int", "value": "9" * 100_000}},
    "no base64": {"root": {"type": "bytes", "base64": "*"}},
    "no latin-1": {"root": {"type": "bytestring", "latin1": "\u0100"}},
    "unknown kind": {
        "components": [{"name": "a", "kind": "b", "path": [], "value": 1, "tensors": []}]
    },
    "negative size": {"tensors": [{"name": "a", "dtype": "int8", "shape": [-1], "storage": 0}]},
    "a float as size": {"tensors": [{"name": "a", "dtype": "int8", "shape": [1.5], "storage": 0}]},
    "storage without a dtype": {"storages": [{"key": "0", "nbytes": 1, "location": "cpu"}]},
    "aliases of no text": {"aliases": {"a": 1}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_schema_and_decoder_refuse_a_broken_document(name: str) -> None:
    document = json.loads(document_to_json(CHECKPOINT_EXAMPLE))
    CHECKPOINT.validate(document)
    document.update(BROKEN[name])
    assert not CHECKPOINT.is_valid(document)
    with pytest.raises(FormatError):
        decode_document(json.dumps(document))


def test_the_commands_write_what_is_committed(tmp_path: Path) -> None:
    for module in COMMANDS:
        command = [sys.executable, "-m", module, str(tmp_path)]
        subprocess.run(command, check=True, cwd=SCHEMAS.parent)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in SCHEMAS.glob("*.json")
    }


def test_writing_replaces_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-v1.json").write_text("old")
    write_schemas(tmp_path)
    assert json.loads((tmp_path / "checkpoint-v1.json").read_text(encoding="utf-8"))


class Inner(msgspec.Struct):
    """Something inside.

    More is said here.

    Attributes:
        name: what it is called,
            in two lines.
        count: how many.
        total: a property of the class that is no field.
    """

    name: str
    count: Annotated[int, msgspec.Meta(description="said elsewhere")] = 0


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    """Something outside."""

    schema: Literal["depickle/outer-v1"]
    inside: list[Inner]


def test_descriptions_come_from_docstrings() -> None:
    schema = json_schema(DocumentSchema("outer-v1", Outer, "An outer document."))
    assert schema["description"] == "An outer document."
    assert schema["properties"]["schema"] == {"const": "depickle/outer-v1"}
    inner = schema["$defs"]["Inner"]
    assert inner["description"] == "Something inside.\n\nMore is said here."
    assert set(inner["properties"]) == {"name", "count"}
    assert inner["properties"]["name"]["description"] == "what it is called, in two lines."
    assert inner["properties"]["count"]["description"] == "said elsewhere"
