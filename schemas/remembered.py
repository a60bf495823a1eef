"""What is remembered of texts from outside: so many, and none so long that remembering it would cost more than making it again."""

from collections.abc import Callable, Hashable, Sized
from typing import Final, Protocol, TypeVar

LONGEST_REMEMBERED: Final = 64
"""Letters: no number that an event can hold, no name of a market or a stream is longer."""


class Text(Hashable, Sized, Protocol):
    """A str or bytes."""


T = TypeVar("T", bound=Text)
R = TypeVar("R")


class Remembered(dict[T, R]):
    """The results of a function by its only argument; a dict, so that what is remembered costs no call in Python.

    At `most` of them all are forgotten. Any thread: at worst two make the same.
    """

    def __init__(self, make: Callable[[T], R], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, text: T) -> R:
        made = self._make(text)
        if len(text) <= LONGEST_REMEMBERED:
            if len(self) >= self._most:
                self.clear()
            self[text] = made
        return made


def remembered(most: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """Let the results of a function of one text be remembered, except of texts that are long; what it raises is not remembered."""

    def remember(make: Callable[[T], R]) -> Callable[[T], R]:
        return Remembered(make, most).__getitem__

    return remember


__all__ = ["LONGEST_REMEMBERED", "Remembered", "remembered"]
