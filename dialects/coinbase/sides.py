"""Whose side a trade's `side` is: at Coinbase the maker's, so that the taker's is the other.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels#matches-channel ("The side field indicates the maker order side")
and https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels#market-trades-channel.
"""

TAKERS = {"buy": "sell", "sell": "buy", "BUY": "sell", "SELL": "buy"}
"""The maker's side, as the venue writes it → the taker's."""


def taker(maker: str) -> str:
    """Return the taker's side of a trade; `unknown` where the venue does not say (`UNKNOWN_ORDER_SIDE`)."""
    return TAKERS.get(maker, "unknown")
