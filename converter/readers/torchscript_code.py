r"""What the class texts of a TorchScript archive declare; they are searched, never parsed or run.

``code/__torch__/net/layers.py`` holds, for ``__torch__.net.layers.Linear``::

    class Linear(Module):
        __parameters__ = [
            "weight",
            "bias",
        ]
        __buffers__ = []
        weight: Tensor
        in_features: Final[int] = 3

torch before 1.5 writes no ``__buffers__``. The names stand as they are, without escapes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from converter.errors import FormatError, LimitError

if TYPE_CHECKING:
    from converter.containers.records import Archive, Record
    from converter.limits import Limits

# What begins a line: a class, any other statement that ends one, a list of names, a constant.
_DECLARATION: Final = re.compile(
    rb"^(?:class (?P<name>[^\s(:]+)(?:\((?P<base>[^)\n]*)\))?:"
    rb"|(?P<end>def )"
    rb"|  __(?P<list>parameters|buffers)__ = \[(?P<names>[^\n]*)\]"
    rb"|  (?P<constant>[^\s:]+) : (?P<value>Final\[[^\n]*))",
    re.MULTILINE,
)
_NAME: Final = re.compile(rb'"([^"\n]*)"')
_MODULE_BASE: Final = "Module"


@dataclass(slots=True)
class ClassText:
    """What the text of one class declares.

    Attributes:
        base: what stands in parentheses after its name: ``Module``, ``NamedTuple``, or nothing.
        parameters: names of its parameters; None where the text does not list them.
        buffers: names of its buffers; None where the text does not list them.
        constants: (name, declaration) of its constants, such as ``Final[int] = 3``.
    """

    base: str
    parameters: frozenset[str] | None = None
    buffers: frozenset[str] | None = None
    constants: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_module(self) -> bool:
        """Whether it is the class of a module."""
        return self.base == _MODULE_BASE


class CodeTexts:
    """The class texts of one archive, read when a class is asked for.

    Attributes:
        problems: why texts could not be read.
    """

    def __init__(self, archive: Archive, folder: str, limits: Limits) -> None:
        """Look for texts in `folder` of `archive`, for example ``R/code/``."""
        self.problems: list[FormatError] = []
        self._archive: Final = archive
        self._folder: Final = folder
        self._limits: Final = limits
        self._nbytes = 0
        self._classes: dict[str, dict[str, ClassText]] = {}

    def find(self, class_name: str) -> ClassText | None:
        """Return what is declared of ``module.Class``, or None where the archive does not say."""
        module, _, name = class_name.rpartition(".")
        if module not in self._classes:
            self._classes[module] = self._read(module)
        return self._classes[module].get(name)

    def _read(self, module: str) -> dict[str, ClassText]:
        record = self._archive.find_folded(f"{self._folder}{module.replace('.', '/')}.py")
        if record is None:
            return {}
        try:
            return class_texts(self._text(record))
        except FormatError as error:
            error.record = error.record or record.name
            self.problems.append(error)
            return {}

    def _text(self, record: Record) -> bytes:
        """Return a text; all texts of an archive together have to be small."""
        self._nbytes += record.nbytes
        if self._nbytes > self._limits.max_small_record_bytes:
            raise LimitError(
                "max_small_record_bytes",
                allowed=self._limits.max_small_record_bytes,
                found=self._nbytes,
                record=record.name,
            )
        return record.data.read_at(0, record.nbytes)


def class_texts(text: bytes) -> dict[str, ClassText]:
    """Return the classes of one file by name; of two with one name, the first counts."""
    classes: dict[str, ClassText] = {}
    current: ClassText | None = None
    for match in _DECLARATION.finditer(text):
        if match["name"] is not None:
            current = ClassText(_text(match["base"] or b""))
            classes.setdefault(_text(match["name"]), current)
        elif match["end"] is not None:
            current = None
        elif current is not None:
            _declare(current, match)
    return classes


def _declare(current: ClassText, match: re.Match[bytes]) -> None:
    if match["list"] is None:
        name, value = match["constant"], match["value"]
        current.constants.append(
            (name.decode("utf-8", "replace"), value.decode("utf-8", "replace"))
        )
        return
    names = frozenset(map(_text, _NAME.findall(match["names"])))
    if match["list"] == b"parameters":
        current.parameters = names
    else:
        current.buffers = names


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
