"""JSON Schemas of the versioned documents, made from the types that write and read them.

``python -m converter.reporting.schemas schemas`` writes them all into a folder.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from converter.checkpoint.document_types import CheckpointDocument
from converter.checkpoint.tree_types import PairForm, TextForm, ValueForm
from converter.reporting.diff_documents import DiffReport
from converter.reporting.documents import (
    ConversionReport,
    FingerprintReport,
    InspectionReport,
    VerificationReport,
)
from converter.reporting.migration import MigrationReport
from converter.reporting.report_examples import (
    CONVERSION_EXAMPLE,
    DIFF_EXAMPLE,
    FINGERPRINT_EXAMPLE,
    INSPECTION_EXAMPLE,
    MIGRATION_EXAMPLE,
    RESTORATION_EXAMPLE,
    VERIFICATION_EXAMPLE,
)
from converter.reporting.restoration import RestorationReport
from converter.reporting.scan_documents import ScanReport
from converter.reporting.scan_example import SCAN_EXAMPLE
from converter.reporting.schema_examples import CHECKPOINT_EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_LINE_LENGTH: Final = 96
_PREFIX: Final = "#/$defs/"
_BASE64_PATTERN: Final = "^[A-Za-z0-9+/]*={0,2}$"
_ATTRIBUTE: Final = re.compile(r"^    (\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DocumentSchema:
    """One kind of document, and one row of `DOCUMENTS`.

    Attributes:
        name: with its version; the schema is ``<name>.json``, the document's own ``schema`` field
            says ``depickle/<name>``.
        type: what is encoded and decoded.
        description: one sentence for who meets the document without its program.
        examples: small documents that a person can read.
        parts: type aliases with a title, which the schema names once instead of repeating.
    """

    name: str
    type: type[msgspec.Struct]
    description: str
    examples: tuple[msgspec.Struct, ...] = ()
    parts: tuple[Any, ...] = ()


DOCUMENTS: Final = (
    DocumentSchema(
        "checkpoint-v1",
        CheckpointDocument,
        "Everything a PyTorch checkpoint holds except the bytes of its tensors, as depickle keeps "
        "it beside them in safetensors: names, order, types, sharing, and every other value.",
        examples=(CHECKPOINT_EXAMPLE,),
        parts=(ValueForm, TextForm, PairForm),
    ),
    DocumentSchema(
        "inspection-report-v1",
        InspectionReport,
        "What a checkpoint holds, as `depickle inspect --format json` prints it.",
        examples=(INSPECTION_EXAMPLE,),
    ),
    DocumentSchema(
        "conversion-report-v1",
        ConversionReport,
        "What a conversion did, as `depickle convert --format json` prints it.",
        examples=(CONVERSION_EXAMPLE,),
    ),
    DocumentSchema(
        "verification-report-v1",
        VerificationReport,
        "How two checkpoints differ bit for bit, as `depickle verify --format json` prints it.",
        examples=(VERIFICATION_EXAMPLE,),
    ),
    DocumentSchema(
        "fingerprint-report-v1",
        FingerprintReport,
        "Whether a checkpoint has a fingerprint, as `depickle verify --fingerprint` prints it "
        "with `--format json`.",
        examples=(FINGERPRINT_EXAMPLE,),
    ),
    DocumentSchema(
        "diff-report-v1",
        DiffReport,
        "What loading one checkpoint where another is expected would meet, as `depickle diff "
        "--format json` prints it.",
        examples=(DIFF_EXAMPLE,),
    ),
    DocumentSchema(
        "restoration-report-v1",
        RestorationReport,
        "What writing a checkpoint for weights-only loading did, as `depickle restore --format "
        "json` prints it.",
        examples=(RESTORATION_EXAMPLE,),
    ),
    DocumentSchema(
        "migration-report-v1",
        MigrationReport,
        "What became of every file of a folder of checkpoints, as `depickle migrate --format json` "
        "prints it.",
        examples=(MIGRATION_EXAMPLE,),
    ),
    DocumentSchema(
        "scan-report-v1",
        ScanReport,
        "What loading some checkpoints would do: a verdict for each file, and every finding it "
        "rests on with its place, as `depickle scan --format json` prints it.",
        examples=(SCAN_EXAMPLE,),
    ),
)
"""Every document that has a schema."""


def json_schema(document: DocumentSchema) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a document."""
    (root, *parts), defs = msgspec.json.schema_components(
        (document.type, *document.parts), ref_template=f"{_PREFIX}{{name}}"
    )
    named = {part["title"]: part for part in parts}
    defs = {**named, **defs}
    schemas = [inner for schema in defs.values() for inner in _walk(schema)]
    for schema in schemas:
        _describe(schema)
        _tidy(schema)
    for schema in schemas:
        _replace_parts(schema, named)
    body = defs.pop(root["$ref"].removeprefix(_PREFIX))
    heading = {
        "$schema": DIALECT,
        "$id": f"urn:depickle:{document.name}",
        "title": f"depickle/{document.name}",
        "description": document.description,
        "examples": [msgspec.to_builtins(example) for example in document.examples],
    }
    body = {key: value for key, value in body.items() if key not in heading}
    return {**heading, **body, "$defs": dict(sorted(defs.items()))}


