"""Where candles open and close: on the grid of Binance's klines, every time in exactly one of them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.build_candles.intervals import DAY, MINUTE, NAMES, SECOND, span, spans


def at(text: str) -> int:
    """Return a time in microseconds since 1970 UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("interval", "time", "opens", "closes"),
    [
        ("3d", "2018-06-28T00:00:00", "2018-06-28T00:00:00", "2018-07-01T00:00:00"),
        ("3d", "2018-06-27T23:59:59", "2018-06-25T00:00:00", "2018-06-28T00:00:00"),
        ("3d", "2018-06-30T23:59:59", "2018-06-28T00:00:00", "2018-07-01T00:00:00"),
        ("3d", "2017-08-17T04:00:00", "2017-08-17T00:00:00", "2017-08-20T00:00:00"),
        ("1w", "2018-06-28T00:00:00", "2018-06-25T00:00:00", "2018-07-02T00:00:00"),
        ("1M", "2018-06-28T00:00:00", "2018-06-01T00:00:00", "2018-07-01T00:00:00"),
        ("1d", "2018-06-28T13:14:15", "2018-06-28T00:00:00", "2018-06-29T00:00:00"),
        ("12h", "2018-06-28T13:14:15", "2018-06-28T12:00:00", "2018-06-29T00:00:00"),
    ],
)
def test_intervals_open_where_the_venues_do(interval: str, time: str, opens: str, closes: str) -> None:
    """Three days are counted from 1970-01-02, as the venue's own candle that opened at 6134.73 on 2018-06-28 shows."""
    assert span(interval, at(time)) == (at(opens), at(closes))


@given(st.integers(0, 4 * 10**15), st.sampled_from(NAMES))
def test_every_time_is_in_one_interval_and_the_next_follows(time: int, interval: str) -> None:
    """An interval holds the time asked for, each of its times is of it alone, and the next opens where it closes."""
    opens, closes = span(interval, time)
    assert opens <= time < closes
    assert span(interval, opens) == span(interval, closes - 1) == (opens, closes)
    assert span(interval, closes)[0] == closes


@given(st.integers(0, 4 * 10**15))
def test_all_at_once_are_each_by_itself(time: int) -> None:
    """The intervals around a minute are those of its first moment; a day lies whole in one of three days."""
    minute = time - time % MINUTE
    assert spans(minute) == tuple(span(name, minute) for name in NAMES[1:])
    day = minute - minute % DAY
    opens, closes = span("3d", day)
    assert (closes - opens, (day - opens) % DAY) == (3 * DAY, 0)
