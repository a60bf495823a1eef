"""The text of OKX's pushed messages.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-all-trades-channel, …-ws-order-book-channel,
https://www.okx.com/docs-v5/en/#public-data-websocket and https://www.okx.com/docs-v5/en/#block-trading-websocket-public-channel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from simulator.instruments import Instrument
from simulator.market import Trade
from simulator.venues.okx.books import Levels
from simulator.wire import Message

DELAY_US = 900_000_000
"""A block is told a quarter of an hour after it was agreed."""
Fields = Callable[[int], dict[str, Any]]
"""The fields of a row, given a time in milliseconds."""


class Writer:
    """Writes the messages of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.wire_symbol = instrument.wire_symbol
        self.price = instrument.price_writer()
        self.size = instrument.size_writer()
        # Prices which the market never reaches: levels there can be deleted without touching the truth.
        self.far_price = instrument.first_price * 20

    def trade(self, trade: Trade) -> Message:
        """Write a `trades-all` message: one trade."""
        time_us = trade.time_ns // 1000

        def render(_variant: int, shift_us: int) -> str:
            return self._pushed("trades-all", f"[{self.row(trade, shift_us)}]")

        return Message(self.symbol, "trades-all", trade.trade_id, trade.trade_id, time_us, render)

    def row(self, trade: Trade, shift_us: int = 0) -> str:
        """Return one trade, as the socket and REST have it."""
        return (
            f'{{"instId":"{self.wire_symbol}","tradeId":"{trade.trade_id}","px":"{self.price(trade.price)}","sz":"{self.size(trade.size)}",'
            f'"side":"{side(trade.taker_buys)}","source":"0","ts":"{milliseconds(trade.time_ns // 1000 + shift_us)}"}}'
        )

    def block(self, trade: Trade) -> Message:
        """Write a `public-block-trades` message: a leg that was agreed at a trade's price a quarter of an hour ago."""
        time_us = trade.time_ns // 1000 - DELAY_US

        def fields(ms: int) -> dict[str, Any]:
            return {
                "fillVol": "",
                "fwdPx": "",
                "groupId": "",
                "idxPx": self.price(trade.price),
                "instId": self.wire_symbol,
                "markPx": self.price(trade.price),
                "px": self.price(trade.price),
                "side": side(trade.taker_buys),
                "sz": self.size(trade.size * 100),
                "tradeId": f"6339714{trade.trade_id:012d}",
                "ts": str(ms),
            }

        return self.rows("public-block-trades", {"instId": self.wire_symbol}, time_us, [fields])

    def book(self, sides: tuple[Levels, Levels], sequence: int, previous: int, time_us: int) -> Message:
        """Write a `books` message; one without a predecessor is a snapshot."""
        snapshot = previous == -1
        bids, asks = (self.levels(levels) for levels in sides)

        def with_giant(levels: int) -> Callable[[int, int], str]:
            far = ",".join(f'["{self.price(self.far_price + place)}","0","0","0"]' for place in range(levels))

            def render(_variant: int, shift_us: int) -> str:
                all_asks = f"{asks},{far}" if asks and far else asks or far
                data = (
                    f'[{{"asks":[{all_asks}],"bids":[{bids}],"ts":"{milliseconds(time_us + shift_us)}","checksum":0,'
                    f'"prevSeqId":{previous},"seqId":{sequence}}}]'
                )
                return self._pushed("books", data, "snapshot" if snapshot else "update")

            return render

        giant = None if snapshot else with_giant
        return Message(self.symbol, "books", sequence, sequence, time_us, with_giant(0), snapshot=snapshot, giant=giant)

    def quote(self, quote: tuple[int, int, int, int], sequence: int, time_us: int) -> Message:
        """Write a `bbo-tbt` message."""
        bid, bid_size, ask, ask_size = quote

        def render(_variant: int, shift_us: int) -> str:
            levels = f'"asks":[{self.levels([(ask, ask_size)])}],"bids":[{self.levels([(bid, bid_size)])}]'
            return self._pushed("bbo-tbt", f'[{{{levels},"ts":"{milliseconds(time_us + shift_us)}","seqId":{sequence}}}]')

        return Message(self.symbol, "bbo-tbt", sequence, sequence, time_us, render)

    def rows(self, channel: str, argument: dict[str, str], time_us: int, rows: Sequence[Fields]) -> Message:
        """Write a message of any other channel."""

        def render(_variant: int, shift_us: int) -> str:
            ms = milliseconds(time_us + shift_us)
            return json.dumps({"arg": {"channel": channel} | argument, "data": [row(ms) for row in rows]}, separators=(",", ":"))

        return Message(self.symbol, channel, 0, 0, time_us, render)

    def stranger(self, message: Message) -> Message:
        """Write a message of a channel which is not documented."""
        return self.rows("something-new", {"instId": self.wire_symbol}, message.time_us, [lambda _ms: {"x": "1"}])

    def levels(self, levels: Iterable[tuple[int, int]]) -> str:
        """Levels as `["price","size","0","orders"]`, joined; a size of 0 deletes."""
        return ",".join(
            [f'["{self.price(at)}","{self.size(amount) if amount else "0"}","0","{1 if amount else 0}"]' for at, amount in levels]
        )

    def _pushed(self, channel: str, data: str, action: str = "") -> str:
        acts = f'"action":"{action}",' if action else ""
        return f'{{"arg":{{"channel":"{channel}","instId":"{self.wire_symbol}"}},{acts}"data":{data}}}'


def milliseconds(time_us: int) -> int:
    """Return a time in the unit of the wire."""
    return time_us // 1000


def side(buys: bool) -> str:
    """Return the wire's word."""
    return "buy" if buys else "sell"
