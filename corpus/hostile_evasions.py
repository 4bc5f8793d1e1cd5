"""Hostile files made of safe names: arguments, states and spellings that make the harm."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from typing import TYPE_CHECKING, Final

from corpus.hostile_archives import archive_of, script_of
from corpus.hostile_writer import (
    BINPERSID,
    BUILD,
    CALM,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    EVIL,
    FIRE,
    MARK,
    NEWOBJ,
    NONE,
    POP,
    PROTO2,
    REDUCE,
    SETITEM,
    STOP,
    TUPLE,
    TUPLE1,
    Sample,
    blob,
    call,
    named,
    number,
    sample,
    storage,
    tensor,
    text,
)
from tests.support.zip_builder import Member, ZipBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

_RELU: Final = named("torch.nn.functional", "relu")
_FALSE: Final = b"\x89"
_HOOKS: Final = named("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE
_OBJECT: Final = call(named("types", "SimpleNamespace"))
# What numpy would take for the address of an object.
_POINTER: Final = call(named("_codecs", "encode"), text("depickle"), text("latin1"))


def _tuple(*items: bytes) -> bytes:
    return MARK + b"".join(items) + TUPLE


def _of_one(key: bytes, value: bytes) -> bytes:
    return EMPTY_DICT + key + value + SETITEM


def _pickle(body: bytes) -> Callable[[], bytes]:
    return lambda: PROTO2 + body + STOP


def _saved(body: bytes) -> Callable[[], bytes]:
    return archive_of(PROTO2 + body + STOP)


def _dtype(code: str, fields: bytes = NONE, flags: int = 63, nbytes: int = -1) -> bytes:
    """Return a dtype; with `fields`, one of a single field called a."""
    names = NONE if fields is NONE else text("a") + TUPLE1
    state = _tuple(
        *(number(3), text("|"), NONE, names, fields, number(nbytes), number(nbytes), number(flags))
    )
    return call(named("numpy", "dtype"), text(code), _FALSE, b"\x88") + state + BUILD


def _array(dtype: bytes) -> bytes:
    """Return an array of one element that is given as raw bytes."""
    made = call(
        named("numpy.core.multiarray", "_reconstruct"),
        *(named("numpy", "ndarray"), number(0) + TUPLE1, text("b")),
    )
    return made + _tuple(number(1), number(1) + TUPLE1, dtype, _FALSE, _POINTER) + BUILD


def _hiding_field() -> bytes:
    """Return the dtype of a record of one object whose flags say that there is none."""
    return _dtype("V8", _of_one(text("a"), _tuple(_dtype("O8"), number(0))), flags=0, nbytes=8)


def _laid(*arguments: bytes, func: str = "_rebuild_tensor_v2") -> bytes:
    return call(named("torch._utils", func), *arguments)


def _size(length: int) -> bytes:
    return number(length) + TUPLE1


_QUANTISED: Final = storage(class_=named("torch", "QInt8Storage"))
_SCHEME: Final = _tuple(named("torch", "per_tensor_affine"), b"G\x3f\xf0" + bytes(6), number(0))


def _package() -> bytes:
    pid = _tuple(text("reduce_package"), number(0), FIRE, text("x") + TUPLE1)
    members = [
        Member("r/.data/extern_modules", b"depickle_tripwire\n"),
        Member("r/.data/version", b"6\n"),
        Member("r/model/model.pkl", PROTO2 + pid + BINPERSID + STOP),
    ]
    return ZipBuilder(members).build()


_VERSION: Final = Member("r/version", b"3\n")
_EXTRA: Final = {"extra": b"\x99\x99" + len(EVIL).to_bytes(2, "little") + EVIL}


def _after_damaged() -> bytes:
    packed = {"method": 8}
    members = [
        Member("r/a.txt", b"\xff\xff\xff", local=packed, central=packed),
        Member("r/data.pkl", EVIL),
        Member("r/version", b"3\n"),
    ]
    return ZipBuilder(members).build()


def _damaged() -> bytes:
    return gzip.compress(EVIL, mtime=0)[:-8] + bytes(8)


def _linked() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("pickle")
        entry.type, entry.linkname = tarfile.SYMTYPE, "../../depickle_tripwire"
        archive.addfile(entry)
    return stream.getvalue()


def _overread() -> bytes:
    """Return a joblib file whose elements an unpickler that does not know joblib executes."""
    fields = {
        "subclass": named("numpy", "ndarray"),
        "shape": _size(64),
        "order": text("C"),
        "dtype": _dtype("u1", flags=0),
        "allow_mmap": b"\x88",
        "numpy_array_alignment_bytes": NONE,
    }
    state = EMPTY_DICT + b"".join(text(key) + value + SETITEM for key, value in fields.items())
    wrapper = named("joblib.numpy_pickle", "NumpyArrayWrapper") + EMPTY_TUPLE + NEWOBJ
    elements = POP + call(named("somebody", "run"), text("x"))
    return PROTO2 + wrapper + state + BUILD + elements.ljust(64, NONE) + STOP


EVASIONS: Final[dict[str, Sample]] = {
    "array-metadata/72_raw_objects.pkl": sample(
        72,
        "array-metadata",
        "dangerous",
        "An array of objects whose elements are raw bytes: addresses of the file's choice.",
        _pickle(_array(_dtype("O8"))),
    ),
    "array-metadata/72_hidden_objects.pkl": sample(
        72,
        "array-metadata",
        "dangerous",
        "An array of records that hold an object, which the flags of their dtype deny.",
        _pickle(_array(_hiding_field())),
    ),
    "array-metadata/72_scalar.pkl": sample(
        72,
        "array-metadata",
        "dangerous",
        "A scalar that is an object, of raw bytes.",
        _pickle(call(named("numpy.core.multiarray", "scalar"), _dtype("O8"), _POINTER)),
    ),
    "array-metadata/72_buffer.pkl": sample(
        72,
        "array-metadata",
        "dangerous",
        "A buffer of raw bytes read as records of objects.",
        _pickle(
            call(
                named("numpy.core.numeric", "_frombuffer"),
                *(_POINTER, _hiding_field(), _size(1), text("C")),
            )
        ),
    ),
    "tensor-metadata/45_quantised.pt": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A quantised tensor beyond its storage.",
        _saved(
            _laid(
                *(_QUANTISED, number(0), _size(1 << 20), _size(1), _SCHEME, _FALSE, _HOOKS),
                func="_rebuild_qtensor",
            )
        ),
    ),
    "tensor-metadata/45_subclass.pt": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A tensor beyond its storage, rebuilt by way of its class.",
        _saved(
            call(
                named("torch._tensor", "_rebuild_from_type_v2"),
                named("torch._utils", "_rebuild_tensor_v2"),
                named("torch", "Tensor"),
                _tuple(storage(), number(0), _size(1 << 20), _size(1), _FALSE, _HOOKS),
                EMPTY_DICT,
            )
        ),
    ),
    "tensor-metadata/45_state.pt": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A tensor that is laid beyond its storage by its state.",
        _saved(
            call(named("torch", "FloatTensor"))
            + _tuple(storage(), number(0), _size(1 << 20), _size(1))
            + BUILD
        ),
    ),
    "tensor-metadata/45_computed.pt": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A tensor whose arguments only come about when the pickle runs.",
        _saved(
            named("torch._utils", "_rebuild_tensor_v2")
            + call(named("builtins", "tuple"), EMPTY_LIST + storage() + b"a")
            + REDUCE
        ),
    ),
    "tensor-metadata/45_range.pt": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A tensor whose sizes are a range.",
        _saved(
            _laid(
                *(storage(), number(0), call(named("builtins", "range"), number(9), number(99))),
                *(_size(1), _FALSE, _HOOKS),
            )
        ),
    ),
    "tensor-metadata/45_no_storage.pt": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A tensor that is laid over another one instead of a storage.",
        _saved(
            _laid(
                call(named("torch", "FloatTensor")),
                *(number(0), _size(1 << 20), _size(1), _FALSE, _HOOKS),
            )
        ),
    ),
    "unsafe-use/45_enormous.pt": sample(
        45,
        "unsafe-use",
        "suspicious",
        "A tensor of a billion elements, in thirty bytes.",
        _saved(call(named("torch", "FloatTensor"), number(1 << 30))),
    ),
    "unsafe-use/40_zeros.pkl": sample(
        40,
        "unsafe-use",
        "suspicious",
        "A gigabyte of zeros, in thirty bytes.",
        _pickle(call(named("builtins", "bytearray"), number(1 << 30))),
    ),
    "unsafe-use/40_range.pkl": sample(
        40,
        "unsafe-use",
        "suspicious",
        "A list of a billion numbers, in sixty bytes.",
        _pickle(call(named("builtins", "list"), call(named("builtins", "range"), number(1 << 30)))),
    ),
    "unsafe-use/42_exponent.pkl": sample(
        42,
        "unsafe-use",
        "suspicious",
        "An integer of a billion digits, in sixty bytes.",
        _pickle(
            call(named("builtins", "int"), call(named("decimal", "Decimal"), text("1e999999999")))
        ),
    ),
    "callable-as-data/47_computed_arguments.pkl": sample(
        47,
        "callable-as-data",
        "suspicious",
        "What is to be called stands in arguments that only come about when the pickle runs.",
        _pickle(
            named("torch._tensor", "_rebuild_from_type_v2")
            + call(named("builtins", "tuple"), EMPTY_LIST + _RELU + b"a")
            + REDUCE
        ),
    ),
    "setstate-planting/04_ordered.pkl": sample(
        4,
        "setstate-planting",
        "dangerous",
        "The method is planted by a state that is an OrderedDict.",
        _pickle(_OBJECT + _HOOKS + text("__setstate__") + _RELU + SETITEM + BUILD),
    ),
    "setstate-planting/04_computed_state.pkl": sample(
        4,
        "setstate-planting",
        "suspicious",
        "The method is planted by a state that only comes about when the pickle runs.",
        _pickle(
            _OBJECT
            + call(
                named("builtins", "dict"), EMPTY_LIST + _tuple(text("__setstate__"), _RELU) + b"a"
            )
            + BUILD
        ),
    ),
    "setstate-planting/04_computed_key.pkl": sample(
        4,
        "setstate-planting",
        "suspicious",
        "The name of the method only comes about when the pickle runs.",
        _pickle(
            _OBJECT + _of_one(call(named("builtins", "str"), text("__setstate__")), _RELU) + BUILD
        ),
    ),
    "setstate-planting/04_parameter.pt": sample(
        4,
        "setstate-planting",
        "dangerous",
        "The method is planted on a parameter by the function that rebuilds it.",
        _saved(
            _laid(
                *(tensor(storage(), [4], [1]), b"\x88", _HOOKS),
                _of_one(text("__setstate__"), _RELU),
                func="_rebuild_parameter_with_state",
            )
        ),
    ),
    "persistent-id-call/44_list.pt": sample(
        44,
        "persistent-id-call",
        "unknown",
        "A persistent id that is a list.",
        _saved(EMPTY_LIST + text("storage") + b"a" + BINPERSID),
    ),
    "persistent-id-call/44_package.pt": sample(
        44,
        "persistent-id-call",
        "dangerous",
        "A persistent id that makes torch.package call a function.",
        _package,
    ),
    "nested-pickle/38_root.pkl": sample(
        38,
        "nested-pickle",
        "dangerous",
        "The whole pickle is one text, base64 of gzip of another pickle.",
        lambda: PROTO2 + text(base64.b64encode(gzip.compress(EVIL, mtime=0)).decode()) + STOP,
    ),
    "nested-pickle/38_protocol_0.pkl": sample(
        38,
        "nested-pickle",
        "dangerous",
        "The bytes are a pickle of protocol 0, which begins with no mark.",
        _pickle(blob(b"cdepickle_tripwire\nfire\n(Vx\ntR.")),
    ),
    "compressed-file/71_damaged.pkl": sample(
        71,
        "compressed-file",
        "dangerous",
        "A packed pickle whose checksum is wrong: it has run by the time that is found.",
        _damaged,
    ),
    "tar-entry/65_link.tar": sample(
        65, "tar-entry", "suspicious", "An entry that leads out of the archive.", _linked
    ),
    "hidden-pickle/57_comment.pt": sample(
        57,
        "hidden-pickle",
        "dangerous",
        "A pickle in the comment of an archive.",
        lambda: ZipBuilder([Member("r/data.pkl", CALM), _VERSION], comment=EVIL).build(),
    ),
    "hidden-pickle/57_extra_field.pt": sample(
        57,
        "hidden-pickle",
        "dangerous",
        "A pickle in an extra field of an archive's directory.",
        lambda: ZipBuilder([Member("r/data.pkl", CALM, central=_EXTRA), _VERSION]).build(),
    ),
    "unknown-global/30_joblib.joblib": sample(
        30,
        "unknown-global",
        "unknown",
        "Numbers to joblib, a call to an unpickler that does not know it.",
        _overread,
    ),
    "hidden-pickle/60_broken.pt": sample(
        60,
        "hidden-pickle",
        "suspicious",
        "A record that begins with a broken pickle of names of one letter.",
        lambda: ZipBuilder(
            [
                Member("r/data.pkl", CALM),
                Member("r/data/0", PROTO2 + call(named("a", "f"), text("x")) + b"\xff"),
                _VERSION,
            ]
        ).build(),
    ),
    "unsafe-global/60_after_damaged.pt": sample(
        60,
        "unsafe-global",
        "dangerous",
        "The pickle stands behind a record that cannot be unpacked.",
        _after_damaged,
    ),
    "torchscript-code/63_spaced.pt": sample(
        63,
        "torchscript-code",
        "dangerous",
        "Code that opens a file, with spaces and a comment where none are usual.",
        script_of(
            'def f(self):\n  return (torch . # x\n from_file("depickle_tripwire", True, 1))\n'
        ),
    ),
    "torchscript-code/63_aliased.pt": sample(
        63,
        "torchscript-code",
        "suspicious",
        "Code that gives all operators another name.",
        script_of(
            'def f(self):\n  o = ops.aten\n  return o.from_file("depickle_tripwire", True, 1)\n'
        ),
    ),
}
"""Path below ``hostile`` → sample."""
