"""What OKX lists here, in its spelling and precision: of each base a pair of spot, two perpetuals and a future.

Source: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments. Sizes of contracts count contracts: a linear one holds base
currency, an inverse one US dollars. Options are summed up (summaries.py), and none is traded here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.instruments import Instrument

DECIMALS = {"BTC": (1, 8), "ETH": (2, 6), "SOL": (2, 6), "BNB": (1, 6), "XRP": (4, 6), "ADA": (4, 6), "DOGE": (5, 6), "LTC": (2, 6)}
"""Base → decimals of a price, and of a quantity on spot."""
OTHERS = (3, 6)
HELD = {"BTC": "0.01", "ETH": "0.1", "XRP": "100", "ADA": "100", "DOGE": "1000"}
"""Base → what a linear contract holds of it; of others 1."""
LOT_DECIMALS = 2
EXPIRY = "270326"
EXPIRES_MS = 1_806_048_000_000
"""2027-03-26, 8:00 UTC."""
LISTED = "1606468572000"


def listed(venue: str, base: str) -> tuple[Instrument, ...]:
    """Return what is listed of a base."""
    price, size = DECIMALS.get(base, OTHERS)
    held = Decimal(HELD.get(base, "1"))
    return (
        Instrument(venue, base, "USDT", f"{base}-USDT", price, size),
        Instrument(venue, base, "USDT", f"{base}-USDT-SWAP", price, LOT_DECIMALS, kind="perpetual", settle="USDT", contract_size=held),
        Instrument(
            venue,
            base,
            "USD",
            f"{base}-USD-SWAP",
            price,
            0,
            kind="perpetual",
            settle=base,
            contract_size=Decimal(100 if base == "BTC" else 10),
            contract_size_unit="quote",
        ),
        Instrument(venue, base, "USDC", f"{base}-USDC-{EXPIRY}", price, LOT_DECIMALS, kind="future", settle="USDC", contract_size=held),
    )


def product(instrument: Instrument) -> str:
    """Return the venue's instType."""
    return {"spot": "SPOT", "perpetual": "SWAP", "future": "FUTURES"}[instrument.kind]


def underlying(instrument: Instrument) -> str:
    """Return the venue's uly of a contract."""
    return f"{instrument.base}-{instrument.quote}"


def row(instrument: Instrument) -> dict[str, Any]:
    """Return one entry of a list."""
    price, size, spot = instrument.price_writer(), instrument.size_writer(), instrument.kind == "spot"
    inverse = instrument.contract_size_unit == "quote"
    return {
        "instType": product(instrument),
        "instId": instrument.wire_symbol,
        "uly": "" if spot else underlying(instrument),
        "instFamily": "" if spot else underlying(instrument),
        "baseCcy": instrument.base if spot else "",
        "quoteCcy": instrument.quote if spot else "",
        "settleCcy": instrument.settle,
        "ctVal": "" if spot else f"{instrument.contract_size:f}",
        "ctMult": "" if spot else "1",
        "ctValCcy": "" if spot else instrument.quote if inverse else instrument.base,
        "ctType": "" if spot else "inverse" if inverse else "linear",
        "optType": "",
        "stk": "",
        "listTime": LISTED,
        "expTime": str(EXPIRES_MS) if instrument.kind == "future" else "",
        "lever": "" if spot else "100",
        "tickSz": price(1),
        "lotSz": size(1),
        "minSz": size(1),
        "maxLmtSz": size(10**12),
        "maxMktSz": size(10**10),
        "state": "live",
        "ruleType": "normal",
        "instCategory": "1",
        "instIdCode": None,
        "upcChg": [],
    }
