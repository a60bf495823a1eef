"""What Binance spot lists here, in its spelling and precision.

Source: binance/binance-spot-api-docs, rest-api.md (`exchangeInfo`): symbols are joined, numbers are padded to eight decimals.
"""

from __future__ import annotations

from simulator.instruments import Instrument

QUOTE = "USDT"
TEXT_DECIMALS = 8
DECIMALS = {
    "BTC": (2, 5),
    "ETH": (2, 4),
    "SOL": (3, 3),
    "BNB": (2, 3),
    "XRP": (5, 1),
    "ADA": (6, 1),
    "DOGE": (6, 0),
    "LTC": (3, 3),
    "LINK": (4, 2),
    "AVAX": (4, 2),
}
"""Base → decimals of a price and of a quantity."""


def spot(venue: str, base: str) -> Instrument:
    """Return the pair of a base with USDT."""
    price, size = DECIMALS.get(base, (3, 3))
    return Instrument(venue, base, QUOTE, base + QUOTE, price, size, TEXT_DECIMALS)
