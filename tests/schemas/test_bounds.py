"""What no venue means is refused with words, wherever it stands; what some venue means is taken."""

from decimal import Decimal
from typing import Any

import pytest

from dialects.catalogue import all_dialects
from schemas import bounds
from schemas.bounds import AHEAD, CLOCKS, FIRST, LAST, LONGEST_ID, LONGEST_NAME
from schemas.catalogue import events
from schemas.decimals import LARGEST, encode, to_bytes
from schemas.errors import InvalidDatum

AT = 1_790_000_000_000_000
TRADE = {"symbol": "S", "trade_id": "1", "price": encode("1"), "size": encode("1"), "event_time": AT, "received_at": AT}
STATUS = dict.fromkeys(events()["venue_status"].bounds) | {"symbol": "", "received_at": AT}
NULLS = dict.fromkeys(events()["trade"].bounds.keys() - TRADE.keys())


def trades(*changes: dict[str, Any]) -> dict[str, Any]:
    """Return trades as columns, one for each change."""
    rows = [TRADE | change for change in changes]
    return {name: [row[name] for row in rows] for name in TRADE} | NULLS


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": ""}, {"symbol": "A|B"}, {"symbol": "A\0"}, {"symbol": "A\n"}, {"symbol": "\ud800"}, {"symbol": "x" * (LONGEST_NAME + 1)},
        {"trade_id": ""}, {"trade_id": "\x1b[31m"}, {"trade_id": "x" * (LONGEST_ID + 1)},
        {"price": encode("0")}, {"price": encode("-1")}, {"price": to_bytes(-1)}, {"price": to_bytes(-LARGEST)}, {"price": Decimal(-1)},
        {"size": encode("0")}, {"size": encode("-0.5")}, {"size": Decimal(0)},
        {"event_time": 0}, {"event_time": -1}, {"event_time": FIRST - 1}, {"event_time": AT + AHEAD + 1}, {"event_time": AT * 1000},
    ],
)  # fmt: skip
def test_what_no_venue_means_is_refused(change: dict[str, Any]) -> None:
    """One such value among good ones is found, alone or in a column, and the reason names its field."""
    (name,) = change
    for columns in (trades(change), trades({}, change, {}), TRADE | NULLS | change):
        with pytest.raises(InvalidDatum, match=rf"^{name} "):
            bounds.check("trade", columns)


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "币安人生USDT"}, {"symbol": "BTC/USD"}, {"symbol": "x" * LONGEST_NAME}, {"trade_id": "x" * LONGEST_ID},
        {"price": to_bytes(1)}, {"price": to_bytes(LARGEST)}, {"price": to_bytes(128)}, {"price": Decimal("0.5")},
        {"event_time": FIRST}, {"event_time": AT + AHEAD}, {"event_time": None},
    ],
)  # fmt: skip
def test_what_some_venue_means_is_taken(change: dict[str, Any]) -> None:
    """The least, the most and the odd that are meant somewhere pass."""
    bounds.check("trade", trades({}, change))
    bounds.check("trade", TRADE | NULLS | change)


def test_prices_below_zero_pass_where_the_venue_has_them() -> None:
    """A venue that says so may have prices of any sign; its sizes are bounded as everywhere."""
    bounds.check("trade", trades({"price": encode("-1")}, {"price": encode("0")}), negative_prices=True)
    with pytest.raises(InvalidDatum, match=r"^size "):
        bounds.check("trade", trades({"size": encode("-1")}), negative_prices=True)


def test_levels_are_bounded_one_by_one() -> None:
    """In a book a size of 0 removes a level, and a size below zero or a price of 0 is none, in a snapshot as in a block of changes."""
    one: dict[str, Any] = {"symbol": "S", "event_time": None, "received_at": AT, "ask_prices": [], "ask_sizes": []}
    bounds.check("book_delta", one | {"bid_prices": [encode("1")], "bid_sizes": [encode("0")]})
    many: dict[str, Any] = {"symbol": "S", "event_time": None, "received_at": AT, "ask_prices": [[], []], "ask_sizes": [[], []]}
    bounds.check("book_delta", many | {"bid_prices": [[], [encode("1")]], "bid_sizes": [[], [encode("0")]]})
    for prices, sizes in (("0", "1"), ("1", "-1")):
        for columns, nest in ((one, 1), (many, 2)):
            column = {"bid_prices": [encode(prices)], "bid_sizes": [encode(sizes)]}
            with pytest.raises(InvalidDatum, match=r"^bid_"):
                bounds.check("book_delta", columns | {name: values if nest == 1 else [[], values] for name, values in column.items()})


