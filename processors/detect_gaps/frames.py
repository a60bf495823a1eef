"""Which raw frames came, as normalise says it in runs: our own count of each connection, the venue's where it has one, notices. Pure.

A run may come again, or in part and cut otherwise: normalise says again what it had said since its last checkpoint when it was killed. A
count tells a repetition by itself; of notices, and of connections that have ended, `Said` knows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from dialects import notices
from dialects.catalogue import all_dialects
from dialects.continuity import Rule, Run, Step
from dialects.rules import FRAMES
from processors.detect_gaps.connections import Counters
from processors.detect_gaps.coverage import GRACE, Coverage
from processors.detect_gaps.readers import Shared
from processors.detect_gaps.said import Said
from processors.detect_gaps.silences import KEY, Silences
from processors.detect_gaps.streams import DAY, Streams
from processors.engine.messages import FARTHEST
from schemas.errors import InvalidDatum
from schemas.events import Gap

FRAME_RUN = (
    *("venue", "origin", "connection_id", "connection_sequence", "received_at"),
    *("first_sequence", "first_received_at", "first_number", "notice"),
)


class Frames:
    """The connections of one partition, of one venue."""

    fields: tuple[str, ...] = FRAME_RUN
    columns: tuple[str, ...] = ()

    def __init__(self, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._shared = shared
        self.streams = Streams(shared.reorder, _frames, DAY)
        self.streams.load(entries)
        self.silences = Silences(entries.get(KEY, b""))
        self.counters = Counters(tells_absence, entries)
        self.coverage = Coverage(shared.coverages, self.streams.heard, tells_absence, entries)
        self._said = Said(entries)

    def begin(self, published_at: int) -> None:
        """See Reader."""
        self.streams.published_at = published_at

    def alone(self, frame: pl.DataFrame) -> list[int]:
        """See Reader. Nobody asks: there are no columns."""
        return frame["row"].to_list()

    def settle(self, frame: pl.DataFrame) -> list[int]:
        """See Reader."""
        return frame["row"].to_list()

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """See Reader. InvalidDatum where the run is none: a datum of its schema, put there by nobody who reads frames."""
        venue, origin, connection_id, last, received_at, first, first_at, number, payload = row
        if last < first or (number is not None and number + last - first > FARTHEST) or (payload is not None and first != last):
            raise InvalidDatum(f"no run of frames: {first} to {last}, the venue's number {number}")
        if self._said.has_ended(connection_id, last):
            return received_at, []
        made: list[Gap] = []
        if not self.streams.goes_on(connection_id, first, first, connection_id, first_at):
            made = self.streams.see(venue, "", "frame", origin, Step(first, first, connection_id, first_at), connection_id)
        if number is not None:
            ours = self.streams.missing_before(connection_id)
            made += self.counters.see(venue, origin, connection_id, number, first_at, ours=ours)
        if last > first:
            made += self._rest(venue, origin, connection_id, (first + 1, last), (first_at, received_at))
            if number is not None:
                made += self.counters.see_on(venue, origin, connection_id, (number + 1, number + last - first), received_at)
        if payload is not None and self._said.is_new(connection_id, last, received_at):
            made += self._notice(venue, origin, connection_id, last, received_at, notices.decode(payload))
        return received_at, made

    def _rest(self, venue: str, origin: Any, connection_id: str, span: tuple[int, int], times: tuple[int, int]) -> list[Gap]:
        """Take the frames of a run behind its first, which go on from that; `times`: of the first, and of the last."""
        first, last = span
        if self.streams.run_on(venue, "frame", connection_id, Run(first, last, connection_id, *times, None, None, None, 0, 0)):
            return []
        made: list[Gap] = []
        highest = self.streams.highest(connection_id)
        if highest is not None and first <= highest < last:  # came before in part
            made = self._see(venue, origin, connection_id, (first, highest), times[1])
            first = highest + 1
        return made + self._see(venue, origin, connection_id, (first, last), times[1])

    def _see(self, venue: str, origin: Any, connection_id: str, span: tuple[int, int], at: int) -> list[Gap]:
        return self.streams.see(venue, "", "frame", origin, Step(*span, connection_id, at), connection_id)

    def _notice(self, venue: str, origin: Any, connection_id: str, sequence: int, at: int, notice: notices.Notice) -> list[Gap]:
        made = self.silences.notice(venue, connection_id, origin, at, notice)
        made += self.coverage.notice(venue, origin, connection_id, at, notice)
        dialect = all_dialects().get(venue)
        if dialect is not None and dialect.counts_connection:
            made += self.counters.notice(venue, origin, connection_id, notice)
        if notice["notice"] == "closed":
            made += self.streams.end(connection_id, at)
            self._said.end(connection_id, sequence)
        return made

    def drop(self, row: tuple[Any, ...]) -> None:
        """See Reader."""
        self.streams.forget(row[2])
        self.counters.forget(row[2])
        self.coverage.forget(row[2])

    def tick(self, now: int) -> list[Gap]:
        """See Reader. That nothing is left of the runs is no word on the frames: normalise may have some yet to read."""
        silent = self.silences.tick(now, self.streams.heard, self._shared.ended)
        return self.streams.tick(now - GRACE, self._shared.ended) + silent + self.coverage.tick(now)

    def open(self) -> Iterator[tuple[str, str]]:
        """See Reader."""
        yield from self.streams.open()
        yield from self.silences.open()

    def dump(self) -> dict[str, bytes | None]:
        """See Reader."""
        return self.streams.dump() | self.silences.dump() | self.counters.dump() | self.coverage.dump() | self._said.dump()


class Venues:
    """The connections of one partition, of all venues: each has a state of its own, so that no bound of it is spent by another."""

    fields: tuple[str, ...] = FRAME_RUN
    columns: tuple[str, ...] = ()

    def __init__(self, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._shared = shared
        self._published_at = 0
        parts: dict[str, dict[str, bytes]] = {}
        for name, data in entries.items():
            venue, separator, rest = name.partition(_SEPARATOR)
            if separator:
                parts.setdefault(venue, {})[rest] = data
        self._venues = {venue: Frames(shared, part) for venue, part in parts.items()}

    def _of(self, venue: str) -> Frames:
        """Return the reader of a venue; one for all texts that are none of ours, which anybody may have put there."""
        known = venue if venue in all_dialects() else ""
        found = self._venues.get(known)
        if found is None:
            found = self._venues[known] = Frames(self._shared, {})
            found.begin(self._published_at)
        return found

    def begin(self, published_at: int) -> None:
        """See Reader."""
        self._published_at = published_at
        for one in self._venues.values():
            one.begin(published_at)

    def alone(self, frame: pl.DataFrame) -> list[int]:
        """See Reader. Nobody asks: there are no columns."""
        return frame["row"].to_list()

    def settle(self, frame: pl.DataFrame) -> list[int]:
        """See Reader."""
        return frame["row"].to_list()

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """See Reader."""
        return self._of(row[0]).take(row)

    def drop(self, row: tuple[Any, ...]) -> None:
        """See Reader."""
        self._of(row[0]).drop(row)

    def tick(self, now: int) -> list[Gap]:
        """See Reader."""
        return [gap for one in self._venues.values() for gap in one.tick(now)]

    def open(self) -> Iterator[tuple[str, str]]:
        """See Reader."""
        for one in self._venues.values():
            yield from one.open()

    def dump(self) -> dict[str, bytes | None]:
        """See Reader."""
        return {f"{venue}{_SEPARATOR}{name}": data for venue, one in self._venues.items() for name, data in one.dump().items()}


_SEPARATOR = "\x1f"
"""Between a venue and the name of an entry of its state: it is in no venue's name."""


def tells_absence(venue: str, channel: str) -> bool:
    """Whether time without a channel must be told: its ids do not show what was missed, and it is neither on every connection nor polled.

    Each answer to a poll is the whole: what was between two of them was nobody's to hear. A poll that fails for long is silent.
    """
    dialect = all_dialects().get(venue)
    known = dialect.channels.get(channel) if dialect is not None else None
    return known is None or not (known.continuity.shows_losses or known.scope == "connection" or known.every)


def _frames(_venue: str, _channel: str) -> Rule:
    return FRAMES
