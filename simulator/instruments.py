"""What is traded: instruments of each venue, and how their whole numbers are written as decimal text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

BINANCE = "binance"
KRAKEN = "kraken"
VENUES = (BINANCE, KRAKEN)
QUOTE_OF = {BINANCE: "USDT", KRAKEN: "USD"}

# base: (first price, Binance price decimals, Binance quantity decimals, Kraken price decimals)
CATALOGUE: dict[str, tuple[str, int, int, int]] = {
    "BTC": ("65000", 2, 5, 1),
    "ETH": ("3200", 2, 4, 2),
    "SOL": ("150", 3, 3, 3),
    "BNB": ("610", 2, 3, 2),
    "XRP": ("2.30", 5, 1, 5),
    "ADA": ("0.85", 6, 1, 6),
    "DOGE": ("0.21", 6, 0, 7),
    "LTC": ("95", 3, 3, 3),
    "LINK": ("18", 4, 2, 4),
    "AVAX": ("31", 4, 2, 4),
}
KRAKEN_QUANTITY_DECIMALS = 8
BINANCE_TEXT_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Instrument:
    """One pair at one venue; prices are whole ticks of 10**-price_decimals, sizes whole lots of 10**-size_decimals."""

    venue: str
    base: str
    quote: str
    price_decimals: int
    size_decimals: int
    first_price: int
    """Ticks."""
    typical_size: int
    """Lots in a level, on average."""
    text_decimals: int | None = None
    """Decimals of the wire text where the venue pads with zeros (Binance: 8), else as many as the precision."""

    @property
    def symbol(self) -> str:
        """The canonical name, `BTC/USDT`."""
        return f"{self.base}/{self.quote}"

    @property
    def wire_symbol(self) -> str:
        """The name in the venue's messages: `BTCUSDT` at Binance, `BTC/USD` at Kraken."""
        return self.base + self.quote if self.venue == BINANCE else self.symbol

    def price_writer(self) -> Callable[[int], str]:
        """Make the function from ticks to the wire's decimal text."""
        return decimal_writer(self.price_decimals, self.text_decimals)

    def size_writer(self) -> Callable[[int], str]:
        """Make the function from lots to the wire's decimal text."""
        return decimal_writer(self.size_decimals, self.text_decimals)


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


def instrument(venue: str, base: str) -> Instrument:
    """Return the instrument of `base` at `venue`; a base outside the catalogue starts at a price of 100."""
    price, binance_price, binance_size, kraken_price = CATALOGUE.get(base, ("100", 3, 3, 3))
    price_decimals, size_decimals = (binance_price, binance_size) if venue == BINANCE else (kraken_price, KRAKEN_QUANTITY_DECIMALS)
    # A level holds about 20,000 of the quote currency, whatever a coin costs.
    typical_size = int(Decimal(20_000) / Decimal(price) * 10**size_decimals)
    return Instrument(
        venue=venue,
        base=base,
        quote=QUOTE_OF[venue],
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        first_price=int(Decimal(price) * 10**price_decimals),
        typical_size=typical_size,
        text_decimals=BINANCE_TEXT_DECIMALS if venue == BINANCE else None,
    )


def instruments(venues: tuple[str, ...], bases: tuple[str, ...]) -> list[Instrument]:
    """Every base at every venue, in a fixed order.

    Raises:
        ValueError: a venue is not simulated.
    """
    for venue in venues:
        if venue not in VENUES:
            raise ValueError(f"venue {venue!r} is not simulated; there are {', '.join(VENUES)}")
    return [instrument(venue, base) for base in bases for venue in venues]


def some_bases(number: int) -> tuple[str, ...]:
    """Return the first `number` bases of the catalogue, continued by made-up ones (`SIM11`, ...)."""
    known = tuple(CATALOGUE)
    return known[:number] + tuple(f"SIM{index}" for index in range(len(known) + 1, number + 1))
