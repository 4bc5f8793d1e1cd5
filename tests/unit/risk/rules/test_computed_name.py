"""What is called, or named, must be a name in the file."""

from __future__ import annotations

from corpus.hostile_writer import (
    EMPTY_TUPLE,
    PROTO2,
    PROTO4,
    REDUCE,
    STACK_GLOBAL,
    STOP,
    call,
    named,
    short_text,
    text,
)
from tests.support.risk_cases import said, severities

RULE = "computed-name"


def test_a_module_name_that_is_computed() -> None:
    joined = call(named("builtins", "str"), text("os"))
    data = PROTO4 + joined + short_text("fire") + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP
    assert [found.severity for found in said(RULE, data)] == ["dangerous"]


def test_names_in_strings_of_python_2() -> None:
    for module, name in ((b"U\x02os", short_text("system")), (short_text("os"), b"U\x06system")):
        data = PROTO4 + module + name + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP
        (found,) = said(RULE, data)
        assert (found.severity, found.evidence) == ("dangerous", "os.system")


def test_calling_what_a_call_returned() -> None:
    data = PROTO2 + call(call(named("mine", "make")), text("x")) + STOP
    assert severities(RULE, data) == ["dangerous"]


def test_a_nested_class_of_protocol_2_is_a_name() -> None:
    cls = call(named("__builtin__", "getattr"), named("mine", "Outer"), text("Inner"))
    assert severities(RULE, PROTO2 + call(cls) + STOP) == []


def test_a_nested_class_of_a_legacy_stream_is_a_name() -> None:
    cls = call(named("__builtin__", "getattr"), named("mine", "Outer"), text("Inner"))
    pid = b"(" + text("module") + cls + text("mine.py") + text("class Inner: ...") + b"tQ"
    data = PROTO2 + pid + EMPTY_TUPLE + b"\x81" + STOP
    assert severities(RULE, data) == []
    computed = call(call(named("mine", "make")), text("x"))
    assert severities(RULE, data.replace(cls, computed)) == ["dangerous", "dangerous"]


def test_byte_strings_at_the_very_start() -> None:
    # Nothing but these bytes says that it is a pickle.
    data = (
        short_text("depickle_tripwire") + b"U\x04fire" + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP
    )
    assert severities(RULE, data) == ["dangerous"]