@pytest.mark.parametrize("name", sorted(events()))
def test_every_bound_is_one_that_is_known(name: str) -> None:
    """A schema's bounds are of fields it has and of kinds that are checked, and none of it is registered."""
    event = events()[name]
    assert set(event.bounds) <= {field["name"] for field in event.fields}
    assert set(event.bounds.values()) <= bounds.BOUNDS
    assert all("bound" not in field for field in event.fields)


def test_prices_and_sizes_of_what_venues_say_are_bounded() -> None:
    """Every event that a dialect makes and that has a symbol, a price or a size says what they may be, but a venue's own candles."""
    made = {name for dialect in all_dialects().values() for name in dialect.events()} - {"venue_candle"}
    for name in made:
        named = {field["name"] for field in events()[name].fields}
        wanted = {"symbol", "event_time", "price", "size", "bid_prices", "bid_price", "trade_id", "order_id", "mark_price", "oi_native"}
        assert (wanted & named) - ({"trade_id"} if name == "liquidation" else set()) <= set(events()[name].bounds)


CANDLE = {"symbol": "S", "open_time": AT - 60_000_000, "close_time": AT, "closed": True, "event_time": None, "received_at": AT}


def candles(*changes: dict[str, Any]) -> dict[str, Any]:
    """Return candles as columns, one for each change; what does not matter here is not there."""
    rows = [CANDLE | change for change in changes]
    others = dict.fromkeys(events()["venue_candle"].bounds.keys() - CANDLE.keys())
    return {name: [row[name] for row in rows] for name in CANDLE} | others


@pytest.mark.parametrize(
    ("event", "name"),
    [(event, field["name"]) for event in events() for field in events()[event].fields if "timestamp-micros" in str(field["type"])],
)
def test_every_time_that_a_venue_says_is_bounded(event: str, name: str) -> None:
    """A time field of an event that a dialect makes has a bound; that of receipt is our own."""
    if name != "received_at" and event in {one for dialect in all_dialects().values() for one in dialect.events()}:
        assert events()[event].bounds.get(name) in {"time", "time_ahead"}


@pytest.mark.parametrize(
    "change",
    [
        {"open_time": 0}, {"open_time": FIRST - 1}, {"open_time": AT + AHEAD + 1, "closed": False},
        {"open_time": 2**63 - 1, "closed": False}, {"close_time": 0}, {"close_time": LAST, "closed": False},
    ],
)  # fmt: skip
def test_a_candle_is_of_no_absurd_time(change: dict[str, Any]) -> None:
    """It neither opened before there were markets nor opens days from now: alone or among others, the reason names the field."""
    for columns in (candles(change), candles({}, change, {}), CANDLE | candles({}) | change):
        with pytest.raises(InvalidDatum, match=rf"^{next(iter(change))} "):
            bounds.check("venue_candle", {name: columns[name] for name in events()["venue_candle"].bounds} | {"received_at": AT})


@pytest.mark.parametrize("ahead", [CLOCKS + 1, 86_400_000_000 * 31])
def test_a_candle_that_is_not_over_is_not_closed(ahead: int) -> None:
    """One that has not begun is none that is closed; the open one of a month ends weeks from now, and a clock may be some seconds ahead."""
    bounds.check("venue_candle", candles({"close_time": AT + CLOCKS}, {"close_time": AT + ahead, "closed": False}))
    with pytest.raises(InvalidDatum, match=r"^closed "):
        bounds.check("venue_candle", candles({}, {"close_time": AT + ahead}))
    with pytest.raises(InvalidDatum, match=r"^closed "):
        bounds.check("venue_candle", candles({}) | CANDLE | {"close_time": AT + ahead})


def test_what_is_announced_may_lie_far_ahead() -> None:
    """An expiry in 2100, as Binance writes "never", is a time; one in the year 294247 is none, nor is the first instant of a clock."""
    end_of_2100 = 4_133_404_800_000_000
    bounds.check("venue_status", STATUS | {"begins_at": FIRST, "ends_at": end_of_2100})
    for odd in (0, FIRST - 1, LAST, 2**63 - 1):
        with pytest.raises(InvalidDatum, match=r"^ends_at "):
            bounds.check("venue_status", STATUS | {"ends_at": odd})
