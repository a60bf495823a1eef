"""What Bybit says of an interval itself: its numbers and units, whether it was over, and rows that cannot be."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.bybit.dialect import Bybit, BybitInverse, BybitLinear, BybitSpot
from dialects.bybit.klines import klines_request
from dialects.contract import Fields
from dialects.memory import Memory
from producers import plan
from schemas.decimals import encode, from_bytes
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame
from topology.settings import Venue

SPOT, LINEAR, INVERSE = BybitSpot(), BybitLinear(), BybitInverse()
MARKETS = pytest.mark.parametrize("spoken", [SPOT, LINEAR, INVERSE], ids=lambda one: one.venue)
MINUTE = 60_000
START = 1_790_000_040_000
"""A full minute; milliseconds."""
TIME = START + MINUTE
"""Of a reply, its venue's clock: the minute from START on is just over."""


def row(start: int | str = START, **changes: str) -> list[str]:
    """Return one kline in the documented form."""
    columns = {"open": "3.0", "high": "3.5", "low": "2.0", "close": "2.5", "volume": "100", "turnover": "250"} | changes
    return [str(start), *columns.values()]


def read(spoken: Bybit, rows: Any, *, interval: str = "1", time: int = TIME, **result: Any) -> list[Fields]:
    """Return the fields of a reply with these rows."""
    request = klines_request(spoken.market, "XUSD").text.replace("interval=1&", f"interval={interval}&")
    found = {"symbol": "XUSD", "category": spoken.market.category, "list": rows} | result
    body = orjson.dumps({"retCode": 0, "retMsg": "OK", "result": found, "retExtInfo": {}, "time": time})
    made = list(spoken.read(frame(spoken.venue, body, request), Memory()))
    assert all(one.event == "venue_candle" for one in made)
    return [one.fields for one in made]


@MARKETS
def test_klines_are_carried_where_they_are_named(spoken: Bybit) -> None:
    """A request a minute for each symbol is not what everybody wants; who wants it has one for each symbol."""
    assert not spoken.channels["kline"].by_default
    wanted = plan.streams(spoken, Venue(symbols=("A", "B"), channels=("kline",)))
    assert [(poll.streams[0].symbol, poll.every) for poll in plan.polled(spoken, wanted)] == [("A", 60), ("B", 60)]


def test_the_request_is_small() -> None:
    """The open minute and the four before it, of one symbol, escaped."""
    assert klines_request(LINEAR.market, "A&B").text == "GET /v5/market/kline?category=linear&symbol=A%26B&interval=1&limit=5"


@MARKETS
def test_a_kline_with_all_that_the_venue_says(spoken: Bybit) -> None:
    """Of spot and linear volume is base and turnover quote currency, of inverse the other way round; the version is our receipt."""
    (made,) = read(spoken, [row()])
    base, other = ("250", "100") if spoken is INVERSE else ("100", "250")
    assert made == {
        "symbol": "XUSD",
        "event_time": TIME * 1000,
        "interval": "1m",
        "open_time": START * 1000,
        "close_time": (START + MINUTE) * 1000,
        "open": encode("3.0"),
        "high": encode("3.5"),
        "low": encode("2.0"),
        "close": encode("2.5"),
        "volume": encode("100"),
        "volume_unit": "quote" if spoken is INVERSE else "base",
        "base_volume": encode(base),
        "quote_volume": encode(other),
        "closed": True,
        "version": frame(spoken.venue, b"").received_at,
    }


def test_an_interval_is_closed_by_the_venues_clock() -> None:
    """Up to a millisecond before its end it is open, from its end on it is closed; the others of the reply are."""
    rows = [row(START + MINUTE), row(START), row(START - MINUTE)]
    assert [one["closed"] for one in read(SPOT, rows)] == [False, True, True]
    assert [one["closed"] for one in read(SPOT, rows, time=TIME - 1)] == [False, False, True]


def test_an_interval_without_trades_is_what_the_venue_says() -> None:
    """No volume at one price is a kline like another."""
    (made,) = read(SPOT, [row(open="2", high="2", low="2", close="2", volume="0", turnover="0")])
    assert (from_bytes(made["volume"]), from_bytes(made["quote_volume"]), made["open"]) == (0, 0, encode("2"))
    assert read(SPOT, []) == []


def moment(*parts: int) -> int:
    """Return a time of UTC in milliseconds."""
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type, misc] # the parts are its first arguments


