"""Coins and what is subscribed of them: `{"type":"l2Book","coin":"BTC"}`.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions and, of how coins are spelled,
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint: a perpetual by its name (`BTC`, `kPEPE`), one of a DEX
that others deployed behind the name of that DEX (`xyz:SP500`), a pair of spot as `PURR/USDC` or `@107`. Capital letters count.
"""

from typing import Any

from dialects.stream import Stream

NAMES = {"trade": "trades", "book": "l2Book", "quote": "bbo", "ticker": "activeAssetCtx", "all_tickers": "allDexsAssetCtxs"}
"""Our channel → the venue's."""
CHANNELS = {theirs: ours for ours, theirs in NAMES.items()} | {"activeSpotAssetCtx": "ticker"}
"""Spot's contexts are asked for as all others, and are pushed under a name of their own."""
ALL = "all_tickers"


def subscription(stream: Stream, *, fast: bool) -> dict[str, Any]:
    """Return what subscribes a stream, books as `fast` ones where asked; KeyError where the venue has no such channel."""
    kind = NAMES[stream.channel]
    if stream.channel == ALL:
        return {"type": kind}
    wanted: dict[str, Any] = {"type": kind, "coin": stream.symbol}
    return wanted | {"fast": True} if fast and stream.channel == "book" else wanted


def stream_of(kind: str | None, coin: str | None) -> Stream | None:
    """Return the stream of a subscription; None where it is none of ours."""
    channel = CHANNELS.get(kind or "")
    if channel == ALL:
        return Stream(ALL, "")
    return Stream(channel, coin) if channel and coin else None


def is_perpetual(coin: str) -> bool:
    """Whether a coin is a perpetual by its spelling: neither a pair of spot nor a side of an outcome (`#1230`), which have no funding."""
    return "/" not in coin and coin[:1] not in {"@", "#"}


def dex_of(coin: str) -> str:
    """Return the DEX of a perpetual; empty for the first, which is the venue's own."""
    dex, found, _ = coin.partition(":")
    return dex if found else ""
