"""What each kind of source topic is to the detector: how its events are read, and what they tell. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from dialects import notices
from dialects.catalogue import all_dialects, rule_of
from dialects.continuity import Rule, Run, Sent, Step
from dialects.rules import FRAMES
from processors.detect_gaps.connections import Counters
from processors.detect_gaps.coverage import Coverage, Coverages
from processors.detect_gaps.ledger import Ended, OpenGaps
from processors.detect_gaps.runs import run_on
from processors.detect_gaps.silences import KEY, Silences
from processors.detect_gaps.streams import DAY, Streams
from schemas.block_reader import place
from schemas.catalogue import event
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
_REST = place(event("trade"), "origin", "rest")
_NOTICE = place(event("frame"), "kind", "notice")


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

    columns: tuple[str, ...]
    """Fields by which many events are taken at once; empty where they are taken one by one only."""

    def alone(self, frame: pl.DataFrame) -> list[int]:
        """Return the rows of a block before which all others must have been taken, and which are taken by themselves."""

    def settle(self, frame: pl.DataFrame) -> list[int]:
        """Take the events of a block (`columns`, and `row`) that tell nothing; return the rows of all others, in order."""

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
    columns: tuple[str, ...] = TRADE
    _channel = "trade"

    def __init__(self, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._shared = shared
        self.streams = Streams(shared.reorder, rule_of)
        self.streams.load(entries)

    def begin(self, published_at: int) -> None:
        """See Reader."""
        self.streams.published_at = published_at

    def alone(self, frame: pl.DataFrame) -> list[int]:  # noqa: ARG002 - no event is of all streams
        """See Reader."""
        return []

    def settle(self, frame: pl.DataFrame) -> list[int]:
        """See Reader."""
        return run_on(self._ids(frame), ("venue", "symbol"), self._run_on)

    def _ids(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the events that have an id, as `run_on` reads them."""
        plain = ~pl.col("replayed") & (pl.col("origin") != _REST)
        sequence = pl.col("sequence")
        return frame.filter(sequence.is_not_null()).with_columns(sequence.alias("first"), sequence.alias("last"), plain.alias("plain"))

    def _run_on(self, stream: tuple[str, ...], run: Run) -> bool:
        venue, symbol = stream
        return self.streams.run_on(venue, self._channel, f"{venue}|{symbol}|{self._channel}", run)

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
    columns: tuple[str, ...] = DELTA
    _channel = "book"

    def _ids(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the deltas that have an id, as `run_on` reads them."""
        first, last = pl.col("first_sequence"), pl.col("last_sequence")
        plain = first.is_not_null() & ~pl.col("is_snapshot")
        return frame.filter(last.is_not_null()).with_columns(first.fill_null(last).alias("first"), last.alias("last"), plain.alias("plain"))

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
    columns: tuple[str, ...] = ("venue", "connection_id", "connection_sequence", "received_at", "kind")

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

    def alone(self, frame: pl.DataFrame) -> list[int]:
        """See Reader. What a notice says is of several streams, as they stand when it comes."""
        return frame.filter(pl.col("kind") == _NOTICE)["row"].to_list()

    def settle(self, frame: pl.DataFrame) -> list[int]:
        """See Reader."""
        number, nothing = pl.col("connection_sequence"), pl.lit(0, pl.Int64)
        plain = ~pl.col("venue").is_in(list(self._counted))
        more = (number.alias("first"), number.alias("last"), plain.alias("plain"))
        none = (pl.lit(None, pl.Int64).alias("event_time"), nothing.alias("frames_lost"), nothing.alias("venue_lost"))
        return run_on(frame.with_columns(*more, *none), ("venue", "connection_id"), self._run_on)

    def _run_on(self, stream: tuple[str, ...], run: Run) -> bool:
        venue, connection_id = stream
        return self.streams.run_on(venue, "frame", connection_id, run)

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
                made += self.counters.notice(venue, origin, connection_id, notice)
            if notice["notice"] == "closed":
                made += self.streams.end(connection_id, received_at)
        elif counter is not None and kind == "message":
            number = counter(payload)
            if number is not None:
                ours = self.streams.missing_before(connection_id)
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
    columns: tuple[str, ...] = ()

    def __init__(self, shared: Shared) -> None:
        self._ended = shared.ended

    def begin(self, published_at: int) -> None:
        """See Reader."""

    def alone(self, frame: pl.DataFrame) -> list[int]:
        """See Reader. Nobody asks: there are no columns."""
        return frame["row"].to_list()

    def settle(self, frame: pl.DataFrame) -> list[int]:
        """See Reader."""
        return frame["row"].to_list()

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
