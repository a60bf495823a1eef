"""The frequent frames of Binance's futures as blocks: aggregate trades, changes of books, best quotes, liquidations.

Sources, under https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/: Aggregate-Trade-Streams,
Diff-Book-Depth-Streams, Individual-Symbol-Book-Ticker-Streams, Liquidation-Order-Streams; those of COIN-M
(…/derivatives/coin-margined-futures/websocket-market-streams/) have the same fields. Since the two markets merged (2026-06-30) a frame says
of which it is (`st`) and its pair (`ps`).

Times are those of the matching engine (`T`), not of the push (`E`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec

from dialects.binance_futures.market import Market, coins, dollars
from dialects.binance_futures.times import Millis, microseconds
from dialects.contract import Shape
from dialects.quotes import best
from schemas.decimals import encode

_TAKER = ("buy", "sell")
"""The taker's side, by whether the buyer was the maker (`m`)."""
_LIQUIDATED = {"SELL": ("long", "sell"), "BUY": ("short", "buy")}
"""The side of the order that closes a position → whose position it was, and that side in our word."""
_NOTHING = encode("0")
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Previous = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
_Levels = list[tuple[str, str]]


class AggregateTrade(msgspec.Struct, gc=False):
    """`{"a":5200000100,"s":"BTCUSDT","p":"64250.10","q":"0.012","nq":"0.010","f":…,"l":…,"T":1790000000020,"m":true,"st":1}`.

    `q` is all that was traded, retail price improvement (RPI) orders too, and `nq` what was not against those (change log of 2025-12-31).
    Neither the insurance fund's nor ADL trades are in it, so `f` and `l` may skip; `a` does not.
    """

    id: Whole = msgspec.field(name="a")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    time: Millis = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    size_excluding_rpi: str | None = msgspec.field(name="nq", default=None)


class PushedTrade(AggregateTrade, gc=False, kw_only=True, tag_field="e", tag="aggTrade"):
    """The same of `{symbol}@aggTrade`."""

    symbol: str = msgspec.field(name="s")
    market: int | None = msgspec.field(name="st", default=None)


class Depth(msgspec.Struct, tag_field="e", tag="depthUpdate"):
    """`{"e":"depthUpdate","E":…,"T":…,"s":"BTCUSDT","U":303212647354,"u":303212648743,"pu":303212646994,"b":[["1.2187","425.9"]],"a":[]}`.

    RPI orders are in no book. `pu` is the `u` before; -1 where there is none.
    """

    time: Millis = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    first_id: Whole = msgspec.field(name="U")
    last_id: Whole = msgspec.field(name="u")
    previous_id: _Previous = msgspec.field(name="pu")
    bids: _Levels = msgspec.field(name="b")
    asks: _Levels = msgspec.field(name="a")
    market: int | None = msgspec.field(name="st", default=None)


class Quote(msgspec.Struct, gc=False, tag_field="e", tag="bookTicker"):
    """`{"e":"bookTicker","u":303212650041,"s":"NEOUSDT","b":"57.273","B":"1.89","a":"57.289","A":"6.10","T":…,"E":…}`."""

    update_id: Whole = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid_price: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask_price: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")
    time: Millis = msgspec.field(name="T")
    market: int | None = msgspec.field(name="st", default=None)


class Liquidation(msgspec.Struct, gc=False):
    """The order of a liquidation; `l` is its last fill alone, `z` all of them, and `ap` their average price."""

    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    average_price: str = msgspec.field(name="ap")
    filled: str = msgspec.field(name="z")
    time: Millis = msgspec.field(name="T")
    market: int | None = msgspec.field(name="st", default=None)


class ForceOrder(msgspec.Struct, tag_field="e", tag="forceOrder"):
    """`{"e":"forceOrder","E":…,"o":{"s":"BTCUSDT","S":"SELL","p":"82338.30","ap":"82651.90","l":"0.155","z":"0.190","T":…,"st":1}}`."""

    order: Liquidation = msgspec.field(name="o")


def trades(found: Sequence[AggregateTrade], symbols: str | list[str], market: Market) -> dict[str, Any]:
    """Return the columns of aggregate trades: of one symbol, or of one each. Where nothing but RPI was traded the trade is that."""
    sizes = [encode(one.size) for one in found]
    prices = [encode(one.price) for one in found]
    others = [None if one.size_excluding_rpi is None else encode(one.size_excluding_rpi) for one in found]
    columns: dict[str, Any] = {
        "symbol": symbols,
        "event_time": [microseconds(one.time) for one in found],
        "trade_id": [str(one.id) for one in found],
        "sequence": [one.id for one in found],
        "price": prices,
        "size": sizes,
        "side": [_TAKER[one.buyer_is_maker] for one in found],
        "trade_kind": ["rpi" if other == _NOTHING else "normal" for other in others] if _NOTHING in others else "normal",
        "size_excluding_rpi": others,
        "replayed": False,
    }
    if market.unit == "base":
        return columns
    worth = [dollars(symbol, size) for symbol, size in zip(_each(symbols, found), sizes, strict=True)]
    return columns | {
        "size_unit": "contract",
        "size_base": [coins(value, price) for value, price in zip(worth, prices, strict=True)],
        "size_quote": worth,
    }


