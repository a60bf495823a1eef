"""The text of messages and replies of Binance's futures.

Sources: the pages under https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/ and those of
COIN-M. Every frame says of which market it is (`st`) and, but for trades and mark prices, its pair (`ps`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from simulator.instruments import Instrument
from simulator.market import Change, Trade
from simulator.venues.binance_futures.figures import Figures, Liquidation
from simulator.venues.binance_futures.instruments import pair
from simulator.wire import Message

COMBINED = 1
"""Bit of a connection's variant: `{"stream":..,"data":..}` around each event."""
FIRST_FILLS = 1000
"""Every aggregate is of one trade of the tape, whose own ids stand apart by this."""


class Writer:
    """Writes the messages of one contract."""

    def __init__(self, instrument: Instrument, market: int) -> None:
        self.symbol = instrument.symbol
        self.wire_symbol = instrument.wire_symbol
        self.lower = instrument.wire_symbol.lower()
        self.pair = pair(instrument)
        self.market = market
        self.price = instrument.price_writer()
        self.size = instrument.size_writer()
        # Prices which the market never reaches: levels there can be removed, or added, without touching the truth.
        self.far_price = instrument.first_price * 20

    def trade(self, trade: Trade) -> Message:
        """Write an `aggTrade` event."""

        def render(variant: int, shift_us: int) -> str:
            moment = milliseconds(trade.time_ns // 1000 + shift_us)
            row = f'"s":"{self.wire_symbol}",{self.aggregate(trade, moment)},"st":{self.market}'
            return wrap(f"{self.lower}@aggTrade", f'{{"e":"aggTrade","E":{moment},{row}}}', variant)

        return Message(self.symbol, "aggTrade", trade.trade_id, trade.trade_id, trade.time_ns // 1000, render)

    def aggregate(self, trade: Trade, moment: int) -> str:
        """Return what an aggregate says of itself, pushed or in a reply: of each seventh a part was retail price improvement."""
        size, fills = self.size(trade.size), trade.trade_id + FIRST_FILLS
        others = self.size(trade.size - trade.size // 2) if trade.trade_id % 7 == 0 else size
        maker = "false" if trade.taker_buys else "true"
        return (
            f'"a":{trade.trade_id},"p":"{self.price(trade.price)}","q":"{size}","nq":"{others}","f":{fills},"l":{fills},'
            f'"T":{moment},"m":{maker}'
        )

    def depth(self, changes: list[Change], previous: int, time_us: int) -> Message:
        """Write a `depth@100ms` event: the last size of each price changed in a window; `previous` is the last id of the one before."""
        bids = {change.price: change.size for change in changes if change.bid}
        asks = {change.price: change.size for change in changes if not change.bid}
        first, last = changes[0].update_id, changes[-1].update_id

        def with_giant(levels: int) -> Callable[[int, int], str]:
            removed = ",".join(f'["{self.price(self.far_price + place)}","0"]' for place in range(levels // 2))

            def render(variant: int, shift_us: int) -> str:
                moment = milliseconds(time_us + shift_us)
                return wrap(
                    f"{self.lower}@depth@100ms",
                    f'{{"e":"depthUpdate","E":{moment},"T":{moment},{self._whose()},"U":{first},"u":{last},"pu":{previous},'
                    f'"b":[{joined(self.levels(bids.items()), removed)}],"a":[{joined(self.levels(asks.items()), removed)}]}}',
                    variant,
                )

            return render

        return Message(self.symbol, "depth@100ms", first, last, time_us, with_giant(0), giant=with_giant)

    def book_ticker(self, update_id: int, quote: tuple[int, int, int, int], time_us: int) -> Message:
        """Write a `bookTicker` event."""
        bid, bid_size, ask, ask_size = quote
        levels = f'"b":"{self.price(bid)}","B":"{self.size(bid_size)}","a":"{self.price(ask)}","A":"{self.size(ask_size)}"'

        def render(variant: int, shift_us: int) -> str:
            moment = milliseconds(time_us + shift_us)
            text = f'{{"e":"bookTicker","u":{update_id},{self._whose()},{levels},"T":{moment},"E":{moment}}}'
            return wrap(f"{self.lower}@bookTicker", text, variant)

        return Message(self.symbol, "bookTicker", update_id, update_id, time_us, render)

    def mark_price(self, figures: Figures, time_us: int) -> Message:
        """Write a `markPrice@1s` event."""
        mark, index, rate, charged = figures.mark(), figures.index(), figures.rate(), figures.next_funding(time_us)

        def render(variant: int, shift_us: int) -> str:
            moment = milliseconds(time_us + shift_us)
            text = (
                f'{{"e":"markPriceUpdate","E":{moment},"s":"{self.wire_symbol}","p":"{mark}","ap":"{mark}","P":"{index}","i":"{index}",'
                f'"r":"{rate}","T":{charged},"st":{self.market}}}'
            )
            return wrap(f"{self.lower}@markPrice@1s", text, variant)

        return Message(self.symbol, "markPrice", 0, 0, time_us, render)

    def liquidation(self, found: Liquidation, time_us: int) -> Message:
        """Write a `forceOrder` event: the side is the order's, SELL where a long was closed."""
        size = self.size(found.size)

        def render(variant: int, shift_us: int) -> str:
            order = (
                f'"s":"{self.wire_symbol}","S":"{"BUY" if found.order_buys else "SELL"}","o":"LIMIT","f":"IOC","q":"{size}",'
                f'"p":"{self.price(found.limit)}","ap":"{self.price(found.average)}","X":"FILLED","l":"{size}","z":"{size}",'
                f'"T":{milliseconds(found.time_us + shift_us)},"ps":"{self.pair}","st":{self.market}'
            )
            text = f'{{"e":"forceOrder","E":{milliseconds(time_us + shift_us)},"o":{{{order}}}}}'
            return wrap(f"{self.lower}@forceOrder", text, variant)

        return Message(self.symbol, "forceOrder", 0, 0, time_us, render)

    def stranger(self, message: Message) -> Message:
        """Write an event of a type which is not documented."""
        text = f'{{"e":"somethingNew","E":{milliseconds(message.time_us)},"s":"{self.wire_symbol}","x":1}}'
        stream = f"{self.lower}@somethingNew"
        return Message(self.symbol, "somethingNew", 0, 0, message.time_us, lambda variant, _: wrap(stream, text, variant))

    def snapshot(self, update_id: int, sides: tuple[Sequence[tuple[int, int]], Sequence[tuple[int, int]]], time_us: int) -> str:
        """Write the body of `depth`."""
        bids, asks = (self.levels(side) for side in sides)
        moment = milliseconds(time_us)
        named = f'"symbol":"{self.wire_symbol}","pair":"{self.pair}",' if self.pair != self.wire_symbol else ""
        return f'{{"lastUpdateId":{update_id},"E":{moment},"T":{moment},{named}"bids":[{bids}],"asks":[{asks}]}}'

    def levels(self, levels: Iterable[tuple[int, int]]) -> str:
        """Levels as `["price","size"]`, joined."""
        price, size = self.price, self.size
        return ",".join([f'["{price(at)}","{size(amount)}"]' for at, amount in levels])

    def _whose(self) -> str:
        return f'"s":"{self.wire_symbol}","ps":"{self.pair}","st":{self.market}'


def contract_info(symbol: str, of_pair: str, market: int, time_us: int) -> Message:
    """Write a `!contractInfo` event of a contract that trades, with a bracket: which alone has changed."""
    text = (
        f'{{"e":"contractInfo","E":{milliseconds(time_us)},"s":"{symbol}","ps":"{of_pair}","ct":"PERPETUAL","dt":4133404800000,'
        f'"ot":1569398400000,"cs":"TRADING","bks":[{{"bs":1,"bnf":0,"bnc":5000,"mmr":0.01,"cf":0,"mi":21,"ma":50}}],"st":{market}}}'
    )
    return Message("", "contractInfo", 0, 0, time_us, lambda variant, _: wrap("!contractInfo", text, variant))


def milliseconds(time_us: int) -> int:
    """Return a time in the unit of the wire."""
    return time_us // 1000


def wrap(stream: str, text: str, variant: int) -> str:
    """Write the event as the connection's form wants it."""
    return f'{{"stream":"{stream}","data":{text}}}' if variant & COMBINED else text


def joined(first: str, second: str) -> str:
    """Two comma-joined lists as one."""
    return f"{first},{second}" if first and second else first or second
