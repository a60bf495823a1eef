"""What is traded: instruments of any venue, and how their whole numbers are written as decimal text.

Which of them a venue lists, and in which spelling and precision, is said in the venue's own folder (`Venue.instruments`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Literal

PRICES: dict[str, str] = {
    "BTC": "65000",
    "ETH": "3200",
    "SOL": "150",
    "BNB": "610",
    "XRP": "2.30",
    "ADA": "0.85",
    "DOGE": "0.21",
    "LTC": "95",
    "LINK": "18",
    "AVAX": "31",
}
"""Base currency → what it costs at first, at every venue, in dollars of any kind."""
OTHER_PRICE = "100"
"""What a currency that is not listed above costs at first."""
LEVEL_VALUE = Decimal(20_000)
"""A level holds about so much of the quote currency, whatever a coin costs."""
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument at one venue; prices are whole ticks of 10**-price_decimals, sizes whole lots of 10**-size_decimals.

    A size counts base currency, or contracts where `contract_size` is set.
    """

    venue: str
    base: str
    quote: str
    wire_symbol: str
    """The name in the venue's messages: `BTCUSDT`, `BTC/USD`."""
    price_decimals: int
    size_decimals: int
    text_decimals: int | None = None
    """Decimals of the wire text where the venue pads with zeros (Binance: 8), else as many as the precision."""
    kind: Literal["spot", "perpetual", "future"] = "spot"
    settle: str = ""
    """Currency in which a derivative is settled; empty for spot."""
    contract_size: Decimal | None = None
    """Amount of one contract, in contract_size_unit; none where sizes count base currency."""
    contract_size_unit: Literal["base", "quote"] = "base"

    @property
    def symbol(self) -> str:
        """The name that no venue changes: `BTC/USDT`, and with its settlement `BTC/USD:BTC` for a derivative."""
        return f"{self.base}/{self.quote}" + (f":{self.settle}" if self.settle else "")

    @property
    def first_price(self) -> int:
        """Ticks."""
        return int(Decimal(PRICES.get(self.base, OTHER_PRICE)) * 10**self.price_decimals)

    @property
    def typical_size(self) -> int:
        """Lots in a level, on average."""
        price = Decimal(PRICES.get(self.base, OTHER_PRICE))
        if self.contract_size is not None:
            price = self.contract_size if self.contract_size_unit == "quote" else price * self.contract_size
        return int(LEVEL_VALUE / price * 10**self.size_decimals)

    def price_writer(self) -> Callable[[int], str]:
        """Make the function from ticks to the wire's decimal text."""
        return decimal_writer(self.price_decimals, self.text_decimals)

    def size_writer(self) -> Callable[[int], str]:
        """Make the function from lots to the wire's decimal text."""
        return decimal_writer(self.size_decimals, self.text_decimals)

    def amounts(self, price: int, size: int) -> tuple[Decimal, Decimal]:
        """Return what a size at a price is in base and in quote currency: exact, but for a division by the price, to 60 digits."""
        cost, amount = Decimal(price).scaleb(-self.price_decimals, _EXACT), Decimal(size).scaleb(-self.size_decimals, _EXACT)
        if self.contract_size is not None:
            amount = _EXACT.multiply(amount, self.contract_size)
            if self.contract_size_unit == "quote":
                return _EXACT.divide(amount, cost), amount
        return amount, _EXACT.multiply(cost, amount)


def decimal_writer(decimals: int, text_decimals: int | None = None) -> Callable[[int], str]:
    """Make a function that writes `number * 10**-decimals` with exactly `text_decimals` decimals (never a float)."""
    shown = decimals if text_decimals is None else text_decimals
    padding = "0" * (shown - decimals)
    if decimals == 0:
        ending = f".{padding}" if padding else ""
        return lambda number: f"{number}{ending}"
    scale = 10**decimals
    template = f"%d.%0{decimals}d{padding}"
    return lambda number: template % divmod(number, scale)


def some_bases(number: int) -> tuple[str, ...]:
    """Return the first `number` bases that have a price, continued by made-up ones (`SIM11`, ...)."""
    known = tuple(PRICES)
    return known[:number] + tuple(f"SIM{index}" for index in range(len(known) + 1, number + 1))
