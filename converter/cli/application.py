"""The commands of ``depickle``, each imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from converter._version import __version__
from converter.cli.exit_codes import ExitCode
from converter.cli.refusals import exit_code_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPILOG = """\b
Exit codes:
  0   done, nothing to report          11  could not tell (unreadable, unknown code)
  1   failed (I/O, internal)           12  suspicious
  2   wrong arguments                  13  dangerous
  3   no input found                   20  differs
  4   refused by policy                21  migration finished, some files did not
"""


def _inspect() -> click.Command:
    from converter.cli.cmd_inspect import cmd_inspect

    return cmd_inspect


def _convert() -> click.Command:
    from converter.cli.cmd_convert import cmd_convert

    return cmd_convert


def _scan() -> click.Command:
    from converter.cli.cmd_scan import cmd_scan

    return cmd_scan


def _verify() -> click.Command:
    from converter.cli.cmd_verify import cmd_verify

    return cmd_verify


def _diff() -> click.Command:
    from converter.cli.cmd_diff import cmd_diff

    return cmd_diff


def _restore() -> click.Command:
    from converter.cli.cmd_restore import cmd_restore

    return cmd_restore


def _migrate() -> click.Command:
    from converter.cli.cmd_migrate import cmd_migrate

    return cmd_migrate


_VERBOSE: Final = frozenset({"-v", "--verbose"})

# Name → what imports the command: each brings only what it needs itself.
_COMMANDS: Final[dict[str, Callable[[], click.Command]]] = {
    "inspect": _inspect,
    "scan": _scan,
    "convert": _convert,
    "verify": _verify,
    "diff": _diff,
    "restore": _restore,
    "migrate": _migrate,
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those that only look first."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no such command."""
        load = _COMMANDS.get(cmd_name)
        return super().get_command(ctx, cmd_name) if load is None else load()


@click.group(
    cls=_LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="depickle", message="%(prog)s %(version)s")
def application() -> None:
    """PyTorch checkpoints to safetensors, without running the pickle inside."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every refusal is one sentence."""
    verbose = not _VERBOSE.isdisjoint(arguments)
    return exit_code_from(lambda: _parsed_and_run(arguments), verbose=verbose)


def _parsed_and_run(arguments: Sequence[str]) -> int:
    try:
        result = application.main(list(arguments), prog_name="depickle", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        raise KeyboardInterrupt from None
    return result if isinstance(result, int) else ExitCode.DONE
