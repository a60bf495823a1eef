"""What each kind of source topic is to the detector: how its events are read, and what they tell. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialects import notices
from dialects.catalogue import all_dialects, rule_of
from dialects.continuity import Rule, Sent, Step
from dialects.rules import FRAMES
from processors.detect_gaps.connections import Counters
from processors.detect_gaps.coverage import Coverage, Coverages
from processors.detect_gaps.ledger import Ended, OpenGaps
from processors.detect_gaps.silences import KEY, Silences
from processors.detect_gaps.streams import DAY, Streams
from schemas.events import Gap

FRAME = ("venue", "origin", "connection_id", "connection_sequence", "received_at", "kind", "payload")
TRADE = (
    *("venue", "symbol", "origin", "connection_id", "received_at", "event_time", "frames_lost", "venue_lost"),
    *("sequence", "replayed"),
)
DELTA = (
    *("venue", "symbol", "origin", "connection_id", "received_at", "event_time", "frames_lost", "venue_lost"),
    *("previous_sequence", "is_snapshot", "first_sequence", "last_sequence"),
)
ENDED = ("gap_id", "state")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all partitions of the process have in common. `reorder`: how long a hole waits; microseconds."""

    reorder: int
    ended: Ended
    open: OpenGaps
    coverages: Coverages = field(default_factory=Coverages)