@pytest.mark.parametrize(
    ("interval", "name", "opens", "closes"),
    [
        ("1", "1m", moment(2026, 9, 21, 13, 59), moment(2026, 9, 21, 14)),
        ("3", "3m", moment(2026, 9, 21, 13, 57), moment(2026, 9, 21, 14)),
        ("5", "5m", moment(2026, 9, 21, 13, 55), moment(2026, 9, 21, 14)),
        ("15", "15m", moment(2026, 9, 21, 13, 45), moment(2026, 9, 21, 14)),
        ("30", "30m", moment(2026, 9, 21, 13, 30), moment(2026, 9, 21, 14)),
        ("60", "1h", moment(2026, 9, 21, 13), moment(2026, 9, 21, 14)),
        ("120", "2h", moment(2026, 9, 21, 12), moment(2026, 9, 21, 14)),
        ("240", "4h", moment(2026, 9, 21, 12), moment(2026, 9, 21, 16)),
        ("360", "6h", moment(2026, 9, 21, 12), moment(2026, 9, 21, 18)),
        ("720", "12h", moment(2026, 9, 21, 12), moment(2026, 9, 22)),
        ("D", "1d", moment(2026, 9, 21), moment(2026, 9, 22)),
        ("W", "1w", moment(2026, 9, 21), moment(2026, 9, 28)),
        ("M", "1M", moment(2026, 2, 1), moment(2026, 3, 1)),
        ("M", "1M", moment(2026, 12, 1), moment(2027, 1, 1)),
    ],
)
def test_intervals_in_our_names(interval: str, name: str, opens: int, closes: int) -> None:
    """Each of the venue's intervals has our name and ends where the next begins, wherever the venue says that it opens."""
    (made,) = read(SPOT, [row(opens)], interval=interval)
    assert (made["interval"], made["open_time"], made["close_time"]) == (name, opens * 1000, closes * 1000)
    if name != "1M":
        (later,) = read(SPOT, [row(opens + 61_000)], interval=interval)
        assert later["close_time"] - later["open_time"] == made["close_time"] - made["open_time"]


@MARKETS
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"interval": "7"}, "the interval '7' is none of 1, 3, 5"),
        ({"interval": "1m"}, "the interval '1m' is none of"),
        ({"interval": ""}, "the interval '' is none of"),
        ({"symbol": "YUSD"}, "klines of 'YUSD' .* where those of 'XUSD' were asked for"),
        ({"symbol": ""}, "klines of ''"),
        ({"category": "option"}, "klines of 'XUSD' \\('option'\\)"),
        ({"rows": [row()[:6]]}, "length"),
        ({"rows": [[]]}, "length"),
        ({"rows": [dict(zip("abcdefg", row(), strict=True))]}, "Expected `array`"),
        ({"rows": None}, "Expected `array`"),
        ({"rows": [[START, *row()[1:]]]}, "Expected `str`"),
        ({"rows": [row(close="3.1", high="3")]}, "as its highest"),
        ({"rows": [row(open="2.1", low="2.2")]}, "as its lowest"),
        ({"rows": [row(high="2", low="3.5")]}, "as its highest"),
        ({"rows": [row(open="dear")]}, "'dear' is not a decimal number"),
        ({"rows": [row(volume="")]}, "'' is not a decimal number"),
        ({"rows": [row(volume="NaN")]}, "not a decimal number"),
        ({"rows": [row(volume="-0.1")]}, "'-0.1' is no price or amount of a kline: it is below zero"),
        ({"rows": [row(turnover="-1")]}, "below zero"),
        ({"rows": [row(low="-2")]}, "below zero"),
        ({"rows": [row(turnover="1e30")]}, "more than 38 digits"),
        ({"rows": [row("")]}, "a kline opens at '', which is no time"),
        ({"rows": [row("0")]}, "which is no time"),
        ({"rows": [row("-60000")]}, "not a time in milliseconds"),
        ({"rows": [row(moment(2026, 9, 21))], "interval": "M"}, "where no month begins"),
        ({"rows": [row(), row()]}, "not newest first"),
        ({"rows": [row(START - MINUTE), row()]}, "not newest first"),
        ({"rows": [row("9" * 15)], "interval": "M"}, "in no calendar"),
        ({"rows": [row(moment(9999, 12, 1))], "interval": "M"}, "in no calendar"),
    ],
)
def test_klines_that_are_refused(spoken: Bybit, changes: dict[str, Any], reason: str) -> None:
    """What is no interval, no row or no number, of another symbol or in another order is refused whole, with the reason."""
    with pytest.raises(InvalidDatum, match=reason):
        read(spoken, **{"rows": [row()]} | changes)


def test_one_wrong_row_refuses_the_reply_and_a_further_column_none() -> None:
    """Rows are of one form or of none; what the venue may add after the columns that we know is left."""
    with pytest.raises(InvalidDatum, match="below zero"):
        read(SPOT, [row(), row(START - MINUTE, volume="-1")])
    assert read(SPOT, [[*row(), "17"]]) == read(SPOT, [row()])


_texts = st.one_of(st.text(max_size=8), st.sampled_from(["", "0", "-1", "1e9", "9" * 19, "9" * 400, "nan", "3", str(START)]))
_columns = st.one_of(_texts, st.integers(-(2**63), 2**64 - 1), st.none())


@given(place=st.integers(0, 8), columns=st.lists(_columns, max_size=3), interval=st.one_of(st.sampled_from("1DWM"), _texts), time=_columns)
def test_no_column_breaks_reading(place: int, columns: list[Any], interval: str, time: Any) -> None:
    """Whatever stands in place of some columns, of the interval or of the venue's clock, a reply makes an event or is refused."""
    damaged = [*row()[:place], *columns, *row()[place + len(columns) :]]
    try:
        made = read(SPOT, [damaged], interval=interval, time=time)
    except InvalidDatum:
        return
    assert len(made) == 1
