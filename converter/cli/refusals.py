"""How errors become one sentence and an exit code."""

from __future__ import annotations

import sys

from converter.cli.exit_codes import ExitCode, exit_code_of
from converter.errors import DepickleError
from converter.reporting.terminal_text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def exit_code_from(command: Callable[[], int], *, verbose: bool = False) -> int:
    """Run a command and return its exit code; every refusal is one sentence.

    With `verbose` a defect of ours also shows where it is, for the report that it asks for.
    """
    try:
        return command()
    except KeyboardInterrupt:
        print("depickle: interrupted", file=sys.stderr)
    except DepickleError as error:
        return _refused(error)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        sys.stderr.close()
    except MemoryError:
        print("depickle: out of memory", file=sys.stderr)
    except OSError as error:
        print(f"depickle: {printable(str(error))}", file=sys.stderr)
    except Exception as error:  # noqa: BLE001 - a defect gets its sentence too, not a traceback
        what = printable(f"{type(error).__name__}: {error}")
        print(f"depickle: a defect of depickle itself, please report it: {what}", file=sys.stderr)
        if verbose:
            import traceback

            lines = "".join(traceback.format_exception(error)).splitlines()
            print("\n".join(map(printable, lines)), file=sys.stderr)
    return ExitCode.FAILED


def _refused(error: DepickleError) -> int:
    """Say why a command did not do what it was asked, and what might help."""
    from converter.reporting.advice import advice_on

    print(f"depickle: {printable(str(error))}", file=sys.stderr)
    advice = advice_on(error)
    if advice is not None:
        print(f"  {advice}", file=sys.stderr)
    return exit_code_of(error)