def schema_text(document: DocumentSchema) -> str:
    """Return the schema as it stands in its file."""
    return _lay_out(json_schema(document), "") + "\n"


def write_schemas(folder: Path) -> None:
    """Write the schema of every document into a folder."""
    for document in DOCUMENTS:
        path = folder / f"{document.name}.json"
        path.write_text(schema_text(document), encoding="utf-8", newline="\n")


def main(arguments: Sequence[str]) -> None:
    """Write all schemas into the folder that is named."""
    (folder,) = arguments
    write_schemas(Path(folder))


def _lay_out(value: object, indent: str) -> str:
    """Return JSON for people: on one line what fits there."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _LINE_LENGTH or not isinstance(value, (dict, list)):
        return line
    inner = f"{indent}  "
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {_lay_out(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(f"{inner}{line}" for line in lines) + f"\n{indent}}}"
    lines = [_lay_out(item, inner) for item in value]
    return "[\n" + ",\n".join(f"{inner}{line}" for line in lines) + f"\n{indent}]"


def _walk(schema: object) -> Iterator[Schema]:
    """Yield a schema and all schemas inside it, the inner ones first."""
    if isinstance(schema, list):
        for item in schema:
            yield from _walk(item)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key not in {"examples", "default", "enum"}:
                yield from _walk(value)
        yield schema


def _describe(schema: Schema) -> None:
    """Move what a docstring says of attributes to the properties."""
    text = schema.get("description")
    if not isinstance(text, str):
        return
    text, _, attributes = inspect.cleandoc(text).partition("\n\nAttributes:\n")
    schema["description"] = text
    for name, words in _ATTRIBUTE.findall(attributes):
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", " ".join(words.split()))


def _tidy(schema: Schema) -> None:
    """Say the same with less: no nested alternatives, no keyword of other dialects."""
    tags = schema.pop("discriminator", None)
    if schema.get("contentEncoding") == "base64":
        schema["pattern"] = _BASE64_PATTERN
    enum = schema.get("enum")
    if isinstance(enum, list) and len(enum) == 1:
        schema["const"] = schema.pop("enum")[0]
    if "anyOf" in schema:
        schema["anyOf"] = [
            inner
            for choice in schema["anyOf"]
            for inner in (choice["anyOf"] if set(choice) == {"anyOf"} else [choice])
        ]
        _join_types(schema)
    if tags is not None:
        schema.pop("anyOf")
        schema.update(_told_apart(tags["propertyName"], tags["mapping"]))


def _join_types(schema: Schema) -> None:
    """Ask first for the type, where at most one alternative says more of a value than that."""
    plain = [choice["type"] for choice in schema["anyOf"] if set(choice) == {"type"}]
    others = [choice for choice in schema["anyOf"] if set(choice) != {"type"}]
    if len(others) == 1 and others[0].get("type") == "object" and "allOf" in others[0]:
        del schema["anyOf"]
        schema["type"] = [*plain, "object"]
        schema["if"] = {"type": "object"}
        schema["then"] = {key: value for key, value in others[0].items() if key != "type"}


def _told_apart(field: str, forms: dict[str, str]) -> Schema:
    """Return the schema of objects whose one field says which of several forms they have.

    A validator that tries every form at every level needs time that grows exponentially with the
    nesting; told where to look, it needs one way down.
    """
    return {
        "type": "object",
        "properties": {field: {"enum": list(forms)}},
        "required": [field],
        "allOf": [
            {"if": {"properties": {field: {"const": tag}}}, "then": {"$ref": reference}}
            for tag, reference in forms.items()
        ],
    }


def _replace_parts(schema: Schema, named: dict[str, Schema]) -> None:
    """Put references in the place of the parts inside a schema; keep what is said of the place."""
    for key, value in schema.items():
        if key == "properties":
            schema[key] = {name: _reference(inner, named) for name, inner in value.items()}
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            schema[key] = _reference(value, named)
        elif key in {"anyOf", "prefixItems"}:
            schema[key] = [_reference(inner, named) for inner in value]


def _reference(schema: Schema, named: dict[str, Schema]) -> Schema:
    title = schema.get("title")
    part = named.get(title) if isinstance(title, str) else None
    if part is None or part is schema:
        return schema
    said: Schema = {
        key: schema[key]
        for key in ("description", "examples", "default")
        if key in schema and (key not in part or schema[key] != part[key])
    }
    return {"$ref": f"{_PREFIX}{title}", **said}


if __name__ == "__main__":
    main(sys.argv[1:])
