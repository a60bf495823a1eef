"""The best price of a side, and that an empty side has none, however its venue writes that. Pure."""

from schemas.decimals import encode

_NOTHING = encode("0")
Numbers = list[bytes | None]


def best(prices: Numbers, sizes: Numbers) -> tuple[Numbers, Numbers]:
    """Return prices and sizes of one side of many quotes; None for both where there is nothing to trade with: its size is zero.

    Binance writes a side without orders as 0.00000000 and 0.00000000 (`ticker/bookTicker` of halted pairs; no document says so), and Bybit
    writes a level that has gone with the size 0.
    """
    if _NOTHING not in sizes:
        return prices, sizes
    empty = [size == _NOTHING for size in sizes]
    return (
        [None if none else price for none, price in zip(empty, prices, strict=True)],
        [None if none else size for none, size in zip(empty, sizes, strict=True)],
    )
