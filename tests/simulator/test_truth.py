"""The truth keeps every trade, old books, and candles."""

from dataclasses import replace
from decimal import Decimal

import pytest

from simulator.candles import candles, interval_us
from simulator.catalogue import all_venues, instruments
from simulator.instruments import Instrument
from simulator.market import Market, MarketSettings, Trade
from simulator.truth import Truth

KEY = ("binance", "BTC/USDT")
(LISTED,) = instruments(("binance",), ("BTC",))


def run(steps: int, history: int) -> tuple[Truth, dict[int, tuple[object, object]], list[Trade]]:
    """Return a truth, the book of KEY after each step by its update id, and the trades of KEY."""
    market = Market(instruments(all_venues(), ("BTC",)), MarketSettings(levels=60))
    truth = Truth(market, history)
    books: dict[int, tuple[object, object]] = {}
    trades: list[Trade] = []
    listing = market.listing(*KEY)
    for _ in range(steps):
        step = market.step()
        truth.record(step)
        if step.listing is listing:
            books[listing.book.update_id] = (listing.book.bids.top(999), listing.book.asks.top(999))
            trades += step.trades
    return truth, books, trades


def test_book_at_any_update_id() -> None:
    """The book at an earlier update id is the book that was, level by level."""
    truth, books, _ = run(1500, history=100_000)
    for update_id, levels in list(books.items())[::37]:
        book = truth.book(*KEY, update_id)
        assert (book.bids.top(999), book.asks.top(999)) == levels
        assert book.update_id == update_id


def test_history_is_bounded() -> None:
    """Update ids older than the bound, or not made yet, are refused."""
    truth, books, _ = run(3000, history=100)
    newest = max(books)
    assert truth.book(*KEY, newest - 90).update_id == newest - 90
    for update_id in (min(books), newest + 1):
        with pytest.raises(KeyError, match="outside"):
            truth.book(*KEY, update_id)


def test_tape_holds_every_trade() -> None:
    """Trades are found by id, by count from the end, and by time."""
    truth, _, trades = run(1500, history=10)
    tape = truth.tape(*KEY)
    assert tape.trades() == trades
    assert tape.trades(limit=7) == trades[-7:]
    assert tape.trades(from_id=trades[20].trade_id, limit=5) == trades[20:25]
    assert tape.trades(from_id=tape.next_trade_id) == []
    assert tape.first_id_after(trades[30].time_ns) == trades[31].trade_id
    assert tape.first_id_after(trades[31].time_ns - 1) == trades[31].trade_id


def test_candles_by_hand() -> None:
    """Two minutes of a tape counted by hand; a minute without trades has no candle."""
    minute = 60_000_000_000
    start = 29_453_760 * minute
    traded = [
        Trade(5, 6_500_000, 150_000, True, start),
        Trade(6, 6_500_200, 50_000, False, start + minute - 1),
        Trade(7, 6_499_900, 100_000, True, start + 2 * minute),
    ]
    first, second = candles(LISTED, traded, "1m")
    assert (first.open_time, second.open_time) == (start // 1000, (start + 2 * minute) // 1000)
    assert (first.open, first.high, first.low, first.close) == tuple(map(Decimal, ("65000", "65002", "65000", "65002")))
    assert (first.volume, first.quote_volume, first.taker_buy_volume) == (
        Decimal("2.0"),
        Decimal(130001),
        Decimal("1.5"),
    )
    assert (first.trades, first.first_trade_id, first.last_trade_id) == (2, 5, 6)
    assert (second.open, second.close, second.trades) == (Decimal(64999), Decimal(64999), 1)


PERPETUAL = Instrument("bourse", "BTC", "USDT", "BTCUSDT", 2, 3, kind="perpetual", settle="USDT")
SWAP = replace(PERPETUAL, size_decimals=0, contract_size=Decimal("0.001"))
INVERSE = replace(SWAP, quote="USD", settle="BTC", contract_size=Decimal(10), contract_size_unit="quote")


@pytest.mark.parametrize(
    ("instrument", "volume", "quote_volume"),
    [(PERPETUAL, "0.3", "12000"), (SWAP, "0.3", "12000"), (INVERSE, "0.075", "3000")],
    ids=["base", "contracts of base", "contracts of quote"],
)
def test_candles_of_contracts(instrument: Instrument, volume: str, quote_volume: str) -> None:
    """Volumes are in base and quote currency whatever the venue counts: 300 lots at 40,000, by hand for each kind of contract."""
    (candle,) = candles(instrument, [Trade(1, 4_000_000, 300, True, 10**18)], "1m")
    assert (candle.volume, candle.quote_volume, candle.close) == (Decimal(volume), Decimal(quote_volume), Decimal(40_000))
    assert instrument.symbol == f"BTC/{instrument.quote}:{instrument.settle}"
    assert instrument.first_price == 6_500_000
    assert instrument.amounts(6_500_000, instrument.typical_size)[1] == pytest.approx(Decimal(20_000), rel=Decimal("0.01"))


def test_candles_of_two_intervals_agree() -> None:
    """Seconds add up to the minute."""
    truth, _, trades = run(4000, history=10)
    seconds, whole = candles(LISTED, trades, "1s"), candles(LISTED, trades, "1d")
    assert len(whole) == 1
    assert sum(candle.trades for candle in seconds) == whole[0].trades == len(trades)
    assert sum((candle.volume for candle in seconds), Decimal(0)) == whole[0].volume
    assert max(candle.high for candle in seconds) == whole[0].high
    assert len(truth.tapes) == len(instruments(all_venues(), ("BTC",)))


@pytest.mark.parametrize("interval", ["", "m", "0m", "1w", "-1m", "1.5h"])
def test_unknown_interval(interval: str) -> None:
    """An interval that is not a count of s, m, h or d is refused."""
    with pytest.raises(ValueError, match="interval"):
        interval_us(interval)
