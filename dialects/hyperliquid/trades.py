"""Trades, books and best quotes: whole messages, of which a block is read at once.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions (`WsTrade`, `WsBook`, `WsBbo`) and
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/notation ("B = Bid = Buy, A = Ask = Short. Side is aggressing side for
trades"). `tid` is a "50-bit hash of (buyer_oid, seller_oid)", of which "(block_time, coin, tid)" is unique: it counts nothing. Sizes are in
coins.

The first trades after a subscription are the last ones before it; nothing in a message says so, and by their ids they are no news.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from dialects.hyperliquid.times import Millis, microseconds
from schemas.decimals import encode

SIDES = {"B": "buy", "A": "sell"}
SLOW_LEVELS, FAST_LEVELS = 20, 5
"""Levels a side: "5 levels if fast, 20 levels if slow"."""
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Trade(msgspec.Struct, gc=False):
    """`{"coin":"BTC","side":"B","px":"64255.0","sz":"0.012","hash":"0x…","time":1790000000039,"tid":118906512037719,"users":["0x…","0x…"]}`."""

    coin: str
    side: str
    px: str
    sz: str
    time: Millis
    tid: _Whole


class Level(msgspec.Struct, gc=False):
    """`{"px":"64255.0","sz":"1.65875","n":7}`, where n is a number of orders."""

    px: str
    sz: str


class Book(msgspec.Struct, gc=False):
    """`{"coin":"BTC","time":1790000000020,"levels":[[{…}],[{…}]],"fast":true}`: bids and asks, the best first."""

    coin: str
    time: Millis
    levels: tuple[list[Level], list[Level]]
    fast: bool = False


class Quote(msgspec.Struct, gc=False):
    """`{"coin":"BTC","time":1790000000015,"bbo":[{"px":"64255.0","sz":"1.2","n":3},null]}`; null: nothing to trade with."""

    coin: str
    time: Millis
    bbo: tuple[Level | None, Level | None]


def trades(found: Sequence[Trade]) -> dict[str, Any]:
    """Return the columns of trades; InvalidDatum where a number is none."""
    return {
        "symbol": [one.coin for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "trade_id": [str(one.tid) for one in found],
        "sequence": None,
        "price": [encode(one.px) for one in found],
        "size": [encode(one.sz) for one in found],
        "side": [SIDES.get(one.side, "unknown") for one in found],
        "replayed": False,
    }


def books(found: Sequence[Book]) -> dict[str, Any]:
    """Return the columns of books, each of which is the whole of the venue's best levels; InvalidDatum where a number is none."""
    return {
        "symbol": [one.coin for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "bid_prices": [[encode(level.px) for level in one.levels[0]] for one in found],
        "bid_sizes": [[encode(level.sz) for level in one.levels[0]] for one in found],
        "ask_prices": [[encode(level.px) for level in one.levels[1]] for one in found],
        "ask_sizes": [[encode(level.sz) for level in one.levels[1]] for one in found],
        "is_snapshot": True,
        "depth": [FAST_LEVELS if one.fast else SLOW_LEVELS for one in found],
    }


def quotes(found: Sequence[Quote]) -> dict[str, Any]:
    """Return the columns of best quotes; InvalidDatum where a number is none."""
    bids, asks = [one.bbo[0] for one in found], [one.bbo[1] for one in found]
    return {
        "symbol": [one.coin for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "sequence": None,
        "bid_price": [bid and encode(bid.px) for bid in bids],
        "bid_size": [bid and encode(bid.sz) for bid in bids],
        "ask_price": [ask and encode(ask.px) for ask in asks],
        "ask_size": [ask and encode(ask.sz) for ask in asks],
    }
