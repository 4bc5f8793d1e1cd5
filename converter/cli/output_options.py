"""What several commands have in common: format, progress, and what to write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from converter.reporting.terminal_text import encodable

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

    from converter.writing.options import WriteOptions

# As huggingface_hub counts them.
_SIZE_UNITS: Final = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([KMGT]B)?", re.IGNORECASE)

_Command = TypeVar("_Command", bound="Callable[..., Any]")


def format_option(command: _Command) -> _Command:
    """Add ``--format text|json``."""
    return click.option(
        "--format",
        "format_name",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How the result is printed.",
    )(command)


def quiet_options(command: _Command) -> _Command:
    """Add ``-q``, ``-v`` and ``--no-progress``."""
    for add in (
        click.option("-q", "--quiet", is_flag=True, help="Print no result, only errors."),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            help="Say how long each phase took, and where it broke.",
        ),
        click.option("--no-progress", is_flag=True, help="Show no progress bar."),
    ):
        command = add(command)
    return command


def selection_options(command: _Command) -> _Command:
    """Add the options that choose and name tensors."""
    for add in reversed(
        (
            click.option(
                "--component",
                "components",
                multiple=True,
                metavar="NAME",
                help="Only this component; may be repeated.",
            ),
            click.option(
                "--strip-prefix",
                "strip_prefixes",
                multiple=True,
                metavar="PREFIX",
                help="Take this leading part off names; may be repeated.",
            ),
            click.option(
                "--strip-part",
                "strip_parts",
                multiple=True,
                metavar="PART",
                help="Take this part out of names, wherever it stands; may be repeated.",
            ),
            click.option(
                "--rename",
                "renames",
                multiple=True,
                metavar="OLD=NEW",
                help="Rename a tensor, or a leading part of names; may be repeated.",
            ),
            click.option(
                "--include",
                multiple=True,
                metavar="GLOB",
                help="Only tensors whose name matches; may be repeated.",
            ),
            click.option(
                "--exclude",
                multiple=True,
                metavar="GLOB",
                help="No tensor whose name matches; may be repeated.",
            ),
            click.option(
                "--plain",
                is_flag=True,
                help='Metadata {"format": "pt"} and nothing else: no document, no aliases.',
            ),
            click.option(
                "--max-shard-size",
                metavar="SIZE",
                help="In a folder: divide what is larger, with an index. Bytes, or as in 5GB.",
            ),
        )
    ):
        command = add(command)
    return command


def write_options(chosen: dict[str, Any], *, folder: bool) -> WriteOptions:
    """Return what the selection options say; takes its own entries out of `chosen`.

    Raises:
        click.UsageError: a rename is not of the form OLD=NEW, or a size is none.
    """
    from converter.writing.options import WriteOptions

    renames = []
    for text in chosen.pop("renames"):
        old, separator, new = text.partition("=")
        if not (old and separator):
            msg = f"--rename takes OLD=NEW, not {text!r}"
            raise click.UsageError(msg)
        renames.append((old, new))
    components = chosen.pop("components")
    return WriteOptions(
        components=components or None,
        strip_prefixes=chosen.pop("strip_prefixes"),
        strip_parts=chosen.pop("strip_parts"),
        renames=tuple(renames),
        include=chosen.pop("include"),
        exclude=chosen.pop("exclude"),
        plain=chosen.pop("plain"),
        folder=folder,
        max_shard_nbytes=_size(chosen.pop("max_shard_size")),
    )


def _size(text: str | None) -> int | None:
    """Return the bytes of a size such as ``5GB``; units are powers of 1000."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        msg = f"--max-shard-size takes bytes, or a number of KB, MB, GB or TB, not {text!r}"
        raise click.UsageError(msg)
    from fractions import Fraction

    return int(Fraction(match[1]) * _SIZE_UNITS.get((match[2] or "").upper(), 1))


def show(text: Callable[[], str], document: msgspec.Struct, format_name: str) -> None:
    """Print a result on standard output, as text or as its document."""
    click.echo(json_text(document) if format_name == "json" else text())


def json_text(document: msgspec.Struct) -> str:
    """Return a document as JSON for people and programs: two spaces a level."""
    import msgspec

    try:
        encoded = msgspec.json.encode(document)
    except UnicodeEncodeError:
        # The name of a file, or of a tensor, that is no text.
        encoded = msgspec.json.encode(_spelled_out(msgspec.to_builtins(document)))
    return msgspec.json.format(encoded, indent=2).decode()


def _spelled_out(value: Any) -> Any:  # noqa: ANN401 - what JSON consists of
    """Return a value with `encodable` text in it; reports nest a few levels deep."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [_spelled_out(item) for item in value]
    if isinstance(value, dict):
        return {_spelled_out(key): _spelled_out(item) for key, item in value.items()}
    return value
