"""What is to be reached, as figures of a benchmark run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Target:
    """One figure and its bound.

    Attributes:
        text: what it says.
        section: where it is measured.
        figure: its name there.
        bound: the most it may be, or the least.
        at_least: whether the bound is the least.
    """

    text: str
    section: str
    figure: str
    bound: float
    at_least: bool = False

    def value(self, facts: Mapping[str, Mapping[str, float]]) -> float | None:
        """Return what was measured; None where it was not."""
        return facts.get(self.section, {}).get(self.figure)

    def is_reached(self, value: float) -> bool:
        """Return whether a value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


def _least(text: str, section: str, figure: str, bound: float) -> Target:
    return Target(text, section, figure, bound, at_least=True)


_PLANNING: Final = "beyond_us_per_tensor"
_VERIFIED: Final = "depickle, verified"

TARGETS: Final = (
    Target("convert: times the copy", "large", "depickle over cp + fsync", 1.15),
    Target("convert and verify: times the copy", "large", f"{_VERIFIED} over cp + fsync", 1.8),
    _least("torch, mmap: times as long as convert", "large", "torch, mmap over depickle", 3),
    _least("torch, mmap: times as long, verified", "large", f"torch, mmap over {_VERIFIED}", 2),
    _least("torch: times as long as convert", "large", "torch over depickle", 5),
    Target("peak memory at the smaller size, MB", "memory", "peak MB, smaller", 150),
    Target("peak memory at four times the size, MB", "memory", "peak MB, larger", 150),
    Target("peak memory, larger over smaller", "memory", "larger/smaller", 1.1),
    Target("many tensors: µs to plan one, without its opcodes", "many", _PLANNING, 10),
    _least("many tensors: torch, mmap over convert", "many", "torch, mmap over depickle", 1),
    _least("many opcodes: genops over ours", "opcodes", "genops over ours", 1.2),
    _least("many opcodes: torch's unpickler over ours", "opcodes", "torch over ours", 3),
    Target("--version: times python -c pass", "start", "depickle --version over bare Python", 2),
    Target(
        "scan one file: times python -c pass", "start", "depickle scan small over bare Python", 3
    ),
    _least("many files: fastest peer over depickle", "files", "fastest peer over depickle", 5),
    Target("scan 10 GB: bytes read, %", "sparse", "bytes read, modules of Python included, %", 1),
    Target("twice the bytes: time over bytes, most", "growth", "time over bytes, most", 1.15),
    Target("twice the files: time over files, most", "folders", "time over files, most", 1.15),
)
"""Every target; those about time are medians of ratios within rounds."""
