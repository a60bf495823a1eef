"""What Bybit lists here, in its spelling and precision: a pair of spot, a linear and an inverse perpetual of each base.

Source: https://bybit-exchange.github.io/docs/v5/market/instrument. A linear contract counts base currency, an inverse one is a US dollar.
"""

from __future__ import annotations

from decimal import Decimal

from simulator.instruments import Instrument

DECIMALS = {
    "BTC": (1, 6, 2, 3),
    "ETH": (2, 5, 2, 2),
    "SOL": (2, 3, 3, 1),
    "BNB": (1, 4, 2, 2),
    "XRP": (4, 2, 4, 1),
    "ADA": (4, 2, 4, 0),
    "DOGE": (5, 1, 5, 0),
    "LTC": (2, 5, 2, 1),
    "LINK": (3, 3, 3, 1),
    "AVAX": (3, 3, 3, 1),
}
"""Base → decimals of a price and of a quantity on spot, of a price and of a quantity of contracts."""
OTHERS = (3, 3, 3, 1)


def spot(venue: str, base: str) -> Instrument:
    """Return the pair of a base with USDT."""
    price, size, _, _ = DECIMALS.get(base, OTHERS)
    return Instrument(venue, base, "USDT", f"{base}USDT", price, size)


def linear(venue: str, base: str) -> Instrument:
    """Return the perpetual that is settled in USDT."""
    _, _, price, size = DECIMALS.get(base, OTHERS)
    return Instrument(venue, base, "USDT", f"{base}USDT", price, size, kind="perpetual", settle="USDT")


def inverse(venue: str, base: str) -> Instrument:
    """Return the perpetual of US dollars that is settled in the base currency."""
    _, _, price, _ = DECIMALS.get(base, OTHERS)
    return Instrument(
        venue, base, "USD", f"{base}USD", price, 0, kind="perpetual", settle=base, contract_size=Decimal(1), contract_size_unit="quote"
    )
