"""The text of Kraken's websocket v2 messages, with JSON numbers written at the pair's own precision.

Sources: docs.kraken.com, exchange/api-reference/spot-websocket-v2 (trade, book, ticker, instrument, status) and
exchange/guides/websockets/book-checksum-v2; snapshots of `book` carry a timestamp too, as the live feed does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from zlib import crc32

from simulator.book import Book
from simulator.instruments import Instrument
from simulator.market import Trade
from simulator.wire import Message

CHECKSUM_LEVELS = 10


def checksum(asks: Iterable[tuple[int, int]], bids: Iterable[tuple[int, int]]) -> int:
    """CRC32 of the ten best asks, then the ten best bids, best first, as whole numbers at the pair's precision.

    A price of `0.05005` counts as `5005`: the dot removed and leading zeros stripped is the whole number itself.
    """
    digits = [f"{price}{size}" for price, size in asks]
    digits += [f"{price}{size}" for price, size in bids]
    return crc32("".join(digits).encode())


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def timestamp(time_us: int) -> str:
    """RFC 3339 with microseconds."""
    return f"{_second(time_us // 1_000_000)}.{time_us % 1_000_000:06d}Z"


def order_type(trade_id: int) -> str:
    """Write a trade's taker order type; a third of them are market orders."""
    return "limit" if trade_id % 3 else "market"


class Writer:
    """Writes the messages of one pair."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.price = instrument.price_writer()
        self.size = instrument.size_writer()
        self.far_price = instrument.first_price * 20
        """A price which the market never reaches."""

    def trades(self, trades: list[Trade], snapshot: bool, time_us: int) -> Message:
        """Write a `trade` message: all fills of one order, or the snapshot of the last ones."""

        def render(_variant: int, shift_us: int) -> str:
            rows = ",".join([self._trade(trade, shift_us) for trade in trades])
            return envelope("trade", snapshot, f"[{rows}]")

        first, last = (trades[0].trade_id, trades[-1].trade_id) if trades else (0, 0)
        return Message(self.symbol, "trade", first, last, time_us, render, snapshot)

    def _trade(self, trade: Trade, shift_us: int) -> str:
        side = "buy" if trade.taker_buys else "sell"
        return (
            f'{{"symbol":"{self.symbol}","side":"{side}","price":{self.price(trade.price)},'
            f'"qty":{self.size(trade.size)},"ord_type":"{order_type(trade.trade_id)}","trade_id":{trade.trade_id},'
            f'"timestamp":"{timestamp(trade.time_ns // 1000 + shift_us)}"}}'
        )

    def book(
        self,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        crc: int,
        ids: tuple[int, int],
        snapshot: bool,
        time_us: int,
    ) -> Message:
        """Write a `book` message; `ids` are the update ids of the truth, which are not on the wire."""

        def with_giant(levels: int) -> Callable[[int, int], str]:
            # In a snapshot the extra asks lie beyond the depth asked for; in an update they remove what is not there.
            size = 1 if snapshot else 0
            extra = [(self.far_price + place, size) for place in range(levels)]

            def render(_variant: int, shift_us: int) -> str:
                return envelope(
                    "book",
                    snapshot,
                    f'[{{"symbol":"{self.symbol}","bids":[{self._levels(bids)}],'
                    f'"asks":[{self._levels([*asks, *extra] if extra else asks)}],'
                    f'"checksum":{crc},"timestamp":"{timestamp(time_us + shift_us)}"}}]',
                )

            return render

        return Message(self.symbol, "book", ids[0], ids[1], time_us, with_giant(0), snapshot, checked=True, giant=with_giant)

    def _levels(self, levels: list[tuple[int, int]]) -> str:
        price, size = self.price, self.size
        return ",".join([f'{{"price":{price(at)},"qty":{size(amount)}}}' for at, amount in levels])

    def ticker(self, day: Day, book: Book, snapshot: bool, time_us: int) -> Message:
        """Write a `ticker` message."""
        bid, bid_size, ask, ask_size = book.quote()
        price, size = self.price, self.size
        vwap = day.notional // day.volume if day.volume else day.last
        change = day.last - day.first
        percent = change * 10_000 // day.first
        prefix = (
            f'[{{"symbol":"{self.symbol}","bid":{price(bid)},"bid_qty":{size(bid_size)},'
            f'"ask":{price(ask)},"ask_qty":{size(ask_size)},"last":{price(day.last)},'
            f'"volume":{size(day.volume)},"vwap":{price(vwap)},"low":{price(day.low)},"high":{price(day.high)},'
            f'"change":{signed(change, price)},"change_pct":{signed(percent, hundredths)},"timestamp":"'
        )

        def render(_variant: int, shift_us: int) -> str:
            return envelope("ticker", snapshot, f'{prefix}{timestamp(time_us + shift_us)}"}}]')

        return Message(self.symbol, "ticker", book.update_id, book.update_id, time_us, render, snapshot)

    def stranger(self, message: Message) -> Message:
        """Write a message of a channel which is not documented."""
        text = f'{{"channel":"something_new","type":"update","data":[{{"symbol":"{self.symbol}","x":1}}]}}'
        return Message(self.symbol, "something_new", 0, 0, message.time_us, lambda _variant, _shift: text)

    def pair(self) -> str:
        """Write the pair's entry of the `instrument` channel."""
        instrument = self.instrument
        tick, lot = self.price(1), self.size(1)
        return (
            f'{{"symbol":"{self.symbol}","base":"{instrument.base}","quote":"{instrument.quote}","status":"online",'
            f'"qty_precision":{instrument.size_decimals},"qty_increment":{lot},'
            f'"price_precision":{instrument.price_decimals},"cost_precision":5,"marginable":false,'
            f'"has_index":true,"cost_min":0.5,"tick_size":{tick},"price_increment":{tick},"qty_min":{lot}}}'
        )


class Day:
    """Statistics of a pair since the market began: prices in ticks, volume in lots, notional in ticks times lots."""

    __slots__ = ("first", "high", "last", "low", "notional", "volume")

    def __init__(self, price: int) -> None:
        self.first = self.last = self.high = self.low = price
        self.volume = self.notional = 0

    def add(self, trade: Trade) -> None:
        """Count one trade."""
        price = self.last = trade.price
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.volume += trade.size
        self.notional += price * trade.size


def envelope(channel: str, snapshot: bool, data: str) -> str:
    """Write the outer object of every channel message."""
    return f'{{"channel":"{channel}","type":"{"snapshot" if snapshot else "update"}","data":{data}}}'


def signed(number: int, writer: Callable[[int], str]) -> str:
    """Write a number that may be below zero."""
    return f"-{writer(-number)}" if number < 0 else writer(number)


def hundredths(number: int) -> str:
    """Write a whole number of hundredths."""
    return f"{number // 100}.{number % 100:02d}"
