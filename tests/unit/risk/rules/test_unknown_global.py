"""Names on no list are unknown, and no worse."""

from __future__ import annotations

from corpus.hostile_writer import BUILD, EMPTY_DICT, EMPTY_TUPLE, NEWOBJ, PROTO2, STOP, named
from tests.support.risk_cases import said, scanned, severities

RULE = "unknown-global"


MODEL = PROTO2 + named("mymodel", "Net") + EMPTY_TUPLE + NEWOBJ + EMPTY_DICT + BUILD + STOP


def test_a_model_of_somebodys_own_class_is_unknown() -> None:
    (found,) = said(RULE, MODEL)
    assert (found.severity, found.evidence) == ("unknown", "mymodel.Net")
    report = scanned(MODEL)
    assert report.verdict == "unknown"
    assert report.imports == ("mymodel.Net",)
    assert report.refused == ("mymodel.Net",)


def test_a_model_of_torchs_classes_is_safe() -> None:
    model = MODEL.replace(b"mymodel\nNet", b"torch.nn.modules.linear\nLinear")
    assert severities(RULE, model) == []
    assert scanned(model).verdict == "safe"


def test_a_nested_class_is_no_worse() -> None:
    model = MODEL.replace(b"Net", b"Net.Block").replace(PROTO2, b"\x80\x04")
    assert severities(RULE, model) == ["unknown"]
