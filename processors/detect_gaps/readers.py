"""What each kind of source topic is to the detector: how its events are read, and what they tell. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from dialects.catalogue import rule_of
from dialects.continuity import Run, Sent, Step
from processors.detect_gaps.coverage import Coverages
from processors.detect_gaps.ledger import Ended, OpenGaps
from processors.detect_gaps.runs import run_on
from processors.detect_gaps.streams import Streams
from schemas.block_reader import place
from schemas.catalogue import event
from schemas.events import Gap

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
