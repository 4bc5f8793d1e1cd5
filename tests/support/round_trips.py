"""What must hold of a checkpoint file and its conversion, for all of them.

What is expected comes from the live object that was saved; what is found, from the safetensors
library and from torch. Nothing of the package says what is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import safetensors
import safetensors.torch

import converter
from converter.conversion import ConversionSettings
from converter.risk.policy import policy_of
from tests.support.live_bytes import live_bytes, live_described, type_name
from tests.support.live_trees import live_difference
from tests.support.temporary import folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from converter.strategies import CheckpointFile

Described = dict[str, tuple[str, tuple[int, ...], bytes]]

# torch → safetensors, and sizes added at the end. The format's README and its Rust enumeration.
STORED: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "float64": ("F64", ()),
    "float32": ("F32", ()),
    "float16": ("F16", ()),
    "bfloat16": ("BF16", ()),
    "int64": ("I64", ()),
    "int32": ("I32", ()),
    "int16": ("I16", ()),
    "int8": ("I8", ()),
    "uint64": ("U64", ()),
    "uint32": ("U32", ()),
    "uint16": ("U16", ()),
    "uint8": ("U8", ()),
    "bool": ("BOOL", ()),
    "complex64": ("C64", ()),
    "float8_e4m3fn": ("F8_E4M3", ()),
    "float8_e5m2": ("F8_E5M2", ()),
    "float8_e4m3fnuz": ("F8_E4M3FNUZ", ()),
    "float8_e5m2fnuz": ("F8_E5M2FNUZ", ()),
    "float8_e8m0fnu": ("F8_E8M0", ()),
    # What the format has no word for: documented encodings of the same bytes.
    "complex128": ("F64", (2,)),
    "complex32": ("F16", (2,)),
    "bits8": ("U8", ()),
    "bits1x8": ("U8", ()),
    "bits2x4": ("U8", ()),
    "bits4x2": ("U8", ()),
    "bits16": ("U16", ()),
}
_NOT_LOADED_AS_ITSELF: Final = frozenset(
    {"complex128", "complex32", "bits8", "bits1x8", "bits2x4", "bits4x2", "bits16"}
    | {"float4_e2m1fn_x2"}
)

# What a file is judged to be is another question than whether its tensors come through.
ANY_VERDICT: Final = ConversionSettings(policy=policy_of(["dangerous"]))
_deserialize: Final[Any] = safetensors.deserialize
count = 0
"""Round trips made in this process: converted, and read back by somebody else."""


def converted(
    file: CheckpointFile, place: Path, *, settings: ConversionSettings | None = None
) -> tuple[Path, Path, Any]:
    """Write a file, convert it, and return both paths and the report."""
    source = file.write(place)
    target = place / "out.safetensors"
    report = converter.convert(source, target, settings=settings or ANY_VERDICT)
    return source, target, report


def named_tensors(file: CheckpointFile) -> dict[str, Any]:
    """Return the live tensors under the names that the documentation promises, in order."""
    import torch

    value = file.value
    if isinstance(value, torch.nn.Module):
        return _tensors_of(value.state_dict())
    if file.style == "state_dict":
        return _tensors_of(value)
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = "model" if key == "state_dict" else key
        if isinstance(item, torch.Tensor):
            found[f"extra.{name}"] = item
        elif isinstance(item, torch.nn.Module):
            found |= dict(_nested(name, _tensors_of(item.state_dict())))
        else:
            found |= dict(_nested(name, item))
    return found


def _tensors_of(state_dict: Any) -> dict[str, Any]:  # noqa: ANN401 - a dict of anything
    import torch

    return {name: one for name, one in state_dict.items() if isinstance(one, torch.Tensor)}


def _nested(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as above
    import torch

    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            # A tensor without a name of its own has that of what it stands in.
            yield from _nested(f"{path}.{key}" if key != "" else path, item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _nested(f"{path}.{index}", item)


def stored(tensor: Any) -> tuple[str, tuple[int, ...], bytes]:  # noqa: ANN401 - a torch.Tensor
    """Return what a safetensors file must hold for a live tensor."""
    name, shape, raw = live_described(tensor)
    if name == "float4_e2m1fn_x2":
        return ("F4", (*shape[:-1], 2 * shape[-1]), raw) if shape else ("U8", (), raw)
    stored_name, more = STORED[name]
    return stored_name, (*shape, *more), raw


def held(path: Path) -> tuple[Described, dict[str, str]]:
    """Return (tensors, metadata) of a file as the safetensors library reads them."""
    tensors = {
        name: (facts["dtype"], tuple(facts["shape"]), bytes(facts["data"]))
        for name, facts in _deserialize(path.read_bytes())
    }
    with safetensors.safe_open(path, "numpy") as opened:
        metadata = dict(opened.metadata() or {})
    return tensors, metadata


def check_output(path: Path, live: dict[str, Any]) -> None:
    """Assert that a file holds exactly these live tensors, bit for bit."""
    tensors, metadata = held(path)
    for name, tensor in live.items():
        kept = name if name in tensors else metadata.get(name)
        assert kept is not None, f"{name!r} is neither written nor listed as an alias"
        assert tensors[kept] == stored(tensor), name
    aliases = {name for name in live if name not in tensors}
    assert tensors.keys() == live.keys() - aliases
    for name in aliases:
        assert _same_view(live[name], live[metadata[name]]), f"{name!r} is no alias"
    _check_with_torch(path, live)


def _same_view(one: Any, other: Any) -> bool:  # noqa: ANN401 - tensors
    return (
        one.untyped_storage()._cdata == other.untyped_storage()._cdata  # noqa: SLF001 - the identity of a storage
        and (one.dtype, one.shape, one.stride(), one.storage_offset())
        == (other.dtype, other.shape, other.stride(), other.storage_offset())
    )


def _check_with_torch(path: Path, live: dict[str, Any]) -> None:
    loaded = safetensors.torch.load_file(path)
    for name, tensor in loaded.items():
        expected = live[name]
        if type_name(expected) not in _NOT_LOADED_AS_ITSELF:
            assert tensor.dtype == expected.dtype
            assert tensor.shape == expected.shape
        assert live_bytes(tensor) == live_bytes(expected), name


def has_models(file: CheckpointFile) -> bool:
    """Return whether a file holds a tensor in each of its models.

    A dict with a model without any and a loose tensor reads like a state_dict of that tensor.
    """
    import torch

    models = [one for one in _parts(file) if isinstance(one, torch.nn.Module)]
    return all(_tensors_of(model.state_dict()) for model in models)


def has_modules(file: CheckpointFile) -> bool:
    """Return whether a file holds whole models, which are not rebuilt without their classes."""
    import torch

    return any(isinstance(one, torch.nn.Module) for one in [file.value, *_parts(file)])


def _parts(file: CheckpointFile) -> list[Any]:
    several = file.style in ("bundle", "multi_model")
    return list(file.value.values()) if several else []


def check_round_trip(file: CheckpointFile) -> None:
    """Assert that a file converts, that the output is what was saved, and that it verifies."""
    global count  # noqa: PLW0603 - the one thing that is counted
    with folder() as place:
        source, target, report = converted(file, place)
        assert report.style == file.style
        assert report.verification is not None
        assert report.verification.identical, report.verification
        check_output(target, named_tensors(file))
        assert converter.verify(source, target).identical
    count += 1


def check_values(file: CheckpointFile) -> None:
    """Assert that the file, and what it is converted to, give back what was saved."""
    with folder() as place:
        source, target, _ = converted(file, place)
        # What a model holds beside its state_dict is left out of a conversion.
        for path in (source,) if has_modules(file) else (source, target):
            checkpoint = converter.open(path)
            try:
                found = checkpoint.to_python()
            finally:
                checkpoint.close()
            reason = live_difference(file.value, found)
            assert reason is None, f"{path.name}: {reason}"


def check_damage_is_seen(file: CheckpointFile, at: int, bit: int) -> None:
    """Assert that a verifier sees one changed bit of an output, wherever it is in the tensors."""
    with folder() as place:
        source, target, _ = converted(file, place)
        raw = bytearray(target.read_bytes())
        start = 8 + int.from_bytes(raw[:8], "little")
        if start == len(raw):
            return
        raw[start + at % (len(raw) - start)] ^= 1 << bit
        target.write_bytes(raw)
        assert not converter.verify(source, target).identical
