"""What Hyperliquid lists here, in its spelling and precision: a perpetual of each base, and a pair of spot with USDC.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/tick-and-lot-size: five significant figures of a price. A pair of
spot is called by its index (`@107`), which is made of the base's name here.
"""

from __future__ import annotations

from zlib import crc32

from simulator.instruments import Instrument

DECIMALS = {
    "BTC": (0, 5),
    "ETH": (1, 4),
    "SOL": (2, 2),
    "BNB": (2, 3),
    "XRP": (4, 0),
    "ADA": (5, 0),
    "DOGE": (5, 0),
    "LTC": (3, 2),
    "LINK": (3, 1),
    "AVAX": (3, 2),
}
"""Base → decimals of a price and of a size."""
OTHERS = (2, 1)
USDC = "USDC"


def perpetual(venue: str, base: str) -> Instrument:
    """Return the perpetual of a base."""
    price, size = DECIMALS.get(base, OTHERS)
    return Instrument(venue, base, "USD", base, price, size, kind="perpetual", settle=USDC)


def pair(venue: str, base: str) -> Instrument:
    """Return the pair of a base with USDC."""
    price, size = DECIMALS.get(base, OTHERS)
    return Instrument(venue, base, USDC, f"@{index_of(base)}", price, size)


def index_of(base: str) -> int:
    """Return the index of a base's pair, and of its token: the same in every run."""
    return 1 + crc32(base.encode()) % 999_999
