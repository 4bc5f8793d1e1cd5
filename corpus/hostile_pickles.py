"""Hostile pickles: one at least for each class of attack that needs no archive."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import struct
import zlib
from typing import TYPE_CHECKING, Final

from corpus.hostile_writer import (
    APPEND,
    BUILD,
    CALM,
    DUP,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    EVIL,
    FIRE,
    MARK,
    MEMOIZE,
    NEWOBJ,
    NEWOBJ_EX,
    NONE,
    OBJ,
    PAYLOAD,
    POP,
    POP_MARK,
    PROTO2,
    PROTO4,
    PROTO5,
    REDUCE,
    SETITEM,
    STACK_GLOBAL,
    STOP,
    TRIPWIRE,
    TUPLE,
    TUPLE1,
    TUPLE2,
    Sample,
    beside,
    blob,
    call,
    frame,
    named,
    sample,
    short_text,
    stacked,
    storage,
    tensor,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_W: Final = text(TRIPWIRE)


def _instance() -> bytes:
    return f"(S'x'\ni{TRIPWIRE}\nfire\n.".encode()


def _object() -> bytes:
    return PROTO4 + MARK + stacked(TRIPWIRE, "fire") + text("x") + OBJ + POP + EMPTY_DICT + STOP


def _planted() -> bytes:
    made = named("types", "SimpleNamespace") + EMPTY_TUPLE + REDUCE
    plant = EMPTY_DICT + text("__setstate__") + FIRE + SETITEM + BUILD
    return PROTO2 + made + plant + text("x") + BUILD + STOP


def _set_attribute() -> bytes:
    state = NONE + EMPTY_DICT + text("a") + _W + SETITEM + TUPLE2
    build = named("numpy", "prod") + state + BUILD + POP
    module = named("numpy", "prod.a")
    return PROTO4 + build + module + short_text("fire") + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP


def _through_builtins() -> bytes:
    state = named("numpy", "__builtins__")
    return (
        PROTO2 + named("numpy", "size") + state + BUILD + POP + named("numpy", "size.eval") + STOP
    )


def _memo_confusion() -> bytes:
    first = short_text("torch._utils") + MEMOIZE + POP
    second = short_text(TRIPWIRE) + b"q\x00" + POP  # BINPUT 0 replaces it
    name = short_text("fire") + b"q\x01" + POP
    get = b"h\x00" + b"h\x01"
    return PROTO4 + first + second + name + get + STACK_GLOBAL + text("x") + TUPLE1 + REDUCE + STOP


def _memo_by_value() -> bytes:
    module = short_text(TRIPWIRE) + DUP + b"q\x00" + POP + POP
    name = short_text("fire") + b"q\x01" + POP
    get = b"h\x00h\x01" + STACK_GLOBAL
    return PROTO4 + module + name + get + text("x") + TUPLE1 + REDUCE + STOP


def _noise() -> bytes:
    decoy = short_text("collections") + POP + DUP + POP + MARK + short_text("x") + POP_MARK
    name = short_text(TRIPWIRE) + decoy + short_text("fire")
    return PROTO4 + name + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP


def _encodings() -> bytes:
    module = b"V" + TRIPWIRE.replace("d", "\\u0064").encode() + b"\n"
    name = b"\x8d" + struct.pack("<Q", 4) + b"fire"
    return PROTO4 + module + name + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP


def _byte_strings() -> bytes:
    module = b"U" + bytes([len(TRIPWIRE)]) + TRIPWIRE.encode()
    return PROTO4 + module + b"U\x04fire" + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP


def _computed() -> bytes:
    joined = call(named("builtins", "getattr"), text(""), text("join"))
    module = joined + MARK + EMPTY_LIST + _W + APPEND + TUPLE + REDUCE
    return PROTO4 + module + short_text("fire") + STACK_GLOBAL + EMPTY_TUPLE + REDUCE + STOP


def _old_name() -> bytes:
    return PROTO2 + call(named("cPickle", "loads"), blob(CALM)) + STOP


def _extension() -> bytes:
    return PROTO2 + b"\x82\x01" + EMPTY_TUPLE + REDUCE + STOP


def _poisoned_registry() -> bytes:
    register = call(named("copy_reg", "add_extension"), _W, text("fire"), b"K\x01")
    return PROTO2 + register + POP + b"\x82\x01" + EMPTY_TUPLE + REDUCE + STOP


def _dotted(module: str, name: str) -> Callable[[], bytes]:
    def make() -> bytes:
        return PROTO4 + stacked(module, name) + _W + TUPLE1 + REDUCE + STOP

    return make


def _calls(module: str, name: str, *arguments: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        return PROTO2 + call(named(module, name), *(arguments or (_W,))) + STOP

    return make


def _consumer() -> bytes:
    items = EMPTY_LIST + text("x") + APPEND
    mapped = call(named("builtins", "map"), FIRE, items)
    return PROTO2 + call(named("builtins", "list"), mapped) + STOP


def _factory() -> bytes:
    return PROTO2 + call(named("collections", "defaultdict"), FIRE) + STOP


def _overwritten() -> bytes:
    target = named("builtins", "object")
    put = call(named("builtins", "setattr"), target, text("OrderedDict"), FIRE)
    return PROTO2 + put + POP + call(named("collections", "OrderedDict")) + STOP


def _truncated() -> bytes:
    return PROTO2 + PAYLOAD + POP


def _invalid(tail: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        return PROTO2 + PAYLOAD + POP + tail

    return make


def _stacked_after(padding: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        return CALM + padding + EVIL

    return make


def _nested(func: tuple[str, str], packed: bytes) -> Callable[[], bytes]:
    def make() -> bytes:
        return PROTO2 + call(named(*func), blob(packed)) + STOP

    return make


def _in_base64() -> bytes:
    inner = call(named("base64", "b64decode"), text(base64.b64encode(EVIL).decode()))
    return PROTO2 + call(named("pickle", "loads"), inner) + STOP


def _in_zlib() -> bytes:
    inner = call(named("zlib", "decompress"), blob(zlib.compress(EVIL)))
    return PROTO2 + call(named("pickle", "loads"), inner) + STOP


def _inert_blob() -> bytes:
    return PROTO2 + EMPTY_DICT + text("data") + blob(EVIL) + SETITEM + STOP


def _laughs() -> bytes:
    layer = EMPTY_LIST + text("lol") + APPEND
    for index in range(9):
        entry = bytes([index])
        copies = b"q" + entry + POP + EMPTY_LIST + MARK + (b"h" + entry) * 10 + b"e"
        layer += copies
    return PROTO2 + layer + STOP


def _deep() -> bytes:
    return PROTO2 + EMPTY_LIST * 20_000 + APPEND * 19_999 + STOP


def _large_number() -> bytes:
    return PROTO2 + b"L" + b"9" * 50_000 + b"L\n" + STOP


def _flood() -> bytes:
    return PROTO2 + (NONE + POP) * 15_000 + PAYLOAD + STOP


def _straddling_frame() -> bytes:
    body = b"B" + struct.pack("<I", 40) + PAYLOAD[:20]
    return PROTO4 + frame(body) + PAYLOAD[:20].ljust(20, b"N") + POP + PAYLOAD + STOP


def _long_frame(nbytes: int) -> Callable[[], bytes]:
    def make() -> bytes:
        return PROTO4 + b"\x95" + struct.pack("<Q", nbytes) + PAYLOAD + STOP

    return make


def _rare_opcodes() -> bytes:
    rare = b"F1.5\n0" + b"\x96" + struct.pack("<Q", 2) + b"ab" + b"0"
    return PROTO5 + rare + PAYLOAD + b"\x970" + STOP


def _shadowed() -> bytes:
    made = named("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE
    return PROTO2 + made + EMPTY_DICT + text("items") + text("bad") + SETITEM + BUILD + STOP


def _item_of_tensor() -> bytes:
    made = tensor(storage(), [4], [1])
    return PROTO2 + made + b"K\x00" + b"K\x07" + SETITEM + STOP


def _item_of_builtins() -> bytes:
    return PROTO2 + named("numpy", "__builtins__") + text("eval") + FIRE + SETITEM + STOP


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: pack(EVIL)


PICKLES: Final[dict[str, Sample]] = {
    "unsafe-global/01_inst.pkl": sample(
        1,
        "unsafe-global",
        "dangerous",
        "INST looks a name up and calls it in one opcode.",
        _instance,
    ),
    "unsafe-global/02_obj_dropped.pkl": sample(
        2,
        "unsafe-global",
        "dangerous",
        "OBJ makes the call, and its result is thrown away.",
        _object,
    ),
    "unsafe-global/03_newobj.pkl": sample(
        3,
        "unsafe-global",
        "dangerous",
        "NEWOBJ makes an object of the class.",
        lambda: PROTO2 + FIRE + EMPTY_TUPLE + NEWOBJ + STOP,
    ),
    "unsafe-global/03_newobj_ex.pkl": sample(
        3,
        "unsafe-global",
        "dangerous",
        "NEWOBJ_EX makes an object of the class.",
        lambda: PROTO4 + FIRE + EMPTY_TUPLE + EMPTY_DICT + NEWOBJ_EX + STOP,
    ),
    "setstate-planting/04_setstate.pkl": sample(
        4, "setstate-planting", "dangerous", "One BUILD plants what the next one calls.", _planted
    ),
    "build-on-object/05_set_attribute.pkl": sample(
        5,
        "build-on-object",
        "dangerous",
        "BUILD writes on a function, a name reads it back.",
        _set_attribute,
    ),
    "build-on-object/06_builtins.pkl": sample(
        6,
        "build-on-object",
        "dangerous",
        "A module's builtins become attributes of a function.",
        _through_builtins,
    ),
    "memo-tricks/07_mixed_memo.pkl": sample(
        7, "memo-tricks", "dangerous", "MEMOIZE and BINPUT write the same entry.", _memo_confusion
    ),
    "unsafe-global/08_memo_by_value.pkl": sample(
        8,
        "unsafe-global",
        "dangerous",
        "What is memoized is on the stack, not in the opcode before.",
        _memo_by_value,
    ),
    "unsafe-global/09_noise.pkl": sample(
        9, "unsafe-global", "dangerous", "Values come and go between module and name.", _noise
    ),
    "unsafe-global/10_encodings.pkl": sample(
        10,
        "unsafe-global",
        "dangerous",
        "Module and name are spelled by unusual opcodes.",
        _encodings,
    ),
    "computed-name/10_byte_strings.pkl": sample(
        10,
        "computed-name",
        "dangerous",
        "Module and name are strings of Python 2.",
        _byte_strings,
    ),
    "computed-name/11_joined.pkl": sample(
        11,
        "computed-name",
        "dangerous",
        "The module's name is put together at run time.",
        _computed,
    ),
    "unsafe-global/12_python2_name.pkl": sample(
        12,
        "unsafe-global",
        "dangerous",
        "A name of Python 2 leads to the one of Python 3.",
        _old_name,
    ),
    "extension-registry/13_ext1.pkl": sample(
        13,
        "extension-registry",
        "dangerous",
        "EXT1 calls what the process has registered.",
        _extension,
    ),
    "extension-registry/14_poisoned.pkl": sample(
        14,
        "extension-registry",
        "dangerous",
        "The registry is filled first, then used.",
        _poisoned_registry,
    ),
    "dotted-name/15_pathlib_os.pkl": sample(
        15,
        "dotted-name",
        "dangerous",
        "A name leads through a module that another imports.",
        _dotted("pathlib", "os.system"),
    ),
    "dotted-name/15_collect_env.pkl": sample(
        15,
        "dotted-name",
        "dangerous",
        "A name leads through torch to a function that runs commands.",
        _dotted("torch.nn.init", "torch.utils.collect_env.run"),
    ),
    "dotted-name/15_unlisted.pkl": sample(
        15,
        "dotted-name",
        "suspicious",
        "A name leads out of its module to a name on no list.",
        _dotted("torch.nn.init", "math.gamma_"),
    ),
    "unsafe-global/16_attrgetter.pkl": sample(
        16,
        "unsafe-global",
        "dangerous",
        "operator.attrgetter reads any attribute.",
        _calls("operator", "attrgetter"),
    ),
    "unsafe-global/16_methodcaller.pkl": sample(
        16,
        "unsafe-global",
        "dangerous",
        "operator.methodcaller calls any method.",
        _calls("operator", "methodcaller"),
    ),
    "unsafe-global/16_locate.pkl": sample(
        16,
        "unsafe-global",
        "dangerous",
        "pydoc.locate imports and looks up anything.",
        _calls("pydoc", "locate"),
    ),
    "unsafe-global/17_import_module.pkl": sample(
        17,
        "unsafe-global",
        "dangerous",
        "importlib.import_module imports any module.",
        _calls("importlib", "import_module"),
    ),
    "unsafe-global/18_resolve_name.pkl": sample(
        18,
        "unsafe-global",
        "dangerous",
        "pkgutil.resolve_name finds anything.",
        _calls("pkgutil", "resolve_name"),
    ),
    "unsafe-global/19_pip.pkl": sample(
        19, "unsafe-global", "dangerous", "pip.main installs packages.", _calls("pip", "main")
    ),
    "unsafe-global/20_submodule.pkl": sample(
        20,
        "unsafe-global",
        "dangerous",
        "A class below a listed package starts processes.",
        _dotted("asyncio.unix_events", "_UnixSubprocessTransport._start"),
    ),
    "unsafe-global/21_map.pkl": sample(
        21, "unsafe-global", "dangerous", "map calls what it is given.", _consumer
    ),
    "callable-as-data/21_factory.pkl": sample(
        21, "callable-as-data", "dangerous", "defaultdict calls its factory later.", _factory
    ),
    "unsafe-global/22_atexit.pkl": sample(
        22,
        "unsafe-global",
        "dangerous",
        "atexit.register calls at the end.",
        _calls("atexit", "register", FIRE),
    ),
    "dotted-name/23_subclasses.pkl": sample(
        23,
        "dotted-name",
        "dangerous",
        "From a builtin to all classes.",
        _dotted("builtins", "print.__class__.__base__.__subclasses__"),
    ),
    "unsafe-global/24_auto_model.pkl": sample(
        24,
        "unsafe-global",
        "dangerous",
        "A lazy module looks up what downloads and runs.",
        _calls("transformers.models.auto.auto_factory", "getattribute_from_module"),
    ),
    "unsafe-global/25_overwritten.pkl": sample(
        25,
        "unsafe-global",
        "dangerous",
        "A safe name is overwritten before it is used.",
        _overwritten,
    ),
    "unknown-global/26_unknown.pkl": sample(
        26,
        "unknown-global",
        "unknown",
        "Code of a package that nobody knows.",
        _calls("totally_unknown_pkg.mod", "factory"),
    ),
    "lookalike-name/26_typosquat.pkl": sample(
        26,
        "lookalike-name",
        "suspicious",
        "A module with a letter too many.",
        _calls("torch._utilss", "_rebuild_tensor_v2"),
    ),
    "broken-stream/27_truncated.pkl": sample(
        27,
        "broken-stream",
        "dangerous",
        "The stream ends after the call has been made.",
        _truncated,
    ),
    "broken-stream/28_invalid_opcode.pkl": sample(
        28, "broken-stream", "dangerous", "An unknown opcode follows the call.", _invalid(b"\xff")
    ),
    "broken-stream/28_invalid_text.pkl": sample(
        28,
        "broken-stream",
        "dangerous",
        "Bytes that are no UTF-8 follow.",
        _invalid(b"c\xf8\nx\n."),
    ),
    "broken-stream/28_impossible_length.pkl": sample(
        28,
        "broken-stream",
        "dangerous",
        "A text of two GiB is promised.",
        _invalid(b"X" + struct.pack("<I", 1 << 31)),
    ),
    "broken-stream/28_negative_length.pkl": sample(
        28,
        "broken-stream",
        "dangerous",
        "An integer of negative length follows.",
        _invalid(b"\x8b" + struct.pack("<i", -1)),
    ),
    "broken-stream/29_missing_entry.pkl": sample(
        29,
        "broken-stream",
        "dangerous",
        "A name is built from a memo entry that is not there.",
        _invalid(b"h\x07h\x08" + STACK_GLOBAL),
    ),
    "broken-stream/29_number_for_name.pkl": sample(
        29,
        "broken-stream",
        "dangerous",
        "A name is built from numbers.",
        _invalid(b"K\x01K\x02" + STACK_GLOBAL),
    ),
    "broken-stream/30_put_index.pkl": sample(
        30,
        "broken-stream",
        "dangerous",
        "One unpickler takes the index, another does not.",
        lambda: _calls_text() + b"p99999999999999999999\n" + STOP,
    ),
    "stack-left-over/31_mark.pkl": sample(
        31,
        "stack-left-over",
        "dangerous",
        "A mark is left on the stack.",
        lambda: PROTO2 + MARK + PAYLOAD + STOP,
    ),
    "frame-mismatch/32_straddling.pkl": sample(
        32,
        "frame-mismatch",
        "dangerous",
        "An operand crosses the end of a frame.",
        _straddling_frame,
    ),
    "frame-mismatch/33_too_long.pkl": sample(
        33,
        "frame-mismatch",
        "dangerous",
        "A frame is longer than the stream.",
        _long_frame(1 << 40),
    ),
    "frame-mismatch/33_empty.pkl": sample(
        33, "frame-mismatch", "dangerous", "A frame is empty.", _long_frame(0)
    ),
    "unsafe-global/34_rare_opcodes.pkl": sample(
        34,
        "unsafe-global",
        "dangerous",
        "Opcodes that few readers know stand before the call.",
        _rare_opcodes,
    ),
    "stacked-pickle/35_second.pkl": sample(
        35, "stacked-pickle", "dangerous", "The second pickle of a file.", _stacked_after(b"")
    ),
    "stacked-pickle/35_after_zeros.pkl": sample(
        35,
        "stacked-pickle",
        "dangerous",
        "A pickle behind 4 KiB of zeros.",
        _stacked_after(bytes(4096)),
    ),
    "stacked-pickle/35_after_junk.pkl": sample(
        35,
        "stacked-pickle",
        "dangerous",
        "A pickle behind junk.",
        _stacked_after(b"\xffjunk\xff" * 9),
    ),
    "stacked-pickle/35_fifty_first.pkl": sample(
        35, "stacked-pickle", "dangerous", "A pickle behind fifty others.", lambda: CALM * 50 + EVIL
    ),
    "trailing-bytes/36_spaces.pkl": sample(
        36, "trailing-bytes", "dangerous", "White space behind the end.", lambda: EVIL + b" \n"
    ),
    "misplaced-proto/37_twice.pkl": sample(
        37,
        "misplaced-proto",
        "dangerous",
        "The protocol is declared twice.",
        lambda: PROTO2 + PROTO4 + PAYLOAD + STOP,
    ),
    "misplaced-proto/37_late.pkl": sample(
        37,
        "misplaced-proto",
        "suspicious",
        "The protocol is declared late.",
        lambda: NONE + PROTO2 + STOP,
    ),
    "nested-pickle/38_loads.pkl": sample(
        38,
        "nested-pickle",
        "dangerous",
        "pickle.loads of bytes.",
        _nested(("pickle", "loads"), EVIL),
    ),
    "nested-pickle/38_base64.pkl": sample(
        38, "nested-pickle", "dangerous", "The bytes come out of base64.", _in_base64
    ),
    "nested-pickle/38_zlib.pkl": sample(
        38, "nested-pickle", "dangerous", "The bytes come out of zlib.", _in_zlib
    ),
    "nested-pickle/38_load_from_bytes.pkl": sample(
        38,
        "nested-pickle",
        "dangerous",
        "torch loads the bytes.",
        _nested(("torch.storage", "_load_from_bytes"), EVIL),
    ),
    "nested-pickle/38_inert.pkl": sample(
        38,
        "nested-pickle",
        "dangerous",
        "The bytes are a value that nothing loads yet.",
        _inert_blob,
    ),
    "memo-tricks/39_far_index.pkl": sample(
        39,
        "memo-tricks",
        "suspicious",
        "A memo index needs 32 GiB of some unpicklers.",
        lambda: PROTO2 + EMPTY_DICT + b"r\xff\xff\xff\xff" + STOP,
    ),
    "expansion/40_laughs.pkl": sample(
        40, "expansion", "unreadable", "Ten of ten of ten, nine times over.", _laughs
    ),
    "over-a-limit/41_deep.pkl": sample(
        41, "over-a-limit", "unreadable", "Twenty thousand lists in each other.", _deep
    ),
    "over-a-limit/42_digits.pkl": sample(
        42, "over-a-limit", "unreadable", "A number of fifty thousand digits.", _large_number
    ),
    "unsafe-global/43_flood.pkl": sample(
        43,
        "unsafe-global",
        "dangerous",
        "Thirty thousand opcodes that do nothing, then the call.",
        _flood,
    ),
    "tensor-metadata/45_beyond.pkl": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "2^30 elements over 16 bytes.",
        lambda: PROTO2 + tensor(storage(), [1 << 30], [1]) + STOP,
    ),
    "tensor-metadata/45_negative.pkl": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "A negative stride.",
        lambda: PROTO2 + tensor(storage(), [4], [-1]) + STOP,
    ),
    "tensor-metadata/45_expanded.pkl": sample(
        45,
        "tensor-metadata",
        "suspicious",
        "2^60 elements by a stride of zero.",
        lambda: PROTO2 + tensor(storage(), [1 << 60], [0]) + STOP,
    ),
    "item-assignment/46_tensor.pkl": sample(
        46, "item-assignment", "suspicious", "An item is set on a tensor.", _item_of_tensor
    ),
    "item-assignment/46_builtins.pkl": sample(
        46,
        "item-assignment",
        "dangerous",
        "An item is set on a module's builtins.",
        _item_of_builtins,
    ),
    "callable-as-data/47_rebuild.pkl": sample(
        47,
        "callable-as-data",
        "dangerous",
        "A function is handed to one that calls it.",
        lambda: (
            PROTO2
            + call(
                named("torch._tensor", "_rebuild_from_type_v2"),
                FIRE,
                named("torch", "Tensor"),
                EMPTY_TUPLE,
                NONE,
            )
            + STOP
        ),
    ),
    "attribute-shadowing/48_items.pkl": sample(
        48, "attribute-shadowing", "suspicious", "An attribute hides a method.", _shadowed
    ),
    "unsafe-use/48_state.pkl": sample(
        48,
        "unsafe-use",
        "suspicious",
        "A safe name is used in another way than the safe one.",
        lambda: PROTO2 + call(named("_codecs", "encode"), text("x"), text("zip_codec")) + STOP,
    ),
    "reader-disagreement/30_numeral.pkl": sample(
        30,
        "reader-disagreement",
        "suspicious",
        "A number that unpicklers read differently.",
        lambda: PROTO2 + b"I0_1\n" + STOP,
    ),
    "wrong-extension/70_picture.jpg": sample(
        70, "wrong-extension", "dangerous", "A pickle called .jpg.", lambda: EVIL
    ),
    "wrong-extension/70_unknown.safetensors": sample(
        70,
        "wrong-extension",
        "suspicious",
        "A pickle of unknown code called .safetensors.",
        _calls("totally_unknown_pkg.mod", "factory"),
    ),
    "unsafe-global/70_other_names.bin": sample(
        70, "unsafe-global", "dangerous", "A plain pickle called .bin.", lambda: EVIL
    ),
    "unsafe-global/70_no_ending": sample(
        70, "unsafe-global", "dangerous", "A plain pickle whose name has no ending.", lambda: EVIL
    ),
    "compressed-file/71_gzip.pkl": sample(
        71,
        "compressed-file",
        "dangerous",
        "A pickle packed by gzip.",
        _packed(lambda raw: gzip.compress(raw, mtime=0)),
    ),
    "compressed-file/71_zlib.pkl": sample(
        71, "compressed-file", "dangerous", "A pickle packed by zlib.", _packed(zlib.compress)
    ),
    "compressed-file/71_xz.pkl": sample(
        71, "compressed-file", "dangerous", "A pickle packed by xz.", _packed(lzma.compress)
    ),
    "compressed-file/71_bz2.pkl": sample(
        71, "compressed-file", "dangerous", "A pickle packed by bzip2.", _packed(bz2.compress)
    ),
    "unsafe-global/safe_beside.pkl": sample(
        2,
        "unsafe-global",
        "dangerous",
        "The call is made and its result dropped.",
        lambda: beside(PAYLOAD),
    ),
}
"""Path below ``hostile`` → sample."""


def _calls_text() -> bytes:
    """Return the payload in protocol 0."""
    return f"c{TRIPWIRE}\nfire\n(Vx\ntR".encode()
