"""Small reports, as examples inside their schemas."""

from __future__ import annotations

from typing import Final

from converter.reporting.diff_documents import (
    ChangedTensor,
    ComponentDiff,
    DiffReport,
    LoneTensor,
    ReshapedTensor,
    RetypedTensor,
    SuggestedOption,
    SuggestionLine,
)
from converter.reporting.documents import (
    ComponentLine,
    CompositeLine,
    ConversionReport,
    DifferenceLine,
    FingerprintLine,
    FingerprintMatch,
    FingerprintReport,
    InspectionReport,
    LeftOut,
    NameLine,
    NoteLine,
    OutputFile,
    SourceFacts,
    TensorLine,
    ValueLine,
    VerificationReport,
)
from converter.reporting.migration import MigratedFile, migration_report
from converter.reporting.restoration import RestorationReport, UnsupportedLine

_RUN: Final = SourceFacts(
    name="run.pth.tar", nbytes=1_600_455, container="zip", writer="torch 1.6 to 1.12"
)
_MODEL: Final = ComponentLine(
    name="model", kind="model", path=["state_dict"], tensors=3, nbytes=804_000
)
_WEIGHTS: Final = "4a367464c90580fa53eb47e08f05e6d85ed1cbd083dfbcd4253c4ff36f88572b"
_NAMED: Final = "ffcf9d4772fef3c8e980855559f800ef3a6ec84dfa4c58568f4f31a94da48eb5"
_FINGERPRINTS: Final = [
    FingerprintLine(weights=_WEIGHTS, named=_NAMED, tensors=3),
    FingerprintLine(weights=_WEIGHTS, named=_NAMED, tensors=3, component="model"),
]

INSPECTION_EXAMPLE: Final = InspectionReport(
    source=_RUN,
    style="bundle",
    components=[_MODEL],
    tensors=[
        TensorLine(name="model.embed.weight", dtype="float32", shape=[1000, 100], nbytes=400_000),
        TensorLine(
            name="model.head.weight",
            dtype="float32",
            shape=[1000, 100],
            nbytes=400_000,
            shared_with="model.embed.weight",
        ),
        TensorLine(
            name="model.proj.weight", dtype="float32", shape=[10, 100], nbytes=4_000, stride=[1, 10]
        ),
    ],
    layout="plain torch",
    composites=[CompositeLine(name="model.mask", kind="sparse_coo", shape=[8, 8], dtype="bool")],
    values=[ValueLine(path="epoch", kind="int", text="90")],
    names=[NameLine(name="torch._utils._rebuild_tensor_v2", count=3, called=True)],
    notes=[NoteLine(code="names_prefixed", text="model: every name begins with 'module.'")],
    fingerprints=_FINGERPRINTS,
)

VERIFICATION_EXAMPLE: Final = VerificationReport(
    source="run.pth.tar",
    output="run.safetensors",
    identical=False,
    tensors=3,
    nbytes=404_000,
    differences=[
        DifferenceLine(
            tensor="model.proj.weight",
            kind="bytes",
            detail="element [0, 3] at byte 400412: expected 0000803f, found 0000003f",
        )
    ],
    difference_count=1,
)

CONVERSION_EXAMPLE: Final = ConversionReport(
    source=_RUN,
    style="bundle",
    components=[_MODEL],
    outputs=[OutputFile(path="run.safetensors", nbytes=405_120, tensors=2)],
    tensors=2,
    nbytes=404_000,
    aliases={"model.head.weight": "model.embed.weight"},
    encodings={"model.phase": "bitcast"},
    left_out=[LeftOut(name="optimizer.state.0.exp_avg", reason="excluded by 'state.*'")],
    verification=VerificationReport(
        source="run.pth.tar",
        output="run.safetensors",
        identical=True,
        tensors=3,
        nbytes=404_000,
    ),
)

RESTORATION_EXAMPLE: Final = RestorationReport(
    source=SourceFacts(
        name="run.safetensors", nbytes=405_120, container="safetensors", writer="depickle 0.1.0"
    ),
    output="again.pth",
    nbytes=1_206_913,
    tensors=122,
    storages=121,
    verification=VerificationReport(
        source="run.safetensors",
        output="again.pth",
        identical=True,
        tensors=122,
        nbytes=1_606_000,
    ),
    unsupported=[UnsupportedLine(path="started", what="a datetime.datetime")],
    unsupported_count=1,
)

FINGERPRINT_EXAMPLE: Final = FingerprintReport(
    source="run.safetensors",
    expected=_WEIGHTS,
    fingerprints=_FINGERPRINTS,
    matches=[
        FingerprintMatch(definition="weights"),
        FingerprintMatch(definition="weights", component="model"),
    ],
)

DIFF_EXAMPLE: Final = DiffReport(
    a=SourceFacts(name="mine.pt", nbytes=1_600_455, container="zip"),
    b=SourceFacts(name="theirs.safetensors", nbytes=1_204_120, container="safetensors"),
    same=False,
    values=True,
    components=[
        ComponentDiff(
            a="model",
            b="model",
            kind="model",
            alike=57,
            missing=[LoneTensor(name="fc.bias", dtype="float32", shape=[10])],
            unexpected=[LoneTensor(name="module.fc.bias", dtype="float32", shape=[10])],
            reshaped=[ReshapedTensor(name="fc.weight", a=[10, 512], b=[1000, 512])],
            retyped=[
                RetypedTensor(
                    name="conv1.weight", a="float32", b="float16", max_abs_difference=0.000244140625
                )
            ],
            changed=[
                ChangedTensor(
                    name="bn1.weight",
                    elements=3,
                    of=64,
                    dtype="float32",
                    max_abs_difference=0.03125,
                )
            ],
            suggestion=SuggestionLine(
                command="depickle convert theirs.safetensors OUT.safetensors --strip-prefix module",
                options=[SuggestedOption(option="--strip-prefix", operand="module", fixes=1)],
                agreeing_before=59,
                agreeing_after=60,
                missing_after=0,
                unexpected_after=0,
            ),
        )
    ],
    only_b=[
        ComponentLine(
            name="optimizer", kind="optimizer", path=["optimizer"], tensors=120, nbytes=804_000
        )
    ],
    partial=True,
)

MIGRATION_EXAMPLE: Final = migration_report(
    "archive",
    "converted",
    [
        MigratedFile(
            source="archive/run.pth.tar",
            outcome="converted",
            nbytes=1_600_455,
            target="converted/run.safetensors",
            tensors=3,
        ),
        MigratedFile(
            source="archive/notes.txt",
            outcome="no_checkpoint",
            nbytes=22,
            reason="text in place of a checkpoint: archive/notes.txt: expected a checkpoint, "
            "found 'tried a larger batch'",
        ),
        MigratedFile(
            source="archive/half.pt",
            outcome="unreadable",
            nbytes=800_000,
            reason="zip archive without its end: archive/half.pt: expected 1600455 bytes, found "
            "800000",
        ),
    ],
)
