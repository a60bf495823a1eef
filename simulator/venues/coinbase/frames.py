"""The text of Advanced Trade's pushed messages.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels. `render` is given the message's
number on its connection as the variant (simulator/venues/coinbase/numbering.py). A trade's side is the maker's; history is told the newest
first, what happens in its order; the levels of a snapshot have no time of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.book import Book
from simulator.candles import Candle
from simulator.instruments import Instrument
from simulator.market import Trade
from simulator.venues.coinbase.clock import timestamp
from simulator.wire import Message

Levels = Sequence[tuple[bool, int, int]]
"""(is a bid, price, size); 0 removes."""
NO_TIME = "1970-01-01T00:00:00Z"


def envelope(channel: str, number: int, time_us: int, events: str) -> str:
    """Write the outer object of every message."""
    return f'{{"channel":"{channel}","client_id":"","timestamp":"{timestamp(time_us, "207")}","sequence_num":{number},"events":[{events}]}}'


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

    def trade(self, trade: Trade, shift_us: int = 0) -> str:
        """Write one trade."""
        return (
            f'{{"product_id":"{self.product}","trade_id":"{trade.trade_id}","price":"{self.price(trade.price)}",'
            f'"size":"{self.size(trade.size)}","time":"{timestamp(trade.time_ns // 1000 + shift_us)}",'
            f'"side":"{"SELL" if trade.taker_buys else "BUY"}"}}'
        )

    def trades(self, trades: Sequence[Trade], time_us: int, *, snapshot: bool) -> Message:
        """Write a `market_trades` message."""

        def render(number: int, shift_us: int) -> str:
            rows = ",".join([self.trade(trade, shift_us) for trade in (reversed(trades) if snapshot else trades)])
            kind = "snapshot" if snapshot else "update"
            return envelope("market_trades", number, time_us + shift_us, f'{{"type":"{kind}","trades":[{rows}]}}')

        first, last = (trades[0].trade_id, trades[-1].trade_id) if trades else (0, 0)
        return Message(self.symbol, "market_trades", first, last, time_us, render, snapshot)

    def book(self, levels: Levels, ids: tuple[int, int], time_us: int, *, snapshot: bool) -> Message:
        """Write an `l2_data` message; `ids` are the update ids of the truth, which are not on the wire."""

        def with_giant(extra: int) -> Callable[[int, int], str]:
            far = [(False, self.far_price + place, 0) for place in range(extra)]

            def render(number: int, shift_us: int) -> str:
                moment = NO_TIME if snapshot else timestamp(time_us + shift_us)
                rows = ",".join([self._level(level, moment) for level in (*levels, *far)])
                kind = "snapshot" if snapshot else "update"
                event = f'{{"type":"{kind}","product_id":"{self.product}","updates":[{rows}]}}'
                return envelope("l2_data", number, time_us + shift_us, event)

            return render

        giant = None if snapshot else with_giant
        return Message(self.symbol, "level2", ids[0], ids[1], time_us, with_giant(0), snapshot, giant=giant)

    def _level(self, level: tuple[bool, int, int], moment: str) -> str:
        bid, price, size = level
        side, left = "bid" if bid else "offer", self.size(size) if size else "0"
        return f'{{"side":"{side}","event_time":"{moment}","price_level":"{self.price(price)}","new_quantity":"{left}"}}'

    def ticker(self, book: Book, last: int, time_us: int, *, snapshot: bool) -> Message:
        """Write a `ticker` message."""
        bid, bid_size, ask, ask_size = book.quote()
        price, size = self.price, self.size
        ticker = (
            f'{{"type":"ticker","product_id":"{self.product}","price":"{price(last)}","volume_24_h":"1","low_24_h":"{price(last)}",'
            f'"high_24_h":"{price(last)}","low_52_w":"{price(last)}","high_52_w":"{price(last)}","price_percent_chg_24_h":"0",'
            f'"best_bid":"{price(bid)}","best_bid_quantity":"{size(bid_size)}",'
            f'"best_ask":"{price(ask)}","best_ask_quantity":"{size(ask_size)}"}}'
        )
        event = f'{{"type":"{"snapshot" if snapshot else "update"}","tickers":[{ticker}]}}'

        def render(number: int, shift_us: int) -> str:
            return envelope("ticker", number, time_us + shift_us, event)

        return Message(self.symbol, "ticker", book.update_id, book.update_id, time_us, render, snapshot)

    def candles(self, candles: Sequence[Candle], time_us: int, *, snapshot: bool) -> Message:
        """Write a `candles` message, the newest first."""
        rows = ",".join(
            f'{{"start":"{one.open_time // 1_000_000}","high":"{one.high}","low":"{one.low}","open":"{one.open}","close":"{one.close}",'
            f'"volume":"{one.volume}","product_id":"{self.product}"}}'
            for one in reversed(candles)
        )
        event = f'{{"type":"{"snapshot" if snapshot else "update"}","candles":[{rows}]}}'

        def render(number: int, shift_us: int) -> str:
            return envelope("candles", number, time_us + shift_us, event)

        return Message(self.symbol, "candles", 0, 0, time_us, render, snapshot)

    def status(self, time_us: int, *, snapshot: bool) -> Message:
        """Write a `status` message of the pair."""
        instrument = self.instrument
        product = (
            f'{{"product_type":"SPOT","id":"{self.product}","base_currency":"{instrument.base}","quote_currency":"{instrument.quote}",'
            f'"base_increment":"{self.size(1)}","quote_increment":"{self.price(1)}","display_name":"{instrument.symbol}",'
            f'"status":"online","status_message":"","min_market_funds":"1"}}'
        )
        event = f'{{"type":"{"snapshot" if snapshot else "update"}","products":[{product}]}}'

        def render(number: int, shift_us: int) -> str:
            return envelope("status", number, time_us + shift_us, event)

        return Message(self.symbol, "status", 0, 0, time_us, render, snapshot)

    def stranger(self, time_us: int) -> Callable[[int, int], str]:
        """Return what writes a message of a channel which is not documented."""
        event = f'{{"type":"update","product_id":"{self.product}","x":1}}'
        return lambda number, shift_us: envelope("something_new", number, time_us + shift_us, event)
