"""Errors by what to do about them.

TidewireError
├── Retry    the same call may work later: wait and try again
├── Reject   this datum will never work: send it to dead_letters with its bytes and this reason, go on with the next
└── Fatal    nothing will work until a person acts: stop the stage and say which setting to change
"""

from typing import Final

from schemas.errors import InvalidDatum

FATAL_CODE: Final = 78
"""Exit code of a process that a Fatal has ended (EX_CONFIG of sysexits.h): started again as it is, it would end in the same way."""


class TidewireError(Exception):
    """Everything Tidewire raises on purpose."""


class Retry(TidewireError):
    """Try the same again after `after` seconds."""

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after


class Reject(TidewireError):
    """Give this one datum up; the reason goes to dead_letters beside its bytes."""


class Fatal(TidewireError):
    """Stop the stage; the text names the setting to change."""


__all__ = ["FATAL_CODE", "Fatal", "InvalidDatum", "Reject", "Retry", "TidewireError"]
