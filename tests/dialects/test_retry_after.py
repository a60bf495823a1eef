"""How long a venue asks to be left alone: as HTTP writes it, never without bound, and the same of every dialect."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from dialects.catalogue import all_dialects
from dialects.contract import Dialect
from dialects.retry_after import LIMITED_SECONDS, LONGEST_SECONDS, seconds_asked

THURSDAY = "Thu, 24 Sep 2026 12:00:00 GMT"
each_dialect = pytest.mark.parametrize("spoken", list(all_dialects().values()), ids=lambda one: one.venue)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        (CIMultiDict({"RETRY-AFTER": "120"}), 120.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "259200"}, 259_200.0),
        ({"Retry-After": "Thu, 24 Sep 2026 12:00:30 GMT", "Date": THURSDAY}, 30.0),
        ({"Retry-After": "Thu, 24 Sep 2026 11:59:00 GMT", "Date": THURSDAY}, 0.0),
    ],
)
def test_seconds_and_dates_are_read(headers: Mapping[str, str], seconds: float) -> None:
    """A number is seconds; a date counts from the reply's own, so that nobody's clock is asked."""
    assert seconds_asked(headers) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "²", "٣", "-1", "+1", "1e9", "1_0", "inf", "nan", ".", "1.2.3", THURSDAY, "Thu, 99 Sep 2026 12:00:00 GMT"]
)
def test_what_says_no_time_is_not_read(text: str) -> None:
    """What is neither, or a date of a reply that has none, says nothing."""
    assert seconds_asked({"Retry-After": text}) is None
    assert seconds_asked({"Retry-After": text, "Date": "today"}) is None


@each_dialect
@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize("text", ["259201", "99999999999", "9" * 400, "9" * 5000])
def test_no_venue_is_left_alone_for_longer_than_a_ban_lasts(spoken: Dialect, status: int, text: str) -> None:
    """What asks for more than three days, the longest ban there is, gets those, and the words say so."""
    refusal = spoken.refusal(status, {"Retry-After": text}, b"")
    assert refusal is not None
    assert (refusal.again, refusal.limited) == (LONGEST_SECONDS, True)
    assert refusal.words == f"too many requests (status {status}); it asks for more than 259200 s, the longest ban there is, and gets those"


@each_dialect
def test_a_venue_that_does_not_say_for_how_long_gets_a_minute(spoken: Dialect) -> None:
    """Without a time that can be read nobody asks for a minute, and the words do not claim that the venue said so."""
    for headers in ({}, {"Retry-After": "²"}):
        refusal = spoken.refusal(429, headers, b"")
        assert refusal is not None
        assert (refusal.words, refusal.again) == ("too many requests (status 429); it does not say for how long", LIMITED_SECONDS)


@each_dialect
@given(
    status=st.sampled_from([200, 403, 404, 418, 429, 500, 503]),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after", "Date", "X-Bapi-Limit-Reset-Timestamp"]),
        st.text(max_size=9) | st.text("0123456789.", max_size=30) | st.integers().map(str) | st.sampled_from([THURSDAY, "9" * 400]),
    ),
    body=st.binary(max_size=9) | st.builds(b'{"retCode":10006,"time":%d}'.__mod__, st.integers(-(10**400), 10**400)),
)
def test_no_reply_breaks_a_refusal_or_asks_for_ever(spoken: Dialect, status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever a venue answers, its refusal is made without an error, and the wait it asks for has an end."""
    refusal = spoken.refusal(status, headers, body)
    assert refusal is None or refusal.again is None or 0 <= refusal.again <= LONGEST_SECONDS
