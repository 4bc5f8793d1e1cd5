"""The commands of ``depickle``, and how errors become one sentence and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from converter._version import __version__
from converter.cli.cmd_convert import cmd_convert
from converter.cli.cmd_inspect import cmd_inspect
from converter.cli.cmd_restore import cmd_restore
from converter.cli.cmd_verify import cmd_verify
from converter.cli.exit_codes import ExitCode, exit_code_of
from converter.errors import DepickleError
from converter.reporting.advice import advice_on
from converter.reporting.terminal_text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\b
Exit codes:
  0   done, nothing to report          11  could not tell (unreadable, over a limit)
  1   failed (I/O, internal)           20  differs
  2   wrong arguments
  3   no input found
"""


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="depickle", message="%(prog)s %(version)s")
def application() -> None:
    """PyTorch checkpoints to safetensors, without running the pickle inside."""


application.add_command(cmd_inspect)
application.add_command(cmd_convert)
application.add_command(cmd_verify)
application.add_command(cmd_restore)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every refusal is one sentence."""
    try:
        result = application.main(list(arguments), prog_name="depickle", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        print("depickle: interrupted", file=sys.stderr)
        return ExitCode.FAILED
    except DepickleError as error:
        print(f"depickle: {printable(str(error))}", file=sys.stderr)
        advice = advice_on(error)
        if advice is not None:
            print(f"  {advice}", file=sys.stderr)
        return exit_code_of(error)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        sys.stderr.close()
        return ExitCode.FAILED
    except MemoryError:
        print("depickle: out of memory", file=sys.stderr)
        return ExitCode.FAILED
    return result if isinstance(result, int) else ExitCode.DONE
