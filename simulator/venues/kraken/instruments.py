"""What Kraken lists here, in its spelling and precision.

Source: docs.kraken.com, exchange/api-reference/spot-websocket-v2/instrument: `BTC/USD`, numbers at the pair's own precision.
"""

from __future__ import annotations

from simulator.instruments import Instrument

QUOTE = "USD"
SIZE_DECIMALS = 8
PRICE_DECIMALS = {"BTC": 1, "ETH": 2, "SOL": 3, "BNB": 2, "XRP": 5, "ADA": 6, "DOGE": 7, "LTC": 3, "LINK": 4, "AVAX": 4}


def spot(venue: str, base: str) -> Instrument:
    """Return the pair of a base with US dollars."""
    return Instrument(venue, base, QUOTE, f"{base}/{QUOTE}", PRICE_DECIMALS.get(base, 3), SIZE_DECIMALS)
