"""Kraken's checksum of a book: CRC32 over the best ten levels of each side, as the venue writes them.

Source: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2: asks from low to high, then bids from high to low; of each
level the price and then the size, both with the pair's own decimals, without the point and without leading zeros.
"""

import zlib
from collections.abc import Iterable
from itertools import islice

from schemas.decimals import SCALE

LEVELS = 10
Level = tuple[int, int]
"""Price (quote currency) and size (base currency), both as counts of 10⁻¹⁸ (schemas.decimals)."""


def checksum(bids: Iterable[Level], asks: Iterable[Level], price_scale: int, size_scale: int) -> int:
    """Return the CRC32 of a book as an unsigned 32-bit number.

    `bids` come from high to low and `asks` from low to high; levels after the tenth are not looked at, whatever depth is
    subscribed. The scales are the pair's decimals (0 to 18): a count of 10⁻¹⁸ divided by 10^(18 - scale) is the venue's text
    with neither point nor leading zeros. Decimals beyond the scale are cut, so that a wrong scale shows as a wrong checksum.
    """
    price_unit = 10 ** (SCALE - price_scale)
    size_unit = 10 ** (SCALE - size_scale)
    text = [f"{price // price_unit}{size // size_unit}" for side in (asks, bids) for price, size in islice(side, LEVELS)]
    return zlib.crc32("".join(text).encode())
