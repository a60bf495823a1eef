"""Bybit's three markets, as far as they differ: one symbol is another thing in each (`BTCUSDT` on spot and on linear).

Source: https://bybit-exchange.github.io/docs/v5/enum#category.
"""

from typing import Literal, NamedTuple


class Market(NamedTuple):
    """One category of the venue's API."""

    category: Literal["spot", "linear", "inverse"]
    """The word in addresses and requests."""
    unit: Literal["base", "quote"]
    """What a size counts: base currency, or contracts of one unit of the quote currency (US dollars)."""
    args: int
    """Most topics in one request."""


SPOT = Market("spot", "base", 10)
"""At most ten topics a request, or all of it is refused (https://bybit-exchange.github.io/docs/v5/ws/connect, "Args limits")."""
LINEAR = Market("linear", "base", 50)
"""Sizes in base currency (https://bybit-exchange.github.io/docs/v5/websocket/public/trade). Fifty topics a request are our own choice:
one wrong topic refuses its whole request."""
INVERSE = Market("inverse", "quote", 50)
"""A contract is one US dollar, settled in the base currency
(https://www.bybit.com/en/help-center/article/Inverse-Contract-Specifications)."""
