"""A venue's counter of all messages of one connection: what it shows as missing, and which of its numbers are strays. Pure.

A connection is one ordered stream, so a number not above the last is a repetition, and one that is not the next shows a loss. Nobody loses
very many messages of a connection that lives on: a number more than FAR ahead shows a loss only once another goes on from it. Where the
next goes on from before it instead, it was a stray: nothing is missing, and the count stands where it stood. So it is with the first
number of all: until one goes on from it, a lower one, or two far above, take its place.
"""

from typing import NamedTuple

FAR = 100_000
"""How far ahead a number may be and be believed by itself: a minute of a busy connection; a venue that can't send for longer hangs up."""
BEGINS = 1_000
"""How high the first number may be and be believed by itself: a connection is heard from its beginning."""


class Count(NamedTuple):
    """Where a connection's counter stands."""

    last: int
    """The highest number that is believed."""
    far: int | None = None
    """A number far ahead of that: the next message says whether it was a stray."""
    is_sure: bool = True
    """False while `last` is the first number known, high above where counters begin, and nothing has gone on from it."""


class Missing(NamedTuple):
    """Numbers that are missing, both ends inclusive."""

    first: int
    last: int


def count(before: Count | None, number: int, ours: int = 0) -> tuple[Count, tuple[Missing, ...]]:
    """Take a number; return where the counter stands then, and what is missing. `before`: None at the first number of a connection.

    `ours`: so many messages were lost right before it by ourselves, as our own count shows; it may be further ahead by as many.
    """
    if before is None:
        return _first(number), ()
    last, far, is_sure = before
    if number <= last:
        return (before if is_sure or number == last else _first(number)), ()
    if far is not None and far <= number <= far + FAR + ours:
        if number == far:
            return before, ()
        return Count(number), (*(_between(last, far) if is_sure else ()), *_between(far, number))
    if number <= last + FAR + ours:
        return Count(number), _between(last, number)
    return Count(last, number, is_sure), ()


def _first(number: int) -> Count:
    return Count(number, None, number <= BEGINS)


def _between(last: int, number: int) -> tuple[Missing, ...]:
    return (Missing(last + 1, number - 1),) if number > last + 1 else ()
