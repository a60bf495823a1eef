"""Names of OKX: its channels, what an instrument's id says of its kind, and whose a frame is by the argument that it begins with.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-subscribe; ids as the documents spell them in their examples: `BTC-USDT`,
`BTC-USDT-SWAP`, `BTC-USD-191227`, `BTC-USD-241013-70000-P`. Only the kind is taken from an id; what it is made of is said by the list of
instruments alone.
"""

from typing import Literal

import msgspec

from dialects.stream import Stream
from schemas.remembered import remembered

Product = Literal["SPOT", "SWAP", "FUTURES", "OPTION", ""]
"""The venue's instType; empty where an id is of no documented form."""

NAMES = {
    "trade": "trades-all",
    "block_trade": "public-block-trades",
    "book": "books",
    "quote": "bbo-tbt",
    "index_price": "index-tickers",
    "mark_price": "mark-price",
    "settlement_price": "estimated-price",
    "funding_rate": "funding-rate",
    "open_interest": "open-interest",
    "liquidation": "liquidation-orders",
    "option_summary": "opt-summary",
    "insurance_fund": "adl-warning",
    "venue_status": "status",
}
"""Our channel → the venue's."""
CHANNELS = {theirs: ours for ours, theirs in NAMES.items()} | {
    "trades": "trade",
    "books-l2-tbt": "book",
    "books50-l2-tbt": "book",
    "instruments": "instrument",
}
"""The venue's channel → ours; some are read though they are not asked for."""
CANDLE = "candle"
"""How the channels of candles begin: candle1m, candle1Dutc."""
WHOLE = {"liquidation", "option_summary", "insurance_fund", "venue_status", "instrument"}
"""Channels that speak of many symbols at once, for which their streams name none."""
SETTLED: frozenset[Product] = frozenset({"FUTURES", "OPTION"})
CONTRACTS: frozenset[Product] = frozenset({"SWAP", "FUTURES", "OPTION"})
OF_PRODUCTS: dict[str, frozenset[Product]] = {
    "index_price": frozenset({"SPOT"}),
    "mark_price": CONTRACTS,
    "settlement_price": SETTLED,
    "funding_rate": frozenset({"SWAP"}),
    "open_interest": CONTRACTS,
    "long_short_ratio": frozenset({"SWAP", "FUTURES"}),
}
"""Channels that not all instruments have, and whose they are; an index is spelled as a pair ("Same as `uly`")."""
DATE_LETTERS = 6


@remembered(8192)
def product_of(symbol: str) -> Product:
    """Return what kind of instrument an id is of."""
    parts = symbol.split("-")
    if not all(parts):
        return ""
    if len(parts) == 2:
        return "SPOT"
    dated = len(parts) > 2 and len(parts[2]) == DATE_LETTERS and parts[2].isascii() and parts[2].isdigit()
    if len(parts) == 3:
        return "SWAP" if parts[2] == "SWAP" else "FUTURES" if dated else ""
    return "OPTION" if len(parts) == 5 and dated and parts[4] in {"C", "P"} else ""


def family_of(symbol: str) -> str:
    """Return the first two parts of a contract's id, by which the venue names its family where it asks for one: `BTC-USD`."""
    return "-".join(symbol.split("-")[:2])


def has(stream: Stream) -> bool:
    """Whether an instrument has a channel, by the kind that its id says."""
    products = OF_PRODUCTS.get(stream.channel)
    return products is None or product_of(stream.symbol) in products


class Argument(msgspec.Struct, rename="camel"):
    """What a subscription names and each of its frames repeats: `{"channel":"books","instId":"BTC-USDT"}`."""

    channel: str
    inst_id: str = ""

    @property
    def stream(self) -> Stream | None:
        """The stream it is of; None where it is none of ours."""
        channel = "kline" if self.channel.startswith(CANDLE) else CHANNELS.get(self.channel)
        if channel is None:
            return None
        if channel in WHOLE:
            return Stream(channel, "")
        return Stream(channel, self.inst_id) if self.inst_id else None


OPENING = b'{"arg":{"channel":"'
_decode = msgspec.json.Decoder(Argument).decode


@remembered(8192)
def stream_of(argument: bytes) -> Stream | None:
    """Return the stream of a frame by what follows its OPENING (`books","instId":"BTC-USDT`), None where it is of none. Never raises."""
    try:
        return _decode(b'{"channel":"' + argument + b"}").stream
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
