"""The versioned documents that commands print: frozen shapes, apart from the internal types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from converter.anomaly import Anomaly

INSPECTION_SCHEMA: Final = "depickle/inspection-report-v1"
CONVERSION_SCHEMA: Final = "depickle/conversion-report-v1"
VERIFICATION_SCHEMA: Final = "depickle/verification-report-v1"
FINGERPRINT_SCHEMA: Final = "depickle/fingerprint-report-v1"


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all documents share: immutable, built by keyword, defaults left out."""


class SourceFacts(Frozen, frozen=True):
    """The input.

    Attributes:
        name: path as given.
        nbytes: size in bytes.
        container: kind of file.
        writer: which releases write such files, if known.
    """

    name: str
    nbytes: int
    container: str
    writer: str | None = None


class Observation(Frozen, frozen=True):
    """Something odd that was survived.

    Attributes:
        code: stable name.
        detail: one sentence.
        record: record it was seen in.
        offset: position in bytes inside the record or the source.
    """

    code: str
    detail: str
    record: str | None = None
    offset: int | None = None


class NoteLine(Frozen, frozen=True):
    """Something a person should know.

    Attributes:
        code: stable name.
        text: one sentence.
    """

    code: str
    text: str


class TensorLine(Frozen, frozen=True):
    """One tensor.

    Attributes:
        name: full name, as in a single output file.
        dtype: torch's name.
        shape: sizes.
        nbytes: bytes of its contiguous form.
        stride: steps in elements, where they are not those of a contiguous tensor.
        class_name: class it was saved as, where that is not ``torch.Tensor``.
        shared_with: an earlier tensor that lies in the same storage.
    """

    name: str
    dtype: str
    shape: list[int]
    nbytes: int
    stride: list[int] | None = None
    class_name: str | None = None
    shared_with: str | None = None


class CompositeLine(Frozen, frozen=True):
    """A tensor that torch keeps as several, or without data.

    Attributes:
        name: full name.
        kind: sparse layout, ``quantized``, ``nested``, ``meta``, ….
        shape: logical sizes, if known.
        dtype: element type, if known.
    """

    name: str
    kind: str
    shape: list[int] | None = None
    dtype: str | None = None


class ValueLine(Frozen, frozen=True):
    """One value that is no tensor.

    Attributes:
        path: where it stands.
        kind: its type.
        text: the value, cut where it is long.
    """

    path: str
    kind: str
    text: str


class ComponentLine(Frozen, frozen=True):
    """One component.

    Attributes:
        name: its name.
        kind: model, optimizer, scheduler or extra.
        path: where it stood, outermost key first.
        tensors: how many.
        nbytes: bytes of its tensors in contiguous form.
        class_name: class it was pickled as, if any.
    """

    name: str
    kind: str
    path: list[str]
    tensors: int
    nbytes: int
    class_name: str | None = None


class ModuleLine(Frozen, frozen=True):
    """A model that was pickled as a whole object.

    Attributes:
        component: the component it became.
        class_name: its class.
        certainty: ``certain`` when every class is torch's own, ``probable`` when a class that is
            not here could have changed the names.
        printed: what ``print(model)`` would show.
        evaluating: paths of modules whose training flag is off; the model itself is ``""``.
        left_out: tensors on the object that its ``state_dict()`` would not name, with the reason.
    """

    component: str
    class_name: str
    certainty: str
    printed: str
    evaluating: list[str] = []
    left_out: list[str] = []


class ClassSourceLine(Frozen, frozen=True):
    """Source text of a class that a legacy file carries; shown, never run.

    Attributes:
        class_name: the class.
        file: where it was when the file was written, if noted.
        source: the text, if it was kept.
    """

    class_name: str
    file: str | None = None
    source: str | None = None


class NameLine(Frozen, frozen=True):
    """A name that loading the pickle would look up.

    Attributes:
        name: ``module.name`` as the pickle spells it.
        count: how often.
        called: whether the pickle would call it.
    """

    name: str
    count: int
    called: bool


class FingerprintLine(Frozen, frozen=True):
    """Fingerprints of a component's tensors, or of all; ``docs/fingerprint.md`` defines them.

    Attributes:
        weights: of dtypes, shapes and values, whatever the names and their order.
        named: of the same with their names, without the parts that wrappers add.
        tensors: how many took part.
        without_bytes: how many could not, because the file has no bytes of them.
        component: the component; absent for the whole checkpoint.
    """

    weights: str
    named: str
    tensors: int
    without_bytes: int = 0
    component: str | None = None


