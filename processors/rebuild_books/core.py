"""One order book rebuilt from its deltas, by the rule the delta itself brings.

Update ids (Binance): https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly
Deltas wait for a snapshot; those it covers are dropped; the next must begin at most one after it; each next one after that
too, or updates were missed: the book is broken and waits for a new snapshot. Ids are the venue's, so deltas of any connection count.

Checksum (Kraken): https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
A book belongs to the connection whose snapshot began it. All changes of a message are applied, the sides cut to the depth
subscribed, then the checksum compared; a mismatch breaks the book until the next snapshot.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec

from dialects.kraken.checksum import checksum
from processors.rebuild_books.sides import Side
from schemas.decimals import from_bytes, to_bytes
from schemas.events import BookDelta, BookSnapshot, Gap

State = Literal["waiting", "live", "broken"]
Verified = Literal["checksum", "sequence", "unverified"]
MOST_PENDING = 10_000
"""Deltas kept while a snapshot is on its way: 1,000 seconds of a 100 ms stream; then the oldest go, and the snapshot must be newer."""


class Saved(msgspec.Struct, array_like=True):
    """A book between two checkpoints."""

    state: State
    connection_id: str
    place: tuple[int, int]
    last_sequence: int | None
    depth: int
    slot: int
    last_time: int | None
    bids: list[tuple[bytes, bytes]]
    asks: list[tuple[bytes, bytes]]
    pending: list[dict[str, Any]]
    gap: dict[str, Any] | None


@dataclass(slots=True)
class Settings:
    """Levels per side of a book_snapshot, and microseconds between two of one book."""

    depth: int = 20
    every: int = 1_000_000


@dataclass(slots=True)
class Book:
    """The book of one venue and symbol."""

    settings: Settings
    state: State = "waiting"
    connection_id: str = ""
    place: tuple[int, int] = (-1, -1)
    last_sequence: int | None = None
    depth: int = 0
    slot: int = -1
    last_time: int | None = None
    verified: Verified = "unverified"
    bids: Side = field(default_factory=lambda: Side(highest_first=True))
    asks: Side = field(default_factory=lambda: Side(highest_first=False))
    pending: list[dict[str, Any]] = field(default_factory=list)
    gap: Gap | None = None

    def apply(self, delta: BookDelta) -> list[tuple[str, Any]]:
        """Apply one delta (decimals as bytes); return the events it gives, as (name, record): book_snapshot, gap."""
        made: list[tuple[str, Any]] = []
        if delta["is_snapshot"]:
            self._begin(delta, made)
        elif delta["first_sequence"] is not None:
            self._by_sequence(delta, made)
        else:
            self._by_connection(delta, made)
        if self.state == "live":
            slot = delta["received_at"] // self.settings.every
            if slot > self.slot:
                self.slot = slot
                made.append(("book_snapshot", self._snapshot(delta)))
        return made

    def _begin(self, delta: BookDelta, made: list[tuple[str, Any]]) -> None:
        sequence = delta["last_sequence"]
        if sequence is None and self._seen(delta):
            return
        if sequence is not None and self.state == "live" and self.last_sequence is not None and sequence <= self.last_sequence:
            return
        since = self.last_time
        self.bids = Side(highest_first=True, levels=_levels(delta["bid_prices"], delta["bid_sizes"]))
        self.asks = Side(highest_first=False, levels=_levels(delta["ask_prices"], delta["ask_sizes"]))
        self.state, self.connection_id, self.place = "live", delta["connection_id"], _place(delta)
        self.last_sequence, self.depth, self.last_time = sequence, delta["depth"], delta["event_time"] or delta["received_at"]
        self.verified = "sequence" if sequence is not None else "unverified"
        if not self._verify(delta):
            self._break(delta, since, "the snapshot's own checksum differs", made)
            return
        self._go_on(made)
        if self.gap is not None and self._is_live():
            made.append(("gap", {**self.gap, "state": "filled", "repair": "snapshot", "version": delta["received_at"]}))
            self.gap = None

    def _is_live(self) -> bool:
        return self.state == "live"

    def _by_sequence(self, delta: BookDelta, made: list[tuple[str, Any]]) -> None:
        first, last = delta["first_sequence"], delta["last_sequence"]
        assert first is not None
        assert last is not None
        if self.last_sequence is not None and last <= self.last_sequence:
            return
        fits = self.last_sequence is not None and first <= self.last_sequence + 1
        if self.state == "waiting" or not fits:
            if self.state == "live":
                self.state = "broken"  # the jump itself is detect_gaps' to tell, with its cause; a snapshot follows from that
            self.pending.append(dict(delta))
            if len(self.pending) > MOST_PENDING:
                del self.pending[0]
            return
        self._change(delta)
        self.last_sequence = last
        if self.state == "broken":  # it was only out of order: what waited goes on from here
            self.state = "live"
            self._go_on(made)

    def _go_on(self, made: list[tuple[str, Any]]) -> None:
        """Apply what waited, in order."""
        pending, self.pending = self.pending, []
        for one in sorted(pending, key=lambda waiting: waiting["first_sequence"]):
            self._by_sequence(cast("BookDelta", one), made)

    def _by_connection(self, delta: BookDelta, made: list[tuple[str, Any]]) -> None:
        if self.state != "live" or delta["connection_id"] != self.connection_id or self._seen(delta):
            return
        self.place = _place(delta)
        since = self.last_time
        self._change(delta)
        if not self._verify(delta):
            self._break(delta, since, "the venue's checksum differs", made)

    def _change(self, delta: BookDelta) -> None:
        put = self.bids.put
        for price, size in zip(delta["bid_prices"], delta["bid_sizes"], strict=True):
            put(_count(price), _count(size))
        put = self.asks.put
        for price, size in zip(delta["ask_prices"], delta["ask_sizes"], strict=True):
            put(_count(price), _count(size))
        if self.depth and delta["first_sequence"] is None:
            self.bids.truncate(self.depth)
            self.asks.truncate(self.depth)
        self.last_time = delta["event_time"] or delta["received_at"]

    def _verify(self, delta: BookDelta) -> bool:
        expected, price_scale, size_scale = delta["checksum"], delta["price_scale"], delta["size_scale"]
        if expected is None or price_scale is None or size_scale is None:
            return True
        self.verified = "checksum"
        return checksum(self.bids.best(10), self.asks.best(10), price_scale, size_scale) == expected

    def _seen(self, delta: BookDelta) -> bool:
        return delta["connection_id"] == self.connection_id and _place(delta) <= self.place

    def _break(self, delta: BookDelta, since: int | None, why: str, made: list[tuple[str, Any]]) -> None:
        """Begin to wait for a snapshot; `since` is the time of the last delta after which the book was right."""
        self.state = "broken"
        self.bids, self.asks = Side(highest_first=True), Side(highest_first=False)
        self.gap = Gap(
            venue=delta["venue"],
            symbol=delta["symbol"],
            origin=delta["origin"],
            gap_id=f"{delta['venue']}|{delta['symbol']}|book|{delta['connection_id']}|{delta['connection_sequence']}",
            channel="book",
            from_sequence=None,
            to_sequence=None,
            from_time=since,
            to_time=delta["event_time"] or delta["received_at"],
            cause="wire",
            detected_at=delta["received_at"],
            state="open",
            repair=why,
            connection_id=delta["connection_id"],
            version=delta["received_at"],
        )
        made.append(("gap", self.gap))

    def _snapshot(self, delta: BookDelta) -> BookSnapshot:
        bids, asks = self.bids.best(self.settings.depth), self.asks.best(self.settings.depth)
        crossed = bool(bids and asks and bids[0][0] >= asks[0][0])
        return BookSnapshot(
            venue=delta["venue"],
            symbol=delta["symbol"],
            origin=delta["origin"],
            connection_id=delta["connection_id"],
            connection_sequence=delta["connection_sequence"],
            received_at=delta["received_at"],
            frame_index=delta["frame_index"],
            frames_lost=delta["frames_lost"],
            venue_lost=delta["venue_lost"],
            event_time=delta["event_time"],
            bid_prices=[to_bytes(price) for price, _ in bids],
            bid_sizes=[to_bytes(size) for _, size in bids],
            ask_prices=[to_bytes(price) for price, _ in asks],
            ask_sizes=[to_bytes(size) for _, size in asks],
            depth=self.settings.depth,
            last_sequence=self.last_sequence,
            verified="unverified" if crossed else self.verified,
        )

    def dump(self) -> bytes:
        """Return the book as bytes."""
        saved = Saved(
            self.state,
            self.connection_id,
            self.place,
            self.last_sequence,
            self.depth,
            self.slot,
            self.last_time,
            [(to_bytes(price), to_bytes(size)) for price, size in self.bids.sizes.items()],
            [(to_bytes(price), to_bytes(size)) for price, size in self.asks.sizes.items()],
            self.pending,
            dict(self.gap) if self.gap is not None else None,
        )
        return msgspec.msgpack.encode((self.verified, saved))

    @classmethod
    def load(cls, data: bytes, settings: Settings) -> "Book":
        """Return a book from its dump."""
        verified, saved = msgspec.msgpack.decode(data, type=tuple[Verified, Saved])
        return cls(
            settings,
            saved.state,
            saved.connection_id,
            saved.place,
            saved.last_sequence,
            saved.depth,
            saved.slot,
            saved.last_time,
            verified,
            Side(highest_first=True, levels=[(from_bytes(price), from_bytes(size)) for price, size in saved.bids]),
            Side(highest_first=False, levels=[(from_bytes(price), from_bytes(size)) for price, size in saved.asks]),
            saved.pending,
            cast("Gap | None", saved.gap),
        )


def _count(number: Any) -> int:
    return int.from_bytes(number, "big", signed=True)


def _levels(prices: list[Any], sizes: list[Any]) -> list[tuple[int, int]]:
    return [(_count(price), _count(size)) for price, size in zip(prices, sizes, strict=True)]


def _place(delta: BookDelta) -> tuple[int, int]:
    return delta["connection_sequence"], delta["frame_index"]
