"""What the readers of folders share: opening files of a folder and collecting what they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.values import MappingValue, SequenceValue
from converter.errors import ContainerError, LimitError, SourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from converter.byteio.folder import FolderSource
    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.limits import Limits

    FileReader: TypeAlias = Callable[[ByteSource, Limits], Opened]


@dataclass(slots=True, eq=False)
class FolderParts:
    """A folder that is being read.

    Attributes:
        source: the folder.
        limits: the caps in force.
        read_file: reads a file of any kind.
        opened: what was found so far.
        names: names in the folder, sorted; those of folders end in /.
    """

    source: FolderSource
    limits: Limits
    read_file: FileReader
    opened: Opened
    names: list[str]
    _remarks: dict[Note, list[str]] = field(default_factory=dict)

    def value(self, name: str) -> Value:
        """Return what a file of any kind holds; what is odd about it is kept under its name.

        Raises:
            SourceError: it cannot be opened.
            FormatError: no reader takes it.
        """
        part = self.read_file(self.source.open_file(name), self.limits)
        self.absorb(part, name)
        return part.root

    def absorb(self, part: Opened, label: str) -> None:
        """Keep everything that was found in a part of the folder, apart from its value."""
        opened = self.opened
        opened.graphs.extend((f"{label}!{record}", graph) for record, graph in part.graphs)
        opened.storages.extend(part.storages)
        opened.anomalies.extend(
            item._replace(record=f"{label}!{item.record}" if item.record else label)
            for item in part.anomalies
        )
        for note in part.notes:
            self._remarks.setdefault(note, []).append(label)
        opened.error = opened.error or part.error

    def note(self, code: str, text: str) -> None:
        """Note what a person should know."""
        self.opened.notes.append(Note(code, text))

    def finish(self) -> Opened:
        """Return what was found, the notes of several files about the same thing made one."""
        for note, labels in self._remarks.items():
            where = labels[0] if len(labels) == 1 else f"{len(labels)} files"
            self.note(note.code, f"{where}: {note.text}")
        self._remarks.clear()
        return self.opened

    def open_all(self, names: Iterable[str], named_by: str) -> None:
        """Open files that another one names.

        Raises:
            ContainerError: some are missing; all of them are named.
            SourceError: a name leads out of the folder, or a file cannot be opened.
        """
        missing = []
        count = 0
        for name in names:
            count += 1
            try:
                self.source.open_file(name)
            except SourceNotFoundError:
                missing.append(name)
        if missing:
            raise ContainerError(
                "files of the checkpoint are missing",
                source=self.source.name,
                expected=f"{count} files that {named_by} names",
                found=f"{len(missing)} missing: {', '.join(missing)}",
                code="shards_missing",
            )

    def json_value(self, name: str) -> Value:
        """Return a small JSON file as a value.

        Raises:
            LimitError: it is longer than `Limits.max_small_record_bytes`.
            ContainerError: it is no JSON, or an object has a key twice.
        """
        return value_of_json(self.json(name))

    def json(self, name: str) -> object:
        """Return a small JSON file as Python's own types; errors as for `json_value`."""
        raw = self.small_file(name)
        try:
            found = json.loads(text := raw.decode("utf-8"), object_pairs_hook=_object)
            if "\\u" in text:  # half of a surrogate pair is no text in any encoding
                json.dumps(found, ensure_ascii=False).encode("utf-8")
        except (ValueError, RecursionError) as error:
            raise ContainerError(
                "file is no JSON",
                source=f"{self.source.name}/{name}",
                expected="JSON in UTF-8, each key of an object once",
                found=str(error)[:200] or type(error).__name__,
            ) from error
        return found

    def small_file(self, name: str) -> bytes:
        """Return all bytes of a file that has to be small.

        Raises:
            LimitError: it is longer than `Limits.max_small_record_bytes`.
        """
        file = self.source.open_file(name)
        if file.nbytes > self.limits.max_small_record_bytes:
            raise LimitError(
                "max_small_record_bytes",
                allowed=self.limits.max_small_record_bytes,
                found=file.nbytes,
                source=file.name,
            )
        return file.read_at(0, file.nbytes)


def value_of_json(found: object) -> Value:
    """Return decoded JSON as a value, without Python recursion."""
    root = SequenceValue("list", [])
    pending: list[tuple[object, Callable[[Value], None]]] = [(found, root.items.append)]
    while pending:
        item, put = pending.pop()
        if isinstance(item, dict):
            mapping = MappingValue("dict", [(key, None) for key in item])
            put(mapping)
            for place, (key, child) in enumerate(item.items()):
                pending.append((child, _entry_setter(mapping, place, key)))
        elif isinstance(item, list):
            sequence = SequenceValue("list", [None] * len(item))
            put(sequence)
            for place, child in enumerate(item):
                pending.append((child, _item_setter(sequence, place)))
        else:
            put(item)  # type: ignore[arg-type] # JSON has no other types
    return root.items[0]


def _entry_setter(mapping: MappingValue, place: int, key: str) -> Callable[[Value], None]:
    def put(value: Value) -> None:
        mapping.entries[place] = (key, value)

    return put


def _item_setter(sequence: SequenceValue, place: int) -> Callable[[Value], None]:
    def put(value: Value) -> None:
        sequence.items[place] = value

    return put


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                msg = f"key {key[:100]!r} stands twice"
                raise ValueError(msg)
            seen.add(key)
    return found
