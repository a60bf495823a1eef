"""What trades moved, as exact integers.

A price and a size are counts of 10⁻¹⁸ in 128-bit integers, whose product may not fit; so a power of ten that divides every
size (and, where needed, every price) of the stretch is taken out first. Where that is not enough the stretch is read as
rows: polars would wrap around without a word.

A size in base currency moves itself, and price times itself of the quote currency. Where a size counts contracts or quote currency
(inverse contracts), the trade says what it moved, as its dialect derived it; where it does not, nobody knows.
"""

from typing import NamedTuple, cast

import polars as pl

from processors.build_candles.bar import UNIT, Amounts
from processors.build_candles.sift import Rules
from schemas.block_reader import Record
from schemas.decimals import LARGEST

_ROOM = 2**127
_POWERS = (10**10, 10**5)
_KEPT = ("row", "symbol", "trade_id", "sequence", "origin", "time", "timed", "clock")
_UNIT = pl.Series([_POWERS[0]], dtype=pl.Int128)
LESS = (pl.col("size").to_physical() // pl.lit(_POWERS[0], pl.Int128)).alias("less")
"""Sizes at 8 decimals, which most have no more of; `exactly` asks for them."""


def amounts(record: Record, base: int) -> Amounts | None:
    """Return what a trade moved, None where nobody knows; `base` is the unit of sizes in base currency."""
    if record["size_unit"] == base:
        return Amounts(record["size"], record["price"] * record["size"])
    moved, paid = record["size_base"], record["size_quote"]
    return None if moved is None or paid is None else Amounts(moved, paid * UNIT)


class _Scaled(NamedTuple):
    values: pl.Series
    unit: int


class Part(NamedTuple):
    """The trades of one venue in a stretch, with amounts as integers: `size` in units of 10⁻¹⁸, `quote` in units of price times size.

    `moved`, `paid`, `known` are there where sizes are not all in base currency: amounts of those that are not, in 10⁻¹⁸, and whether
    they are known; `outside` where there are trades that enter no candle.
    """

    venue: str
    frame: pl.DataFrame
    price: int
    size: int
    skewed: int
    """How many have a time that their arrival does not support."""


def exactly(wide: pl.DataFrame, mark: pl.Series, rules: Rules) -> Part | None:
    """Return the trades of one venue with exact amounts and its watermark; None where columns can't hold them."""
    more: list[pl.Series] = []
    bought = (wide["side"] == rules.buy).cast(pl.Int128)
    sizes, less = wide["size"], wide["less"]
    unit = wide["size_unit"]
    if not lowest(unit) == highest(unit) == rules.base:
        of_base = wide["size_unit"] == rules.base
        moved, paid = (wide[name].cast(pl.Decimal(38, 18)).to_physical() for name in ("size_base", "size_quote"))
        known = of_base | (moved.is_not_null() & paid.is_not_null())
        other = (known & ~of_base).cast(pl.Int128)
        moved, paid = moved.fill_null(0) * other, paid.fill_null(0) * other
        largest = max(_magnitude(moved), _magnitude(paid))
        if largest > LARGEST or largest * len(wide) >= _ROOM:
            return None
        sizes = sizes * of_base.cast(pl.Int128)
        less = sizes // _UNIT
        more = [moved.alias("moved"), (moved * bought).alias("moved_bought"), paid.alias("paid"), known.alias("known")]
    if highest(wide["trade_kind"]):  # the first kind is the normal one
        more.append(wide["trade_kind"].is_in(list(rules.outside)).alias("outside"))
    exact = _exact(wide["price"], sizes, less)
    if exact is None:
        return None
    price, size = exact
    frame = pl.DataFrame([
        *(wide[name] for name in _KEPT),
            mark.alias("mark"),
        price.values.alias("price"),
        size.values.alias("size"),
        (price.values * size.values).alias("quote"),
        (size.values * bought).alias("bought"),
        *more,
    ])  # fmt: skip
    return Part(wide["venue"][0], frame, price.unit, size.unit, total(wide["skewed"]))


def _exact(price: pl.Series, size: pl.Series, less: pl.Series) -> tuple[_Scaled, _Scaled] | None:
    """Return prices and sizes in units that keep their products and sums within 128 bits; `less` is the size at 8 decimals."""
    dearest = max(_magnitude(price), 1)
    if max(dearest, _magnitude(size)) > LARGEST:
        return None  # read as a row, it is rejected
    sizes = _Scaled(less, _POWERS[0]) if (less * _UNIT == size).all() else _scaled(size)
    most = max(_magnitude(sizes.values), 1) * len(size)
    if dearest * most < _ROOM:
        return _Scaled(price, 1), sizes
    prices = _scaled(price)
    return (prices, sizes) if max(_magnitude(prices.values), 1) * most < _ROOM else None


def _scaled(values: pl.Series) -> _Scaled:
    for power in _POWERS:
        unit = pl.Series([power], dtype=pl.Int128)
        less = values // unit
        if (less * unit == values).all():
            return _Scaled(less, power)
    return _Scaled(values, 1)


def _magnitude(values: pl.Series) -> int:
    return max(abs(highest(values)), abs(lowest(values)))


def highest(values: pl.Series) -> int:
    """Return the greatest of some integers."""
    return cast("int", values.max())  # integers without nulls, as everywhere here


def lowest(values: pl.Series) -> int:
    """Return the least of some integers."""
    return cast("int", values.min())


def total(values: pl.Series) -> int:
    """Return the sum of some integers."""
    return cast("int", values.sum())
