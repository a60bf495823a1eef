"""Whose an answer is: a reply that names another symbol than its request is no answer to it. Pure."""

from collections.abc import Iterable

from schemas.errors import InvalidDatum

MOST_LETTERS = 64
"""Letters of a symbol that a reason shows."""


def check_answer(what: str, asked: str, told: Iterable[str | None]) -> None:
    """Raise InvalidDatum where a row of a reply names another symbol than was asked for: none of the reply is known then.

    Nothing is compared where no symbol was asked for, or with a row that names none.
    """
    if not asked:
        return
    for symbol in told:
        if symbol is not None and symbol != asked:
            raise InvalidDatum(f"{what} of {symbol[:MOST_LETTERS]!r} where that of {asked[:MOST_LETTERS]!r} was asked for")
