"""Names of streams: `btcusdt@aggTrade`, `btcusd_perp@depth@100ms`, `!contractInfo`.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Connect and the pages beside it;
those of COIN-M are named alike. Symbols are in lower case there.
"""

from collections.abc import Mapping

from dialects.binance_futures.periods import INTERVALS
from dialects.stream import Stream
from schemas.remembered import remembered

NAMES: Mapping[str, str] = {
    "trade": "aggTrade",
    "book": "depth@100ms",
    "quote": "bookTicker",
    "mark_price": "markPrice@1s",
    "liquidation": "forceOrder",
}
"""Our channel → the venue's, behind a symbol."""
OF_ALL: Mapping[str, str] = {"contract_info": "!contractInfo"}
"""Our channel → the venue's stream, where it speaks of all symbols at once."""
_CHANNELS: Mapping[str, str] = {
    "aggTrade": "trade",
    "depth": "book",
    "depth@100ms": "book",
    "depth@500ms": "book",
    "bookTicker": "quote",
    "markPrice": "mark_price",
    "markPrice@1s": "mark_price",
    "forceOrder": "liquidation",
    "indexPrice": "premium_index",
    "indexPrice@1s": "premium_index",
} | {f"kline_{interval}": "kline" for interval in INTERVALS}
"""The venue's → ours, where it is asked for or read all the same; an index has a pair as its symbol."""
_EVENTS: Mapping[str, str] = {
    "aggTrade": "trade",
    "depthUpdate": "book",
    "bookTicker": "quote",
    "markPriceUpdate": "mark_price",
    "forceOrder": "liquidation",
}
"""The type of an event (`e`) → our channel."""


def name_of(stream: Stream) -> str:
    """Return the venue's name of a stream; KeyError where it has no such channel on its socket."""
    return OF_ALL[stream.channel] if stream.channel in OF_ALL else f"{stream.symbol.lower()}@{NAMES[stream.channel]}"


@remembered(8192)
def stream_of(name: bytes) -> Stream | None:
    """Return the stream of a name; None where it is none of ours. Never raises on any bytes."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    if text in OF_ALL.values():
        return Stream("contract_info", "")
    symbol, _, channel = text.partition("@")
    known = channel in _CHANNELS and symbol and not symbol.startswith("!") and "\\" not in symbol
    return Stream(_CHANNELS[channel], symbol.upper()) if known else None


def stream_of_event(kind: object, symbol: object) -> Stream | None:
    """Return the stream of an event by its type and symbol, where its frame names none; None where it is none of ours."""
    if kind == "contractInfo":
        return Stream("contract_info", "")
    channel = _EVENTS.get(kind) if isinstance(kind, str) else None
    return Stream(channel, symbol) if channel and isinstance(symbol, str) and symbol else None


def is_partial_book(name: str) -> bool:
    """Whether a stream is the best levels of a book, whole each time (`btcusdt@depth5`), and not its changes (`btcusdt@depth@500ms`)."""
    channel = name.partition("@")[2]
    return channel.startswith("depth") and channel[5:6].isdigit()