class Reader(Protocol):
    """What one kind of source is to the detector."""

    fields: tuple[str, ...]
    """Fields of the source's event, in the order in which `take` has them; the venue first."""

    def begin(self, published_at: int) -> None:
        """Take that the events to come were published at a time (microseconds), which may be long after they were received."""

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """Take one event; return its receipt time (microseconds) and the gaps it opens or closes."""

    def drop(self, row: tuple[Any, ...]) -> None:
        """Begin anew what this event belongs to: taking it failed halfway."""

    def tick(self, now: int) -> list[Gap]:
        """Return the gaps that time alone opens or closes."""

    def open(self) -> Iterator[tuple[str, str]]:
        """Yield venue and channel of each gap that is open."""

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries that changed since the last dump."""


class Trades:
    """Trades whose ids the venue counts."""

    fields: tuple[str, ...] = TRADE

    def __init__(self, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._shared = shared
        self.streams = Streams(shared.reorder, rule_of)
        self.streams.load(entries)

    def begin(self, published_at: int) -> None:
        """See Reader."""
        self.streams.published_at = published_at

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """See Reader."""
        venue, symbol, origin, connection_id, received_at, event_time, frames_lost, venue_lost, sequence, replayed = row
        if sequence is None:
            return received_at, []
        name = f"{venue}|{symbol}|trade"
        live = not replayed and origin != "rest"
        if live and self.streams.goes_on(name, sequence, sequence, connection_id, received_at, event_time, frames_lost, venue_lost):
            return received_at, []
        sent: Sent = "live" if live else "reply" if origin == "rest" else "history"
        step = Step(sequence, sequence, connection_id, received_at, event_time, frames_lost, venue_lost, None, False, sent)
        return received_at, self.streams.see(venue, symbol, "trade", origin, step, name)

    def drop(self, row: tuple[Any, ...]) -> None:
        """See Reader."""
        self.streams.forget(f"{row[0]}|{row[1]}|trade")

    def tick(self, now: int) -> list[Gap]:
        """See Reader."""
        return self.streams.tick(now, self._shared.ended)

    def open(self) -> Iterator[tuple[str, str]]:
        """See Reader."""
        return self.streams.open()

    def dump(self) -> dict[str, bytes | None]:
        """See Reader."""
        return self.streams.dump()


class BookDeltas(Trades):
    """Changes of books whose ids show what was missed."""

    fields: tuple[str, ...] = DELTA

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """See Reader."""
        venue, symbol, origin, connection_id, received_at, event_time, frames_lost, venue_lost, previous, is_snapshot, first, last = row
        if last is None:
            return received_at, []
        name = f"{venue}|{symbol}|book"
        plain = first is not None and not is_snapshot
        if plain and self.streams.goes_on(name, first, last, connection_id, received_at, event_time, frames_lost, venue_lost):
            return received_at, []
        step = Step(first, last, connection_id, received_at, event_time, frames_lost, venue_lost, previous, is_snapshot)
        return received_at, self.streams.see(venue, symbol, "book", origin, step, name)

    def drop(self, row: tuple[Any, ...]) -> None:
        """See Reader."""
        self.streams.forget(f"{row[0]}|{row[1]}|book")


class Frames:
    """Raw frames: our own count of each connection, the venue's where it has one, and what the producer remarks."""

    fields: tuple[str, ...] = FRAME

    def __init__(self, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._shared = shared
        self.streams = Streams(shared.reorder, _frames, DAY)
        self.streams.load(entries)
        self.silences = Silences(entries.get(KEY, b""))
        self.counters = Counters(tells_absence, entries)
        self.coverage = Coverage(shared.coverages, self.streams.heard, tells_absence, entries)
        self._counted = {venue: one.connection_sequence for venue, one in all_dialects().items() if one.counts_connection}

    def begin(self, published_at: int) -> None:
        """See Reader."""
        self.streams.published_at = published_at

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """See Reader."""
        venue, origin, connection_id, sequence, received_at, kind, payload = row
        made: list[Gap] = []
        if not self.streams.goes_on(connection_id, sequence, sequence, connection_id, received_at):
            made = self.streams.see(venue, "", "frame", origin, Step(sequence, sequence, connection_id, received_at), connection_id)
        counter = self._counted.get(venue)
        if kind == "notice":
            notice = notices.decode(payload)
            made += self.silences.notice(venue, connection_id, origin, received_at, notice)
            made += self.coverage.notice(venue, origin, connection_id, received_at, notice)
            if counter is not None:
                self.counters.notice(connection_id, notice)
            if notice["notice"] == "closed":
                made += self.streams.end(connection_id, received_at)
        elif counter is not None and kind == "message":
            number = counter(payload)
            if number is not None:
                ours = self.streams.is_behind_a_hole(connection_id)
                made += self.counters.see(venue, origin, connection_id, number, received_at, ours=ours)
        return received_at, made

    def drop(self, row: tuple[Any, ...]) -> None:
        """See Reader."""
        self.streams.forget(row[2])
        self.counters.forget(row[2])
        self.coverage.forget(row[2])

    def tick(self, now: int) -> list[Gap]:
        """See Reader."""
        silent = self.silences.tick(now, self.streams.heard, self._shared.ended)
        return self.streams.tick(now, self._shared.ended) + silent + self.coverage.tick(now)

    def open(self) -> Iterator[tuple[str, str]]:
        """See Reader."""
        yield from self.streams.open()
        yield from self.silences.open()

    def dump(self) -> dict[str, bytes | None]:
        """See Reader."""
        return self.streams.dump() | self.silences.dump() | self.counters.dump() | self.coverage.dump()


class Ends:
    """The topic of gaps itself: who gave up a gap, or filled it, says so there."""

    fields: tuple[str, ...] = ENDED

    def __init__(self, shared: Shared) -> None:
        self._ended = shared.ended

    def begin(self, published_at: int) -> None:
        """See Reader."""

    def take(self, row: tuple[Any, ...]) -> tuple[int | None, list[Gap]]:
        """See Reader. Gaps are no events of a venue: they have no time of receipt."""
        self._ended.note(*row)
        return None, []

    def drop(self, row: tuple[Any, ...]) -> None:
        """See Reader."""

    def tick(self, now: int) -> list[Gap]:  # noqa: ARG002 - time decides nothing here
        """See Reader."""
        return []

    def open(self) -> Iterator[tuple[str, str]]:
        """See Reader."""
        return iter(())

    def dump(self) -> dict[str, bytes | None]:
        """See Reader."""
        return {}


def tells_absence(venue: str, channel: str) -> bool:
    """Whether time without a channel must be told: its ids do not show what was missed, and it is neither on every connection nor polled.

    Each answer to a poll is the whole: what was between two of them was nobody's to hear. A poll that fails for long is silent.
    """
    dialect = all_dialects().get(venue)
    known = dialect.channels.get(channel) if dialect is not None else None
    return known is None or not (known.continuity.shows_losses or known.scope == "connection" or known.every)


def _frames(_venue: str, _channel: str) -> Rule:
    return FRAMES
