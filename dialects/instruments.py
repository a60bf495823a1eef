"""One name for one instrument at every venue, so that SQL joins venues: made of the parts a venue gives, never guessed from a symbol."""

from datetime import UTC, datetime
from typing import Literal

Kind = Literal["spot", "perpetual", "future", "option", "combo", "index", "unknown"]
OptionType = Literal["call", "put", "none", "unknown"]

CURRENCIES = {"XBT": "BTC", "XDG": "DOGE"}
"""Currencies that a venue spells otherwise than all others: Kraken's REST (https://docs.kraken.com/api/docs/rest-api/get-asset-info)."""
MICROSECONDS = 1_000_000


def currency(text: str) -> str:
    """Return a currency's common name, in upper case."""
    name = text.upper()
    return CURRENCIES.get(name, name)


def canonical_name(
    kind: Kind,
    base: str | None,
    quote: str | None,
    *,
    expiry_time: int | None = None,
    strike: str | None = None,
    option_type: OptionType = "none",
) -> str | None:
    """Return `BTC-USDT`, `BTC-USD-PERP`, `BTC-USD-20261225` or `BTC-USD-20261225-100000-C`; None where a part is missing.

    `expiry_time` in microseconds, of which the day in UTC counts; `strike` in the venue's text, of which the value counts.
    """
    if not base or not quote:
        return None
    pair = f"{currency(base)}-{currency(quote)}"
    if kind == "spot":
        return pair
    if kind == "perpetual":
        return f"{pair}-PERP"
    if kind not in {"future", "option"} or expiry_time is None:
        return None
    dated = f"{pair}-{datetime.fromtimestamp(expiry_time // MICROSECONDS, UTC):%Y%m%d}"
    if kind == "future":
        return dated
    if strike is None or option_type not in {"call", "put"}:
        return None
    return f"{dated}-{plain_number(strike)}-{'C' if option_type == 'call' else 'P'}"


def plain_number(text: str) -> str:
    """Return a decimal text without the zeros that say nothing: `100000.00` → `100000`, `0.50` → `0.5`."""
    return text.rstrip("0").rstrip(".") if "." in text else text
