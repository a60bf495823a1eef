"""Kraken's checksum and the window of a depth."""

import json
from pathlib import Path

import pytest

from simulator.catalogue import instruments
from simulator.market import Change, Market, MarketSettings
from simulator.venues.kraken.book import ChecksumCache, DepthWindow
from simulator.venues.kraken.frames import Writer, checksum
from tests.simulator.clients import KrakenBook

EXAMPLE = Path(__file__).parents[1] / "dialects" / "kraken_checksum_example.json"
"""The worked example of Kraken's guide on book checksums."""


def test_checksum_of_the_documented_example() -> None:
    """The guide's book has the guide's checksum, by the simulator and by the test's own client."""
    text = EXAMPLE.read_text()
    data = json.loads(text, parse_float=lambda number: int(number.replace(".", "")))["data"][0]
    sides = {side: [(level["price"], level["qty"]) for level in data[side]] for side in ("asks", "bids")}
    assert checksum(sides["asks"], sides["bids"]) == 3310070434
    book = KrakenBook(10)
    book.apply(text)
    assert (book.checksum(), book.mismatches) == (3310070434, 0)


@pytest.mark.parametrize(
    ("depth", "levels", "steps"), [(10, 12, 800), (10, 90, 800), (25, 12, 800), (25, 90, 800), (100, 90, 400), (500, 495, 100)]
)
def test_window_is_the_best_levels(depth: int, levels: int, steps: int) -> None:
    """A client that applies, cuts to the depth and checks has the market's best levels after each message."""
    market = Market(instruments(("kraken",), ("XRP",)), MarketSettings(seed=depth + levels, levels=levels))
    listing = market.listing("kraken", "XRP/USD")
    writer, window, cache = Writer(listing.instrument), DepthWindow(listing.book, depth), ChecksumCache(listing.book)
    price, size = writer.price, writer.size
    client = KrakenBook(depth)

    def send(bids: list[tuple[int, int]], asks: list[tuple[int, int]], snapshot: bool) -> None:
        client.apply(writer.book(bids, asks, cache.value(), (0, 0), snapshot, 0).render(0, 0))

    send(listing.book.bids.top(depth), listing.book.asks.top(depth), snapshot=True)
    for _ in range(steps):
        bids, asks = window.advance(market.step().changes)
        if bids or asks:
            send(bids, asks, snapshot=False)
        assert client.top() == (
            [[price(at), size(amount)] for at, amount in listing.book.bids.top(depth)],
            [[price(at), size(amount)] for at, amount in listing.book.asks.top(depth)],
        )
    assert client.mismatches == 0


def test_levels_that_fall_out_are_not_announced() -> None:
    """A better level pushes the worst one out of the window without a word."""
    market = Market(instruments(("kraken",), ("BTC",)), MarketSettings(levels=30))
    book = market.listing("kraken", "BTC/USD").book
    window = DepthWindow(book, 10)
    better = book.bids.best() + 1
    book.bids.put(better, 5)
    bids, asks = window.advance([Change(0, True, better, 5, 0)])
    assert (bids, asks) == ([(better, 5)], [])


def test_level_that_moves_up_is_announced() -> None:
    """When a level inside the window goes, the one that takes the last place is announced beside the removal."""
    market = Market(instruments(("kraken",), ("BTC",)), MarketSettings(levels=30))
    book = market.listing("kraken", "BTC/USD").book
    window = DepthWindow(book, 10)
    entering = book.bids.top(11)[-1]
    gone = book.bids.best()
    book.bids.put(gone, 0)
    assert window.advance([Change(0, True, gone, 0, 1)]) == ([(gone, 0), entering], [])
