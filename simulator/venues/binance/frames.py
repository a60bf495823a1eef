"""The text of Binance spot's messages and replies.

Source: binance/binance-spot-api-docs, web-socket-streams.md and rest-api.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from simulator.instruments import Instrument
from simulator.market import Change, Trade
from simulator.wire import Message

COMBINED, MICROSECONDS = 1, 2
"""Bits of a connection's variant: `{"stream":..,"data":..}` around each event; times in microseconds."""
NO_SIZE = "0.00000000"


class Writer:
    """Writes the messages of one instrument."""

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.wire_symbol = instrument.wire_symbol
        self.lower = instrument.wire_symbol.lower()
        self.price = instrument.price_writer()
        self.size = instrument.size_writer()
        # Prices which the market never reaches: levels there can be removed, or added, without touching the truth.
        self.far_price = instrument.first_price * 20

    def trade(self, trade: Trade) -> Message:
        """Write a `<symbol>@trade` event."""
        stream = f"{self.lower}@trade"
        symbol, price, size = self.wire_symbol, self.price(trade.price), self.size(trade.size)
        trade_id, time_us = trade.trade_id, trade.time_ns // 1000
        maker = "false" if trade.taker_buys else "true"

        def render(variant: int, shift_us: int) -> str:
            moment = stamp(time_us + shift_us, variant)
            return wrap(
                stream,
                f'{{"e":"trade","E":{moment},"s":"{symbol}","t":{trade_id},"p":"{price}","q":"{size}","T":{moment},"m":{maker},"M":true}}',
                variant,
            )

        return Message(self.symbol, "trade", trade_id, trade_id, time_us, render)

    def depth(self, channel: str, changes: list[Change], time_us: int) -> Message:
        """Write a `<symbol>@depth` or `<symbol>@depth@100ms` event: the last size of each price changed in a window."""
        bids = {change.price: change.size for change in changes if change.bid}
        asks = {change.price: change.size for change in changes if not change.bid}
        first, last = changes[0].update_id, changes[-1].update_id

        def with_giant(levels: int) -> Callable[[int, int], str]:
            far = self.far_price
            removed = ",".join(f'["{self.price(far + place)}","{NO_SIZE}"]' for place in range(levels // 2))

            def render(variant: int, shift_us: int) -> str:
                return wrap(
                    f"{self.lower}@{channel}",
                    f'{{"e":"depthUpdate","E":{stamp(time_us + shift_us, variant)},"s":"{self.wire_symbol}",'
                    f'"U":{first},"u":{last},'
                    f'"b":[{joined(self.levels(bids.items()), removed)}],'
                    f'"a":[{joined(self.levels(asks.items()), removed)}]}}',
                    variant,
                )

            return render

        return Message(self.symbol, channel, first, last, time_us, with_giant(0), giant=with_giant)

    def book_ticker(self, update_id: int, quote: tuple[int, int, int, int], time_us: int) -> Message:
        """Write a `<symbol>@bookTicker` event, which carries no time."""
        bid, bid_size, ask, ask_size = quote
        text = (
            f'{{"u":{update_id},"s":"{self.wire_symbol}","b":"{self.price(bid)}","B":"{self.size(bid_size)}",'
            f'"a":"{self.price(ask)}","A":"{self.size(ask_size)}"}}'
        )
        stream = f"{self.lower}@bookTicker"
        return Message(self.symbol, "bookTicker", update_id, update_id, time_us, lambda variant, _: wrap(stream, text, variant))

    def stranger(self, message: Message) -> Message:
        """Write an event of a type which is not documented."""
        text = f'{{"e":"somethingNew","E":{message.time_us // 1000},"s":"{self.wire_symbol}","x":1}}'
        stream = f"{self.lower}@somethingNew"
        return Message(self.symbol, "somethingNew", 0, 0, message.time_us, lambda variant, _: wrap(stream, text, variant))

    def snapshot(self, update_id: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], extra_levels: int) -> str:
        """Write the body of `GET /api/v3/depth`, with extra asks far above the market if a fault wants them."""
        extra = [(self.far_price + place, 1) for place in range(extra_levels)]
        return f'{{"lastUpdateId":{update_id},"bids":[{self.levels(bids)}],"asks":[{self.levels([*asks, *extra])}]}}'

    def levels(self, levels: Iterable[tuple[int, int]]) -> str:
        """Levels as `["price","size"]`, joined."""
        price, size = self.price, self.size
        return ",".join([f'["{price(at)}","{size(amount)}"]' for at, amount in levels])

    def rest_trade(self, trade: Trade, microseconds: bool) -> str:
        """One entry of `GET /api/v3/trades` or `/historicalTrades`."""
        quote = decimal_product(self.price(trade.price), self.size(trade.size))
        moment = stamp(trade.time_ns // 1000, MICROSECONDS if microseconds else 0)
        maker = "false" if trade.taker_buys else "true"
        return (
            f'{{"id":{trade.trade_id},"price":"{self.price(trade.price)}","qty":"{self.size(trade.size)}",'
            f'"quoteQty":"{quote}","time":{moment},"isBuyerMaker":{maker},"isBestMatch":true}}'
        )


def stamp(time_us: int, variant: int) -> int:
    """Write the time in the unit which the connection asked for."""
    return time_us if variant & MICROSECONDS else time_us // 1000


def wrap(stream: str, text: str, variant: int) -> str:
    """Write the event as the connection's form wants it."""
    return f'{{"stream":"{stream}","data":{text}}}' if variant & COMBINED else text


def joined(first: str, second: str) -> str:
    """Two comma-joined lists as one."""
    return f"{first},{second}" if first and second else first or second


def decimal_product(price: str, size: str) -> str:
    """`price * size`, both of 8 decimals, cut to 8 decimals."""
    product = int(price.replace(".", "")) * int(size.replace(".", "")) // 10**8
    return f"{product // 10**8}.{product % 10**8:08d}"


@cache
def exchange_symbol(instrument: Instrument) -> str:
    """One entry of `GET /api/v3/exchangeInfo`."""
    tick, lot = instrument.price_writer()(1), instrument.size_writer()(1)
    return (
        f'{{"symbol":"{instrument.wire_symbol}","status":"TRADING","baseAsset":"{instrument.base}",'
        f'"baseAssetPrecision":8,"quoteAsset":"{instrument.quote}","quotePrecision":8,"quoteAssetPrecision":8,'
        f'"orderTypes":["LIMIT","MARKET"],"isSpotTradingAllowed":true,"isMarginTradingAllowed":false,'
        f'"filters":[{{"filterType":"PRICE_FILTER","minPrice":"{tick}","maxPrice":"100000000.00000000",'
        f'"tickSize":"{tick}"}},{{"filterType":"LOT_SIZE","minQty":"{lot}","maxQty":"9000000.00000000",'
        f'"stepSize":"{lot}"}}],"permissions":[],"permissionSets":[["SPOT"]]}}'
    )
