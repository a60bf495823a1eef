"""Kraken's `level3` channel: the messages about single orders, and what could be heard of them.

Source: docs.kraken.com, exchange/api-reference/spot-websocket-v2/level3. An order's time has nine decimals; a deletion names the
size the order had, as the live feed does.
"""

from __future__ import annotations

from simulator.market import Listing, Market, Step
from simulator.truth import OrderChange
from simulator.venues.kraken.book import ChecksumCache
from simulator.venues.kraken.frames import Writer, envelope, timestamp
from simulator.venues.kraken.orders import OrderBook, Sides, Told
from simulator.wire import Message

CHANNEL = "level3"


class Orders:
    """The order books of every pair, each made when it is first asked for, or at the start where changes are to be remembered."""

    def __init__(self, market: Market, listings: dict[str, Listing], checksums: dict[str, ChecksumCache], keep: bool) -> None:
        self._market = market
        self._listings = listings
        self._checksums = checksums
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in listings.items()}
        self._books: dict[str, OrderBook] = {}
        if keep:
            for symbol in listings:
                self._book(symbol).keep()

    def _book(self, symbol: str) -> OrderBook:
        if symbol not in self._books:
            seed = f"{self._market.settings.seed}|{symbol}"
            self._books[symbol] = OrderBook(self._listings[symbol].book, seed, self._market.time_us)
        return self._books[symbol]

    def open(self, symbol: str, depth: int) -> None:
        """Let a depth of a pair be followed from now on."""
        self._book(symbol).open(depth)

    def snapshot(self, symbol: str, depth: int) -> Message:
        """Write every order of the best levels, best first."""
        update_id = self._listings[symbol].book.update_id
        return self._message(symbol, self._book(symbol).top(depth), (update_id, update_id), True, self._market.time_us)

    def advance(self, step: Step) -> dict[int, Sides]:
        """Return what the subscribers of each depth must be told of a step; nothing while nobody has ever asked."""
        book = self._books.get(step.listing.instrument.symbol)
        return {} if book is None or not step.changes else book.advance(step.changes, step.time_us)

    def update(self, step: Step, sides: Sides) -> Message:
        """Write what happened to orders in one step."""
        ids = (step.changes[0].update_id, step.changes[-1].update_id)
        return self._message(step.listing.instrument.symbol, sides, ids, False, step.time_us)

    def changes(self, symbol: str) -> list[OrderChange]:
        """Return every change that subscribers of the greatest depth could hear since the start, oldest first; the oldest may be forgotten.

        An order of a deeper book that comes back into the greatest depth is told again as it was when it was last changed.

        Raises:
            KeyError: no such pair.
            ValueError: they are not remembered here.
        """
        writer = self._writers[symbol]
        book = self._books.get(symbol)
        if book is None or book.kept is None:
            raise ValueError("changes of orders are not remembered: SimulatorSettings(orders=True), or --orders")
        return [
            OrderChange(
                book.order_id(told.order),
                told.event,
                writer.price(told.order.price),
                writer.size(0 if told.event == "delete" else told.order.size),
                told.order.time_us,
            )
            for told in book.kept
        ]

    def _message(self, symbol: str, sides: Sides, ids: tuple[int, int], snapshot: bool, time_us: int) -> Message:
        writer, book, crc = self._writers[symbol], self._books[symbol], self._checksums[symbol].value()

        def order(told: Told, shift_us: int) -> str:
            one = told.order
            event = f'"event":"{told.event}",' if told.event else ""
            time = f"{timestamp(one.time_us + shift_us)[:-1]}{one.number % 1000:03d}Z"
            return (
                f'{{{event}"order_id":"{book.order_id(one)}","limit_price":{writer.price(one.price)},'
                f'"order_qty":{writer.size(one.size)},"timestamp":"{time}"}}'
            )

        def render(_variant: int, shift_us: int) -> str:
            bids, asks = (",".join([order(told, shift_us) for told in side]) for side in sides)
            return envelope(
                CHANNEL,
                snapshot,
                f'[{{"symbol":"{symbol}","checksum":{crc},"bids":[{bids}],"asks":[{asks}],"timestamp":"{timestamp(time_us + shift_us)}"}}]',
            )

        return Message(symbol, CHANNEL, ids[0], ids[1], time_us, render, snapshot)
