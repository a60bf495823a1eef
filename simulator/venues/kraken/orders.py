"""The single orders of Kraken's simulated books, as its `level3` channel tells of them: each resting level is one order.

Sources: docs.kraken.com, exchange/api-reference/spot-websocket-v2/level3 and exchange/guides/websockets/l3-checksum-v2. A level that
appears is an order added, one whose size changes an order modified, one that vanishes an order deleted. The checksum goes through
the orders of the ten best levels, which are the levels themselves here: it is that of the `book` channel.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import NamedTuple
from zlib import crc32

from simulator.book import Book, Side
from simulator.market import Change
from simulator.venues.kraken.book import edge, inside

DEPTHS = (10, 100, 1000)
MOST_CHANGES = 500_000
"""Changes of one book's orders that are kept, the newest; of about 150 bytes each."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SPREAD = 0x9E37_79B9_7F4A_7C15_F39D
"""Odd, so that numbers times it are all different modulo 2**80: ids that do not look counted."""


class Order(NamedTuple):
    """One order as it rests now. `time_us` is when it was placed or last changed."""

    number: int
    price: int
    size: int
    time_us: int


class Told(NamedTuple):
    """What is said of an order: `event` is add, modify, delete, or empty in a snapshot; a deleted one has the size it had."""

    event: str
    order: Order


Sides = tuple[list[Told], list[Told]]
"""Bids, then asks."""


class OrderBook:
    """The orders of one book, kept from the moment it is made, and the windows that subscribers of each depth see."""

    def __init__(self, book: Book, seed: str, time_us: int) -> None:
        self._book = book
        self._offset = crc32(seed.encode()) << 48
        self._time_us = time_us
        self._numbers = 0
        self._orders: dict[int, Order] = {}
        """By price times the side's sign."""
        for side in (book.asks, book.bids):
            for price, size in side.top(len(side.keys)):
                self._orders[price * side.sign] = self._new(price, size)
        self._edges: dict[int, tuple[int | None, int | None]] = {}
        """Depth → the keys of the worst bid and ask inside."""
        self.kept: deque[Told] | None = None
        """What subscribers of the greatest depth could hear, where it is to be remembered."""

    def _new(self, price: int, size: int) -> Order:
        self._numbers += 1
        return Order(self._numbers, price, size, self._time_us)

    def open(self, depth: int) -> None:
        """Let a window of a depth be followed from now on."""
        self._edges.setdefault(depth, self._edge(depth))

    def keep(self) -> None:
        """Remember from now on what subscribers of the greatest depth can hear."""
        self.open(DEPTHS[-1])
        self.kept = deque(maxlen=MOST_CHANGES)

    def _edge(self, depth: int) -> tuple[int | None, int | None]:
        return edge(self._book.bids, depth), edge(self._book.asks, depth)

    def order_id(self, order: Order) -> str:
        """Return an order's id in the venue's form, `O6ZQNQ-BXL4E-5WGINO`."""
        mixed = (order.number * _SPREAD + self._offset) % 2**80
        text = "".join(_ALPHABET[mixed >> shift & 31] for shift in range(75, -1, -5))
        return f"O{text[:5]}-{text[5:10]}-{text[10:]}"

    def top(self, depth: int) -> Sides:
        """Return the orders of the best levels as a snapshot tells them, best first."""
        bids, asks = (
            [Told("", self._orders[price * side.sign]) for price, _ in side.top(depth)] for side in (self._book.bids, self._book.asks)
        )
        return bids, asks

    def advance(self, changes: list[Change], time_us: int) -> dict[int, Sides]:
        """Return what each open window must be told after `changes` have been applied to the book.

        All that happens to a level in one step is one event; its time is later than that of every event before.
        """
        self._time_us = max(time_us, self._time_us + 1)
        happened: tuple[dict[int, Told], dict[int, Told]] = ({}, {})
        before: dict[int, int] = {}
        for change in changes:
            before.setdefault(change.price if change.bid else -change.price, change.before)
        for key, size_before in before.items():
            side = self._book.side(key > 0)
            told = self._change(key, size_before, side.sizes.get(abs(key), 0))
            if told is not None:
                happened[key < 0][key] = told
        found: dict[int, Sides] = {}
        for depth, (worst_bid, worst_ask) in self._edges.items():
            now = self._edges[depth] = self._edge(depth)
            found[depth] = (
                self._announce(self._book.bids, worst_bid, now[0], happened[0]),
                self._announce(self._book.asks, worst_ask, now[1], happened[1]),
            )
        if self.kept is not None:
            for told_side in found[DEPTHS[-1]]:
                self.kept.extend(told_side)
        return found

    def _change(self, key: int, before: int, size: int) -> Told | None:
        if size == before:
            return None
        if not before:
            order = self._orders[key] = self._new(abs(key), size)
            return Told("add", order)
        if not size:
            return Told("delete", self._orders.pop(key)._replace(time_us=self._time_us))
        order = self._orders[key] = self._orders[key]._replace(size=size, time_us=self._time_us)
        return Told("modify", order)

    def _announce(self, side: Side, before: int | None, now: int | None, happened: dict[int, Told]) -> list[Told]:
        """Return what one side's subscribers must be told; `before` and `now` are the keys of the worst level inside."""
        told: list[Told] = []
        for key, one in happened.items():
            known = inside(key, before)
            if one.event == "delete":
                if known:
                    told.append(one)
            elif inside(key, now):
                told.append(one if known else Told("add", one.order))
        if before is not None and (now is None or now < before):
            start = 0 if now is None else bisect_left(side.keys, now)
            entering = side.keys[start : bisect_left(side.keys, before)]
            told += [Told("add", self._orders[key]) for key in entering if key not in happened]
        return told
