"""What a contract holds, as the list of instruments says it, and what a number of contracts is in currencies.

Source: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments: `ctVal` (times `ctMult`) in `ctValCcy`: of linear contracts
in the base currency, so that the notional is size by ctVal by price; of inverse ones in US dollars, so that it is size by ctVal. The
price of an option that is settled in its base currency is one in that currency (ctVal 1 BTC, tickSz 0.0001), so price times size is no
amount of the quote currency: it is not said.

`memory["contract|BTC-USDT-SWAP"]` holds [the amount as a count of 10⁻¹⁸, "base" or "quote"], from a reply to a question for that one.
"""

from typing import Any

from dialects.amounts import quotient
from dialects.memory import Memory
from dialects.okx.names import CONTRACTS, Product, product_of
from dialects.okx.numbers import product
from schemas.decimals import to_bytes

Contract = list[Any]
Amount = bytes | None
_UNITS: dict[Product, str] = {"SPOT": "base", "SWAP": "contract", "FUTURES": "contract", "OPTION": "contract", "": "unknown"}


def name_of(symbol: str) -> str:
    """Return the name of a contract in memory."""
    return f"contract|{symbol}"


def contract_of(symbol: str, memory: Memory) -> Contract | None:
    """Return what a contract holds; None where it is none, or nobody has said it yet on this connection."""
    return memory.get(name_of(symbol)) if product_of(symbol) in CONTRACTS else None


def unit_of(symbol: str) -> str:
    """Return what sizes of an instrument count: "For spot trading, the unit is base currency. For FUTURES/SWAP/OPTION, … contract"."""
    return _UNITS[product_of(symbol)]


def amounts(symbol: str, contract: Contract | None, price: bytes, size: bytes) -> tuple[Amount, Amount]:
    """Return what contracts at a price are in base and in quote currency; None where that is not known or no number."""
    if contract is None:
        return None, None
    held = product(size, to_bytes(int(contract[0])))
    if held is None:
        return None, None
    if contract[1] == "quote":
        return quotient(held, price), held
    return held, None if product_of(symbol) == "OPTION" else product(held, price)
