"""Partitions of which nothing comes though they have more: looked at whenever a fetch has brought nothing. Pure."""

from collections.abc import Mapping

from faust.types import TP


class Quiet:
    """How long each partition has stood at one position. `seconds`: after so many it is told, and again after so many more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[TP, tuple[int, float]] = {}

    def look(self, standing: Mapping[TP, tuple[int, int | None]], now: float) -> dict[TP, int]:
        """Take position and end of log (None: not known) of each partition that may be fetched now; return those quiet too long.

        `now` in seconds, monotonic.
        """
        before, self._since = self._since, {}
        quiet: dict[TP, int] = {}
        for tp, (position, end) in standing.items():
            if end is not None and position >= end:
                continue
            last, since = before.get(tp, (position, now))
            if last != position:
                since = now
            if now - since >= self._seconds:
                quiet[tp] = position
                since = now
            self._since[tp] = position, since
        return quiet
