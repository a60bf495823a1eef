"""Kraken's checksum, by the venue's own worked example."""

import zlib
from pathlib import Path

import pytest

from dialects.kraken.checksum import LEVELS, checksum
from dialects.kraken.dialect import Kraken
from dialects.memory import Memory
from schemas.decimals import from_bytes, unscaled
from tests.dialects.recorded import frame

EXAMPLE = Path(__file__).with_name("kraken_checksum_example.json")
"""The worked example of https://docs.kraken.com/api/docs/guides/spot-ws-book-v2."""


def test_venues_worked_example() -> None:
    """The book of the venue's guide has the checksum which the guide gives: 3310070434."""
    ((_, record),) = Kraken().read(frame("kraken", EXAMPLE.read_text()), Memory())
    bids, asks = (
        [(from_bytes(price), from_bytes(size)) for price, size in zip(record[f"{side}_prices"], record[f"{side}_sizes"], strict=True)]
        for side in ("bid", "ask")
    )
    assert checksum(bids, asks, 1, 8) == record["checksum"] == 3310070434


def test_text_has_neither_point_nor_leading_zeros() -> None:
    """A price of 0.05005 at 5 decimals and a size of 0.00000500 at 8 are written 5005 and 500, asks first."""
    ask, bid = (unscaled("0.05005"), unscaled("0.00000500")), (unscaled("0.05000"), unscaled("12"))
    assert checksum([bid], [ask], 5, 8) == zlib.crc32(b"5005500" + b"50001200000000")


def test_only_the_best_ten_levels_count() -> None:
    """Levels after the tenth change nothing; a change in the tenth does."""
    asks = [(unscaled(str(100 + place)), unscaled("1")) for place in range(12)]
    bids = [(unscaled(str(99 - place)), unscaled("1")) for place in range(12)]
    whole = checksum(bids, asks, 1, 8)
    assert checksum(bids[:LEVELS], asks[:LEVELS], 1, 8) == whole
    assert checksum(bids[: LEVELS - 1], asks, 1, 8) != whole


@pytest.mark.parametrize(("price_scale", "size_scale"), [(0, 8), (1, 7), (18, 18)])
def test_wrong_scales_show(price_scale: int, size_scale: int) -> None:
    """Each pair's own decimals are part of the text: with others the sum is another."""
    level = [(unscaled("45283.5"), unscaled("0.10000000"))]
    assert checksum(level, level, price_scale, size_scale) != checksum(level, level, 1, 8)


def test_empty_book() -> None:
    """A book without levels has the CRC32 of nothing, which is 0."""
    assert checksum([], [], 1, 8) == 0
