"""The text of Bybit's pushed messages.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/trade and its neighbours `orderbook`, `ticker`, `all-liquidation`.
Spot writes `ts` before `type`, contracts the other way round, as the live ones do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from simulator.instruments import Instrument
from simulator.market import Trade
from simulator.venues.bybit.books import Levels
from simulator.wire import Message


class Liquidation(NamedTuple):
    """A position closed by force: the taker's order, its size, and the price at which the position was bankrupt."""

    time_us: int
    order_buys: bool
    price: int
    size: int


class Writer:
    """Writes the messages of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.wire_symbol = instrument.wire_symbol
        self.is_spot = instrument.kind == "spot"
        self.price = instrument.price_writer()
        self.size = instrument.size_writer()
        # Prices which the market never reaches: levels there can be deleted without touching the truth.
        self.far_price = instrument.first_price * 20

    def trades(self, trades: Sequence[Trade], sequence: int, time_us: int) -> Message:
        """Write a `publicTrade` message: the fills of one order, which share a cross sequence."""

        def render(_variant: int, shift_us: int) -> str:
            rows = ",".join(self._trade(trade, sequence, shift_us) for trade in trades)
            return self._pushed(f"publicTrade.{self.wire_symbol}", "snapshot", time_us + shift_us, f"[{rows}]")

        return Message(self.symbol, "publicTrade", trades[0].trade_id, trades[-1].trade_id, time_us, render)

    def _trade(self, trade: Trade, sequence: int, shift_us: int) -> str:
        tick = "" if self.is_spot else '"L":"PlusTick",'
        return (
            f'{{"T":{milliseconds(trade.time_ns // 1000 + shift_us)},"s":"{self.wire_symbol}","S":"{side(trade.taker_buys)}",'
            f'"v":"{self.size(trade.size)}","p":"{self.price(trade.price)}",{tick}"i":"{self.trade_id(trade)}",'
            f'"BT":false,"RPI":false,"seq":{sequence}}}'
        )

    def trade_id(self, trade: Trade) -> str:
        """Return an opaque id: digits on spot, else five groups of hexadecimal."""
        if self.is_spot:
            return f"22900000{trade.trade_id:011d}"
        return f"{trade.trade_id:08x}-5e31-5b31-9112-{trade.trade_id * 2_654_435_761 % 2**48:012x}"

    def book(self, depth: int, update_id: int, sides: tuple[Levels, Levels], sequence: int, time_us: int, *, snapshot: bool) -> Message:
        """Write an `orderbook.{depth}` message."""
        channel, kind = f"orderbook.{depth}", "snapshot" if snapshot else "delta"
        topic = f"{channel}.{self.wire_symbol}"
        bids, asks = (self.levels(levels) for levels in sides)

        def with_giant(levels: int) -> Callable[[int, int], str]:
            far = ",".join(f'["{self.price(self.far_price + place)}","0"]' for place in range(levels))

            def render(_variant: int, shift_us: int) -> str:
                all_asks = f"{asks},{far}" if asks and far else asks or far
                data = f'{{"s":"{self.wire_symbol}","b":[{bids}],"a":[{all_asks}],"u":{update_id},"seq":{sequence}}}'
                return self._pushed(topic, kind, time_us + shift_us, data, cts_us=time_us + shift_us)

            return render

        giant = None if snapshot else with_giant
        return Message(self.symbol, channel, update_id, update_id, time_us, with_giant(0), snapshot=snapshot, giant=giant)

    def ticker(self, fields: dict[str, str], sequence: int, time_us: int, *, snapshot: bool) -> Message:
        """Write a `tickers` message."""
        data = json.dumps({"symbol": self.wire_symbol} | fields, separators=(",", ":"))
        topic, kind = f"tickers.{self.wire_symbol}", "snapshot" if snapshot else "delta"

        def render(_variant: int, shift_us: int) -> str:
            moment = milliseconds(time_us + shift_us)
            if self.is_spot:
                return f'{{"topic":"{topic}","ts":{moment},"type":"{kind}","cs":{sequence},"data":{data}}}'
            return f'{{"topic":"{topic}","type":"{kind}","data":{data},"cs":{sequence},"ts":{moment}}}'

        return Message(self.symbol, "tickers", sequence, sequence, time_us, render, snapshot=snapshot)

    def liquidations(self, found: Sequence[Liquidation], time_us: int) -> Message:
        """Write an `allLiquidation` message: the side is the position's, Buy where a long was sold."""

        def render(_variant: int, shift_us: int) -> str:
            rows = ",".join(
                f'{{"T":{milliseconds(one.time_us + shift_us)},"s":"{self.wire_symbol}","S":"{side(not one.order_buys)}",'
                f'"v":"{self.size(one.size)}","p":"{self.price(one.price)}"}}'
                for one in found
            )
            return self._pushed(f"allLiquidation.{self.wire_symbol}", "snapshot", time_us + shift_us, f"[{rows}]")

        return Message(self.symbol, "allLiquidation", 0, 0, time_us, render)

    def stranger(self, message: Message) -> Message:
        """Write a message of a topic which is not documented."""
        topic = f"somethingNew.{self.wire_symbol}"
        return Message(
            self.symbol,
            "somethingNew",
            0,
            0,
            message.time_us,
            lambda _variant, shift_us: self._pushed(topic, "snapshot", message.time_us + shift_us, '{"x":1}'),
        )

    def levels(self, levels: Iterable[tuple[int, int]]) -> str:
        """Levels as `["price","size"]`, joined; a size of 0 deletes."""
        return ",".join([f'["{self.price(at)}","{self.size(amount) if amount else "0"}"]' for at, amount in levels])

    def _pushed(self, topic: str, kind: str, time_us: int, data: str, cts_us: int | None = None) -> str:
        moment = milliseconds(time_us)
        cts = "" if cts_us is None else f',"cts":{milliseconds(cts_us)}'
        if self.is_spot:
            return f'{{"topic":"{topic}","ts":{moment},"type":"{kind}","data":{data}{cts}}}'
        return f'{{"topic":"{topic}","type":"{kind}","ts":{moment},"data":{data}{cts}}}'


def milliseconds(time_us: int) -> int:
    """Return a time in the unit of the wire."""
    return time_us // 1000


def side(buys: bool) -> str:
    """Return the wire's word."""
    return "Buy" if buys else "Sell"