class InspectionReport(Frozen, frozen=True, tag_field="schema", tag=INSPECTION_SCHEMA):
    """What `inspect` says of one checkpoint.

    Attributes:
        source: the file.
        style: how it was understood.
        components: its parts.
        tensors: every tensor.
        layout: the framework layout that was recognised.
        composites: tensors that torch keeps as several, or without data.
        modules: models that were pickled as objects.
        class_sources: source texts that the file carries.
        values: what is no tensor.
        names: what loading the pickle would look up.
        notes: what a person should know.
        anomalies: what was odd.
        error: why reading ended early, if it did.
        advice: what to do about that error, where there is something to do.
        fingerprints: of the whole checkpoint, then of each component; where they were asked for.
    """

    source: SourceFacts
    style: str
    components: list[ComponentLine]
    tensors: list[TensorLine]
    layout: str | None = None
    composites: list[CompositeLine] = []
    modules: list[ModuleLine] = []
    class_sources: list[ClassSourceLine] = []
    values: list[ValueLine] = []
    names: list[NameLine] = []
    notes: list[NoteLine] = []
    anomalies: list[Observation] = []
    error: str | None = None
    advice: str | None = None
    fingerprints: list[FingerprintLine] = []


class OutputFile(Frozen, frozen=True):
    """One file that was written.

    Attributes:
        path: as given or made from it.
        nbytes: size in bytes.
        tensors: how many it holds.
    """

    path: str
    nbytes: int
    tensors: int


class LeftOut(Frozen, frozen=True):
    """A tensor of the source that was not written.

    Attributes:
        name: full name in the source.
        reason: why.
    """

    name: str
    reason: str


class DifferenceLine(Frozen, frozen=True):
    """One difference.

    Attributes:
        tensor: name; that of an entry or a file where no tensor is meant.
        kind: missing, extra, dtype, shape, bytes, alias; header, metadata, document or value of a
            whole file; unverifiable.
        detail: one sentence: which element, expected, found.
    """

    tensor: str
    kind: str
    detail: str


class VerificationReport(Frozen, frozen=True, tag_field="schema", tag=VERIFICATION_SCHEMA):
    """What `verify` found.

    Attributes:
        source: one side.
        output: the other side.
        identical: no difference at all.
        tensors: how many were compared.
        nbytes: how many bytes were compared.
        differences: the first ones, in order.
        difference_count: how many there are.
        values: whether the output says to hold the other values of this source, and they were
            compared too.
        oracle: what the torch oracle says, when it was asked.
    """

    source: str
    output: str
    identical: bool
    tensors: int
    nbytes: int
    differences: list[DifferenceLine] = []
    difference_count: int = 0
    values: bool = False
    oracle: str | None = None


class ConversionReport(Frozen, frozen=True, tag_field="schema", tag=CONVERSION_SCHEMA):
    """What `convert` did.

    Attributes:
        source: the input.
        style: how it was understood.
        components: what it holds.
        outputs: what was written.
        tensors: tensors written, aliases not counted.
        nbytes: bytes of tensors written.
        aliases: names that share another tensor's bytes → that tensor's name.
        renamed: new → old names that could not stay.
        encodings: tensor → how it is stored, where safetensors has no such type.
        left_out: what was not written, and why.
        verification: the check after writing; None when it was switched off.
        fingerprints: of the whole output, then of its components; where they were asked for.
    """

    source: SourceFacts
    style: str
    components: list[ComponentLine]
    outputs: list[OutputFile]
    tensors: int
    nbytes: int
    layout: str | None = None
    aliases: dict[str, str] = {}
    renamed: dict[str, str] = {}
    encodings: dict[str, str] = {}
    left_out: list[LeftOut] = []
    notes: list[NoteLine] = []
    anomalies: list[Observation] = []
    verification: VerificationReport | None = None
    fingerprints: list[FingerprintLine] = []


class FingerprintMatch(Frozen, frozen=True):
    """A fingerprint that is the expected one.

    Attributes:
        definition: ``weights`` or ``named``.
        component: whose it is; absent for the whole checkpoint.
    """

    definition: str
    component: str | None = None


class FingerprintReport(Frozen, frozen=True, tag_field="schema", tag=FINGERPRINT_SCHEMA):
    """What `verify --fingerprint` found.

    Attributes:
        source: the file.
        expected: the fingerprint that one of its own should equal.
        fingerprints: of the whole checkpoint, then of each component.
        matches: those that do; none means that the file differs.
    """

    source: str
    expected: str
    fingerprints: list[FingerprintLine]
    matches: list[FingerprintMatch] = []


def observation(anomaly: Anomaly) -> Observation:
    """Return an anomaly as it stands in documents."""
    return Observation(
        code=anomaly.code, detail=anomaly.detail, record=anomaly.record, offset=anomaly.offset
    )
