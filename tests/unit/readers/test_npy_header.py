"""The header of a .npy file is a literal, and nothing but a literal of the right form is taken."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.checkpoint.values import SequenceValue
from converter.errors import ContainerError
from converter.readers.npy_header import MAX_DEPTH, NpyHeader, parse_header


def parse(descr: str = "'<f4'", shape: str = "(3,)", fortran: str = "False") -> NpyHeader:
    return parse_header(
        f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}     \n", "a.npy"
    )


def state_of(descr: str) -> tuple[object, object, list[object]]:
    code, order, state = parse(descr).description.fields
    assert isinstance(state, SequenceValue)
    return code, order, list(state.items)


@pytest.mark.parametrize(
    ("text", "shape"),
    [("()", ()), ("(3,)", (3,)), ("(3, 4)", (3, 4)), ("(3L, 4L)", (3, 4)), ("(0,)", (0,))],
)
def test_shape(text: str, shape: tuple[int, ...]) -> None:
    assert parse(shape=text).shape == shape


def test_order() -> None:
    assert parse(fortran="True").fortran
    assert not parse().fortran


@pytest.mark.parametrize(
    ("descr", "code", "order"),
    [
        ("'<f4'", "f4", "<"),
        ("'>i8'", "i8", ">"),
        ("'|u1'", "u1", "|"),
        ("'<i1'", "i1", "|"),
        ("'|b1'", "b1", "|"),
        ("'?'", "b1", "|"),
        ('"f8"', "f8", "<"),
        ("u'<f4'", "f4", "<"),
        ("'|O'", "O8", "|"),
        ("'|V4'", "V4", "|"),
        ("'|a3'", "S3", "|"),
        ("'<U5'", "U5", "<"),
        ("'<M8[25s]'", "M8", "<"),
    ],
)
def test_simple_dtypes(descr: str, code: str, order: str) -> None:
    assert state_of(descr)[:2] == (code, order)


def test_structure_with_padding_titles_and_arrays() -> None:
    descr = "[(('t', 'a'), '|i1'), ('', '|V3'), ('b', '<f4', (2, 3)), ('c', [('d', '|O')])]"
    code, order, state = state_of(descr)
    assert (code, order) == ("V36", "|")
    assert state[5] == 36
    names = state[3]
    assert isinstance(names, SequenceValue)
    assert names.items == ["a", "b", "c"]
    assert isinstance(state[7], int)
    assert state[7] & 1  # there are objects inside


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} 1",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{1: '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': open('x'), 'fortran_order': False, 'shape': (1,)}",
        "{'descr': __import__, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': 'f' + '4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': Nonesuch, 'fortran_order': False, 'shape': (1,)}",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ContainerError, match=r"npy header is malformed: a\.npy"):
        parse_header(text, "a.npy")


@pytest.mark.parametrize(
    "descr",
    [
        "1",
        "None",
        "'nonsense'",
        "'<f4[ns'",
        "('<f4', -1)",
        "('<f4', 'x')",
        "('<f4',)",
        "[1]",
        "[('a',)]",
        "[(1, '<f4')]",
        "[(('a', 1), '<f4')]",
    ],
)
def test_any_other_dtype_is_refused(descr: str) -> None:
    with pytest.raises(ContainerError, match="npy header is malformed"):
        parse(descr)


def test_nesting_is_bounded() -> None:
    with pytest.raises(ContainerError, match="bounded depth"):
        parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    with pytest.raises(ContainerError, match="bounded depth"):
        parse("(" * 1_000_000)


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(LITERALS)
def test_literals_are_read_as_python_reads_them(literal: object) -> None:
    from converter.readers.npy_header import _Parser

    text = repr(literal)
    assert ast.literal_eval(text) == literal
    assert _Parser(text, "a").parse() == literal
