"""Topics of the websocket: `publicTrade.BTCUSDT`, `orderbook.50.BTCUSDT`, `tickers.BTCUSDT`, `allLiquidation.BTCUSDT`.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect, "How to Subscribe to Topics".
"""

from dialects.stream import Stream
from schemas.remembered import remembered

NAMES = {"trade": "publicTrade", "ticker": "tickers", "liquidation": "allLiquidation"}
"""Our channel → the venue's, where a symbol alone follows."""
CHANNELS = {theirs: ours for ours, theirs in NAMES.items()}
STATUS = "system.status"


def topic(stream: Stream, depth: int) -> str:
    """Return the topic of a stream, books at a depth; KeyError where the venue has no such channel."""
    if stream.channel == "book":
        return f"orderbook.{depth}.{stream.symbol}"
    if stream.channel == "quote":
        return f"orderbook.1.{stream.symbol}"
    return f"{NAMES[stream.channel]}.{stream.symbol}"


@remembered(8192)
def stream_of(name: bytes) -> Stream | None:
    """Return the stream of a topic; None where it is none of ours. Never raises on any bytes."""
    if b"\\" in name:
        return None
    try:
        channel, _, rest = name.decode().partition(".")
    except UnicodeDecodeError:
        return None
    if channel == "orderbook":
        depth, _, symbol = rest.partition(".")
        return Stream("quote" if depth == "1" else "book", symbol) if depth.isdigit() and symbol else None
    return Stream(CHANNELS[channel], rest) if channel in CHANNELS and rest else None


@remembered(8192)
def depth_of(name: str) -> int | None:
    """Return the levels a side of a book's topic (`orderbook.50.BTCUSDT`); None where it says none (`orderbook.full.…`)."""
    depth = name.split(".", 2)[1] if name.startswith("orderbook.") else ""
    return int(depth) if depth.isascii() and depth.isdigit() and len(depth) < 6 else None
