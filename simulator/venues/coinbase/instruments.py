"""What Coinbase lists here, in its spelling and precision: the pair of each base with US dollars, and a contract of a hundredth of it.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products.
"""

from __future__ import annotations

from decimal import Decimal

from simulator.instruments import Instrument

QUOTE = "USD"
SIZE_DECIMALS = 8
PRICE_DECIMALS = {"BTC": 2, "ETH": 2, "SOL": 2, "BNB": 2, "XRP": 4, "ADA": 4, "DOGE": 5, "LTC": 2, "LINK": 3, "AVAX": 2}


CODES = {"BTC": "BI", "ETH": "ET"}
"""How contracts call a base, where that is not by its name."""


def pair(venue: str, base: str) -> Instrument:
    """Return the pair of a base with US dollars."""
    return Instrument(venue, base, QUOTE, f"{base}-{QUOTE}", PRICE_DECIMALS.get(base, 3), SIZE_DECIMALS)


def contract(venue: str, base: str) -> Instrument:
    """Return the perpetual-style contract of a base, which counts contracts: `BIP-20DEC30-CDE`."""
    decimals = PRICE_DECIMALS.get(base, 3)
    symbol = f"{CODES.get(base, base)}P-20DEC30-CDE"
    return Instrument(venue, base, QUOTE, symbol, decimals, 0, kind="perpetual", settle=QUOTE, contract_size=Decimal("0.01"))
