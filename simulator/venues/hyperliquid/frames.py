"""The text of Hyperliquid's pushed messages.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions. Numbers are text with at least one
decimal and no zeros that say nothing (`64255.0`, `0.00441`), as the live ones are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from simulator.book import Book
from simulator.instruments import Instrument
from simulator.market import Trade
from simulator.wire import Message

SLOW_LEVELS, FAST_LEVELS = 20, 5
USERS = '["0x' + "a1" * 20 + '","0x' + "b2" * 20 + '"]'
_MIXER = 668_265_263_295_151
"""Odd, so that no two of 2⁵⁰ ids in a row become the same."""


class Writer:
    """Writes the messages of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.coin = instrument.wire_symbol
        self._price = instrument.price_writer()
        self._size = instrument.size_writer()
        # Prices which the market never reaches: levels of no size there change nothing.
        self._far_price = instrument.first_price * 20

    def price(self, ticks: int) -> str:
        """Return a price's text."""
        return plain(self._price(ticks))

    def size(self, lots: int) -> str:
        """Return a size's text."""
        return plain(self._size(lots))

    def trades(self, trades: Sequence[Trade], time_us: int) -> Message:
        """Write a `trades` message."""

        def render(_variant: int, shift_us: int) -> str:
            return pushed("trades", f"[{','.join(self.trade(trade, shift_us) for trade in trades)}]")

        return Message(self.symbol, "trades", trades[0].trade_id, trades[-1].trade_id, time_us, render)

    def trade(self, trade: Trade, shift_us: int = 0) -> str:
        """Write one trade; its side is the taker's: B bid, A ask."""
        return (
            f'{{"coin":"{self.coin}","side":"{"B" if trade.taker_buys else "A"}","px":"{self.price(trade.price)}",'
            f'"sz":"{self.size(trade.size)}","time":{milliseconds(trade.time_ns // 1000 + shift_us)},'
            f'"hash":"0x{trade.time_ns:064x}","tid":{trade_id(trade)},"users":{USERS}}}'
        )

    def book(self, book: Book, time_us: int, *, fast: bool) -> Message:
        """Write an `l2Book` message: the whole of the best levels."""
        bids, asks = self._sides(book, FAST_LEVELS if fast else SLOW_LEVELS)

        def with_giant(levels: int) -> Callable[[int, int], str]:
            far = [f'{{"px":"{self.price(self._far_price + place)}","sz":"0.0","n":0}}' for place in range(levels)]

            def render(_variant: int, shift_us: int) -> str:
                more = ',"fast":true' if fast else ""
                sides = f"[{','.join(bids)}],[{','.join(asks + far)}]"
                return pushed("l2Book", f'{{"coin":"{self.coin}","time":{milliseconds(time_us + shift_us)},"levels":[{sides}]{more}}}')

            return render

        return Message(self.symbol, "l2Book", book.update_id, book.update_id, time_us, with_giant(0), giant=with_giant)

    def whole_book(self, book: Book, time_us: int) -> dict[str, Any]:
        """Return the answer to a request for a book."""
        sides = [[json.loads(level) for level in side] for side in self._sides(book, SLOW_LEVELS)]
        return {"coin": self.coin, "time": milliseconds(time_us), "levels": sides}

    def quote(self, book: Book, time_us: int) -> Message:
        """Write a `bbo` message."""
        (bid,), (ask,) = self._sides(book, 1)

        def render(_variant: int, shift_us: int) -> str:
            return pushed("bbo", f'{{"coin":"{self.coin}","time":{milliseconds(time_us + shift_us)},"bbo":[{bid},{ask}]}}')

        return Message(self.symbol, "bbo", book.update_id, book.update_id, time_us, render)

    def context(self, context: dict[str, Any], channel: str, time_us: int) -> Message:
        """Write an asset context, which has no time."""
        text = pushed(channel, dumps({"coin": self.coin, "ctx": context}))
        return Message(self.symbol, channel, 0, 0, time_us, lambda _variant, _shift_us: text)

    def stranger(self, message: Message) -> Message:
        """Write a message of a channel which is not documented."""
        text = pushed("somethingNew", f'{{"coin":"{self.coin}","x":1}}')
        return Message(self.symbol, "somethingNew", 0, 0, message.time_us, lambda _variant, _shift_us: text)

    def _sides(self, book: Book, levels: int) -> tuple[list[str], list[str]]:
        """Return the best levels of each side as the wire has them, best first; each counts for one order here."""
        bids, asks = (
            [f'{{"px":"{self.price(price)}","sz":"{self.size(size)}","n":1}}' for price, size in side.top(levels)]
            for side in (book.bids, book.asks)
        )
        return bids, asks


def trade_id(trade: Trade) -> int:
    """Return an id of fifty bits that counts nothing."""
    return trade.trade_id * _MIXER % 2**50


def pushed(channel: str, data: str) -> str:
    """Return a message of a channel."""
    return f'{{"channel":"{channel}","data":{data}}}'


def dumps(document: object) -> str:
    """Return JSON without blanks."""
    return json.dumps(document, separators=(",", ":"))


def plain(text: str) -> str:
    """Return a number's text with at least one decimal, and no zeros that say nothing."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def milliseconds(time_us: int) -> int:
    """Return a time in the unit of the wire."""
    return time_us // 1000
