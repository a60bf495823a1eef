"""The text of Coinbase Exchange's pushed messages.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels. The `side` of a match is the maker's, that of a ticker the taker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from simulator.book import Book
from simulator.instruments import Instrument
from simulator.market import Change, Trade
from simulator.venues.coinbase.clock import timestamp
from simulator.wire import Message


class Writer:
    """Writes the messages of one pair."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.product = instrument.wire_symbol
        self.price = instrument.price_writer()
        self.size = instrument.size_writer()
        self.far_price = instrument.first_price * 20
        """A price which the market never reaches."""

    def match(self, trade: Trade, sequence: int, time_us: int, *, last: bool = False) -> Message:
        """Write a `match`, or the `last_match` before a subscription."""
        number = trade.trade_id

        def render(_variant: int, shift_us: int) -> str:
            return (
                f'{{"type":"{"last_match" if last else "match"}","trade_id":{number},'
                f'"maker_order_id":"6d616b65-0000-4000-8000-{number:012x}","taker_order_id":"74616b65-0000-4000-8000-{number:012x}",'
                f'"side":"{maker(trade)}","size":"{self.size(trade.size)}","price":"{self.price(trade.price)}",'
                f'"product_id":"{self.product}","sequence":{sequence},"time":"{timestamp(trade.time_ns // 1000 + shift_us)}"}}'
            )

        return Message(self.symbol, "matches", number, number, time_us, render, snapshot=last)

    def snapshot(self, book: Book, time_us: int) -> Message:
        """Write the whole of a book."""
        bids, asks = (self._levels(side.top(len(side.keys))) for side in (book.bids, book.asks))
        head = f'{{"type":"snapshot","product_id":"{self.product}","asks":[{asks}],"bids":[{bids}],"time":"'

        def render(_variant: int, shift_us: int) -> str:
            return f'{head}{timestamp(time_us + shift_us)}"}}'

        return Message(self.symbol, "level2_batch", book.update_id, book.update_id, time_us, render, snapshot=True)

    def _levels(self, levels: Iterable[tuple[int, int]]) -> str:
        return ",".join([f'["{self.price(at)}","{self.size(amount)}"]' for at, amount in levels])

    def update(self, changes: Sequence[Change], time_us: int) -> Message:
        """Write an `l2update`."""
        rows = [self._change("buy" if change.bid else "sell", change.price, change.size) for change in changes]

        def with_giant(levels: int) -> Callable[[int, int], str]:
            far = [self._change("sell", self.far_price + place, 0) for place in range(levels)]
            head = f'{{"type":"l2update","product_id":"{self.product}","changes":[{",".join(rows + far)}],"time":"'
            return lambda _variant, shift_us: f'{head}{timestamp(time_us + shift_us)}"}}'

        first, last = changes[0].update_id, changes[-1].update_id
        return Message(self.symbol, "level2_batch", first, last, time_us, with_giant(0), giant=with_giant)

    def _change(self, side: str, price: int, size: int) -> str:
        return f'["{side}","{self.price(price)}","{self.size(size)}"]'

    def ticker(self, book: Book, last: Trade | None, sequence: int, time_us: int) -> Message:
        """Write a `ticker`."""
        bid, bid_size, ask, ask_size = book.quote()
        price, size = self.price, self.size
        paid = price(self.instrument.first_price if last is None else last.price)
        traded = "" if last is None else f',"side":"{taker(last)}","trade_id":{last.trade_id},"last_size":"{size(last.size)}"'
        head = (
            f'{{"type":"ticker","sequence":{sequence},"product_id":"{self.product}","price":"{paid}","open_24h":"{paid}","volume_24h":"1",'
            f'"low_24h":"{paid}","high_24h":"{paid}","volume_30d":"1","best_bid":"{price(bid)}","best_bid_size":"{size(bid_size)}",'
            f'"best_ask":"{price(ask)}","best_ask_size":"{size(ask_size)}"{traded},"time":"'
        )

        def render(_variant: int, shift_us: int) -> str:
            return f'{head}{timestamp(time_us + shift_us)}"}}'

        return Message(self.symbol, "ticker", book.update_id, book.update_id, time_us, render)

    def stranger(self, message: Message) -> Message:
        """Write a message of a type which is not documented."""
        text = f'{{"type":"something_new","product_id":"{self.product}","x":1}}'
        return Message(self.symbol, "something_new", 0, 0, message.time_us, lambda _variant, _shift: text)


def maker(trade: Trade) -> str:
    """Return the side of the order that rested."""
    return "sell" if trade.taker_buys else "buy"


def taker(trade: Trade) -> str:
    """Return the side of the order that came."""
    return "buy" if trade.taker_buys else "sell"
