"""Binance's two markets of futures, as far as they differ, and what a contract of each holds.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info,
https://developers.binance.com/docs/derivatives/coin-margined-futures/general-info and
https://www.binance.com/en/support/faq/a4470430e3164c13932be8967961aede ("Contract multiplier").
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dialects.amounts import quotient
from schemas.decimals import LARGEST, from_bytes, to_bytes
from schemas.errors import InvalidDatum


class Market(NamedTuple):
    """One of the two; a symbol may be listed on one alone, yet frames of both come on the addresses of each."""

    code: int
    """What `st` says of a frame: 1 of USD-M, 2 of COIN-M."""
    api: str
    """What the paths of its REST API begin with."""
    unit: Literal["base", "contract"]
    """What a size counts."""

    def belongs(self, code: int | None) -> bool:
        """Whether a frame with this `st` is of this market; one without is of its address's, as all were before the markets merged.

        InvalidDatum where it is of no market that is known.
        """
        if code is None or code == self.code:
            return True
        if code in _CODES:
            return False
        raise InvalidDatum(f"st {code} is neither USD-M (1) nor COIN-M (2)")


_CODES = {1, 2}
USDM = Market(1, "/fapi/v1", "base")
"""Settled in a stable coin (or in bitcoin: `ETHBTC`); sizes count base currency."""
COINM = Market(2, "/dapi/v1", "contract")
"""Settled in the base currency; sizes count contracts of some US dollars."""

_CONTRACTS: Mapping[str, int] = {"BTCUSD": 100} | dict.fromkeys(
    (
        *("AAVEUSD", "ADAUSD", "ATOMUSD", "AVAXUSD", "BCHUSD", "BNBUSD", "DOGEUSD", "DOTUSD", "EGLDUSD", "ETCUSD", "ETHUSD", "FILUSD"),
        *("GALAUSD", "LINKUSD", "LTCUSD", "MANAUSD", "NEARUSD", "SANDUSD", "SOLUSD", "THETAUSD", "TRXUSD", "UNIUSD", "XLMUSD", "XRPUSD"),
    ),
    10,
)
"""US dollars of a contract of each pair, by the venue's own list of 2025-08-07 (`/dapi/v1/exchangeInfo`, `contractSize`).

A frame does not say it, and the list comes on another connection. The FAQ says 100 for bitcoin, and of all others "usually a multiplier
of 10 USD, although this may vary for specific symbols": so of a pair that is not among these it is not known here.
"""


def pair_of(symbol: str) -> str:
    """Return the pair of a symbol of COIN-M: `BTCUSD_PERP` and `BTCUSD_261225` are of `BTCUSD` (`pair` of the venue's list)."""
    return symbol.partition("_")[0]


def is_perpetual(symbol: str, market: Market) -> bool:
    """Whether a symbol names a perpetual: `BTCUSDT` and `BTCUSD_PERP`, not `BTCUSDT_261225` (`symbol`, `contractType` of the lists)."""
    _, found, ending = symbol.partition("_")
    return not found if market.unit == "base" else ending == "PERP"


def dollars(symbol: str, contracts: bytes) -> bytes | None:
    """Return what contracts of COIN-M are worth in US dollars; None where it is not known, or has more than 38 digits."""
    size = _CONTRACTS.get(pair_of(symbol))
    if size is None:
        return None
    value = from_bytes(contracts) * size
    return to_bytes(value) if -LARGEST <= value <= LARGEST else None


def coins(worth: bytes | None, price: bytes) -> bytes | None:
    """Return what US dollars are in the base currency at a price; None where that is not known."""
    return None if worth is None else quotient(worth, price)
