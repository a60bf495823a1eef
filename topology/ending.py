"""How a process of ours ends where it can't go on: its last line says why, and its code says whether starting it again would help."""

import sys
from typing import NoReturn

from topology.errors import FATAL_CODE, Fatal, TidewireError
from topology.faults import reason_of
from topology.terminal import printable


def code_of(error: BaseException) -> int:
    """Return the exit code for an error: FATAL_CODE where only a person can mend it."""
    return FATAL_CODE if isinstance(error, Fatal) else 1


def words_of(error: BaseException) -> str:
    """Return an error in one line: what we raise on purpose in its own words, any other with its type and place."""
    return printable(" ".join(str(error).split()) if isinstance(error, TidewireError) else reason_of(error))


def end(name: str, error: BaseException) -> NoReturn:
    """End the process for an error; on the main thread, as the last thing that is done."""
    print(f"{name}: {words_of(error)}", file=sys.stderr, flush=True)
    sys.exit(code_of(error))