def _each(symbols: str | list[str], found: Sequence[Any]) -> list[str]:
    return symbols if isinstance(symbols, list) else [symbols] * len(found)


def _pushed_trades(found: Sequence[PushedTrade], market: Market) -> dict[str, Any]:
    return trades(found, [one.symbol for one in found], market)


def _depths(found: Sequence[Depth], _market: Market) -> dict[str, Any]:
    """Return the columns of changes of books. Sizes stay in the venue's unit."""
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "bid_prices": [[encode(price) for price, _ in one.bids] for one in found],
        "bid_sizes": [[encode(size) for _, size in one.bids] for one in found],
        "ask_prices": [[encode(price) for price, _ in one.asks] for one in found],
        "ask_sizes": [[encode(size) for _, size in one.asks] for one in found],
        "is_snapshot": False,
        "depth": 0,
        "first_sequence": [one.first_id for one in found],
        "last_sequence": [one.last_id for one in found],
        "previous_sequence": [None if one.previous_id < 0 else one.previous_id for one in found],
    }


def _quotes(found: Sequence[Quote], _market: Market) -> dict[str, Any]:
    bid_prices, bid_sizes = best([encode(one.bid_price) for one in found], [encode(one.bid_size) for one in found])
    ask_prices, ask_sizes = best([encode(one.ask_price) for one in found], [encode(one.ask_size) for one in found])
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "sequence": [one.update_id for one in found],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


def _liquidations(found: Sequence[Liquidation], market: Market) -> dict[str, Any]:
    """Return the columns of liquidations: of each symbol "only the latest one liquidation order within 1000ms" is pushed, so sampled."""
    sides = [_LIQUIDATED.get(one.side, ("unknown", "unknown")) for one in found]
    sizes, prices = [encode(one.filled) for one in found], [encode(one.average_price) for one in found]
    columns: dict[str, Any] = {
        "symbol": [one.symbol for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "liquidated_side": [liquidated for liquidated, _ in sides],
        "order_side": [order for _, order in sides],
        "price": prices,
        "price_kind": "average_fill",
        "size_native": sizes,
        "completeness": "sampled",
        "source": "order_stream",
    }
    if market.unit == "base":
        return columns | {"size_base": sizes}
    worth = [dollars(one.symbol, size) for one, size in zip(found, sizes, strict=True)]
    return columns | {"size_base": [coins(value, price) for value, price in zip(worth, prices, strict=True)], "size_quote": worth}


def _row(kind: Any) -> Callable[[Any], Any]:
    """Return what gets of an event of a kind the row that becomes ours."""
    return (lambda event: event.order) if kind is ForceOrder else (lambda event: event)


class Kind:
    """One kind of frequent event of a market: its type in the venue's form, and the shape of its frames."""

    def __init__(self, event: str, form: Any, columns: Callable[[Any, Market], dict[str, Any]], market: Market) -> None:
        self.form = form
        self._market = market
        self._row = _row(form)
        combined = msgspec.defstruct(f"_Combined{form.__name__}", [("data", form)], gc=False)
        decode: Any = msgspec.json.Decoder(combined).decode
        self.shape = Shape(event, lambda payload, _memory: self.rows(decode(payload).data), lambda found: columns(found, market))

    def rows(self, event: Any) -> Sequence[Any]:
        """Return the rows of one event: none where it is of the other market."""
        row = self._row(event)
        return (row,) if self._market.belongs(row.market) else ()


class Kinds:
    """The kinds of one market, by their type (`e`), and their shapes by what follows the first @ of a stream's name."""

    def __init__(self, market: Market) -> None:
        self.by_type: Mapping[str, Kind] = {
            "aggTrade": Kind("trade", PushedTrade, _pushed_trades, market),
            "depthUpdate": Kind("book_delta", Depth, _depths, market),
            "bookTicker": Kind("quote", Quote, _quotes, market),
            "forceOrder": Kind("liquidation", ForceOrder, _liquidations, market),
        }
        depth = self.by_type["depthUpdate"].shape
        self._shapes: Mapping[bytes, Shape] = {
            b"aggTra": self.by_type["aggTrade"].shape,
            b"depth@": depth,
            b'depth"': depth,
            b"bookTi": self.by_type["bookTicker"].shape,
            b"forceO": self.by_type["forceOrder"].shape,
        }

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a combined frame: `{"stream":"btcusdt@aggTrade",…`. The decoder then checks the rest."""
        start = payload.find(b"@", 11, 160) + 1
        return self._shapes.get(payload[start : start + 6]) if start and payload.startswith(b'{"stream":"') else None


@cache
def kinds_of(market: Market) -> Kinds:
    """Return the kinds of a market."""
    return Kinds(market)
