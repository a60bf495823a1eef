"""The market alone."""

from itertools import pairwise

import pytest

from simulator.catalogue import all_venues, instruments
from simulator.instruments import some_bases
from simulator.market import MANUAL_START_US, Market, MarketSettings, Step, first_trade_id


def market(seed: int = 7, levels: int = 200, bases: tuple[str, ...] = ("BTC", "ETH")) -> Market:
    return Market(instruments(all_venues(), bases), MarketSettings(seed=seed, levels=levels))


def described(step: Step) -> tuple[object, ...]:
    instrument = step.listing.instrument
    return instrument.venue, instrument.symbol, step.number, step.time_us, step.trades, step.changes


def test_same_seed_same_market() -> None:
    """Two markets of one seed make the same steps."""
    one, other = market(), market()
    assert [described(one.step()) for _ in range(3000)] == [described(other.step()) for _ in range(3000)]


def test_another_seed_another_market() -> None:
    """Two seeds do not make the same steps."""
    one, other = market(1), market(2)
    assert [described(one.step()) for _ in range(100)] != [described(other.step()) for _ in range(100)]


def test_a_market_that_starts_later_has_no_id_of_the_one_before() -> None:
    """Whoever keeps the events of several runs finds each id once: a second's pause leaves room for a million trades."""
    before = first_trade_id(MANUAL_START_US)
    after = first_trade_id(MANUAL_START_US + 1_000_000)
    assert after + 1_000_000 <= before
    assert 0 < first_trade_id(3_999_999_999_000_000) < first_trade_id(0) < 2**53


def test_ids_are_sequential_and_time_does_not_go_back() -> None:
    """Trade ids and update ids rise by one within an instrument; times never fall, and trade nanoseconds always rise."""
    made = market()
    first_updates = {key: listing.book.update_id for key, listing in made.listings.items()}
    steps = [made.step() for _ in range(5000)]
    assert all(earlier.time_us <= later.time_us for earlier, later in pairwise(steps))
    for key, listing in made.listings.items():
        own = [step for step in steps if step.listing is listing]
        trades = [trade for step in own for trade in step.trades]
        ids = [trade.trade_id for trade in trades]
        assert ids == list(range(listing.first_trade_id, listing.next_trade_id))
        assert all(earlier.time_ns < later.time_ns for earlier, later in pairwise(trades))
        updates = [change.update_id for step in own for change in step.changes]
        assert updates == list(range(first_updates[key] + 1, listing.book.update_id + 1))


def test_trades_hit_the_best_level() -> None:
    """A buy takes from the best ask of its moment, a sale from the best bid, and no more than is there."""
    made = market()
    quotes = {listing: listing.book.quote() for listing in made.listings.values()}
    for _ in range(5000):
        step = made.step()
        if step.trades:
            bid, bid_size, ask, ask_size = quotes[step.listing]
            trade = step.trades[0]
            assert trade.price == (ask if trade.taker_buys else bid)
            assert 0 < trade.size <= (ask_size if trade.taker_buys else bid_size)
        quotes[step.listing] = step.listing.book.quote()


@pytest.mark.parametrize("levels", [50, 1000])
def test_books_never_cross_and_keep_their_depth(levels: int) -> None:
    """The best bid stays below the best ask, sizes are positive, and a side keeps about the levels asked for."""
    made = market(levels=levels)
    for _ in range(20_000):
        book = made.step().listing.book
        bid, bid_size, ask, ask_size = book.quote()
        assert 0 < bid < ask
        assert bid_size > 0
        assert ask_size > 0
    for listing in made.listings.values():
        for side in (listing.book.bids, listing.book.asks):
            assert 0.9 * levels <= len(side.keys) <= 1.1 * levels + 3
            assert sorted(side.keys) == side.keys
            assert {key * side.sign for key in side.keys} == set(side.sizes)


def test_many_symbols() -> None:
    """Symbols beyond the catalogue are made up, and a venue nobody simulates is refused."""
    made = market(bases=some_bases(13), levels=20)
    for venue in all_venues():
        assert len({listing.instrument.base for (at, _), listing in made.listings.items() if at == venue}) == 13
    assert ("kraken", "SIM13/USD") in made.listings
    with pytest.raises(ValueError, match="not simulated"):
        instruments(("mtgox",), ("BTC",))
