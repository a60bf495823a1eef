"""What Coinbase lists here, in its spelling and precision: the pair of each base with US dollars (`BTC-USD`).

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products.
"""

from __future__ import annotations

from simulator.instruments import Instrument

QUOTE = "USD"
SIZE_DECIMALS = 8
PRICE_DECIMALS = {"BTC": 2, "ETH": 2, "SOL": 2, "BNB": 2, "XRP": 4, "ADA": 4, "DOGE": 5, "LTC": 2, "LINK": 3, "AVAX": 2}


def pair(venue: str, base: str) -> Instrument:
    """Return the pair of a base with US dollars."""
    return Instrument(venue, base, QUOTE, f"{base}-{QUOTE}", PRICE_DECIMALS.get(base, 3), SIZE_DECIMALS)
