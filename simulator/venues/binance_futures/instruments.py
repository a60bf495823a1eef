"""What Binance's futures list here, in their spelling and precision: a perpetual of each base in each of the two markets.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information and the same page of
COIN-M, where a contract is 100 US dollars of bitcoin and 10 of all others here.
"""

from __future__ import annotations

from decimal import Decimal

from simulator.instruments import Instrument

DECIMALS = {
    "BTC": (2, 3, 1),
    "ETH": (2, 3, 2),
    "SOL": (2, 2, 2),
    "BNB": (2, 2, 3),
    "XRP": (4, 1, 4),
    "ADA": (4, 0, 5),
    "DOGE": (5, 0, 5),
    "LTC": (2, 3, 2),
    "LINK": (3, 2, 3),
    "AVAX": (3, 0, 3),
}
"""Base → decimals of a price and of a quantity of USD-M, of a price of COIN-M."""
OTHERS = (3, 1, 3)
BITCOINS, ALL_OTHERS = Decimal(100), Decimal(10)
"""US dollars of a contract of COIN-M."""


def usdm(venue: str, base: str) -> Instrument:
    """Return the perpetual that is settled in USDT."""
    price, size, _ = DECIMALS.get(base, OTHERS)
    return Instrument(venue, base, "USDT", f"{base}USDT", price, size, kind="perpetual", settle="USDT")


def coinm(venue: str, base: str) -> Instrument:
    """Return the perpetual of US dollars that is settled in the base currency."""
    _, _, price = DECIMALS.get(base, OTHERS)
    contract = BITCOINS if base == "BTC" else ALL_OTHERS
    return Instrument(
        venue,
        base,
        "USD",
        f"{base}USD_PERP",
        price,
        0,
        kind="perpetual",
        settle=base,
        contract_size=contract,
        contract_size_unit="quote",
    )


def pair(instrument: Instrument) -> str:
    """Return an instrument's pair: `BTCUSDT`, and `BTCUSD` of `BTCUSD_PERP`."""
    return f"{instrument.base}{instrument.quote}"
