"""What no venue means is refused with words, wherever it stands; what some venue means is taken."""

from decimal import Decimal
from typing import Any

import pytest

from dialects.catalogue import all_dialects
from schemas import bounds
from schemas.bounds import AHEAD, FIRST, LONGEST_ID, LONGEST_NAME
from schemas.catalogue import events
from schemas.decimals import LARGEST, encode, to_bytes
from schemas.errors import InvalidDatum

AT = 1_790_000_000_000_000
TRADE = {"symbol": "S", "trade_id": "1", "price": encode("1"), "size": encode("1"), "event_time": AT, "received_at": AT}
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
