"""What Hyperliquid answers to requests: fundings, candles, its state, and how it refuses."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from dialects.contract import Fields, Request
from dialects.hyperliquid.dialect import Hyperliquid
from dialects.judge import SKEW
from dialects.memory import Memory
from dialects.stream import Stream
from producers import plan
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame
from topology.settings import Venue

SPOKEN = Hyperliquid()
MINUTE = 60_000
START = 1_790_000_040_000
"""A full minute; milliseconds."""
NOW = (START + 4 * MINUTE + 1234) * 1000
"""Microseconds."""


def info(**body: Any) -> str:
    """Return a request in the form that is kept beside its reply."""
    return f"POST /info {orjson.dumps(body).decode()}"


def read(request: str, body: Any, memory: Memory | None = None, received_at: int = NOW) -> list[Fields]:
    """Return the fields of a reply."""
    found = frame("hyperliquid", orjson.dumps(body), request)._replace(received_at=received_at)
    return [one.fields for one in SPOKEN.read(found, Memory() if memory is None else memory)]


def polled(channel: str, symbol: str = "BTC") -> Request:
    """Return the only request of a stream as it is made now."""
    (poll,) = SPOKEN.polls([Stream(channel, symbol)])
    return SPOKEN.as_of(poll.request, NOW)


def funding(time: int, **changes: Any) -> dict[str, Any]:
    """Return what was charged at a time."""
    return {"coin": "BTC", "fundingRate": "0.0000125", "premium": "-0.0001403631", "time": time} | changes


def candle(place: int, **changes: Any) -> dict[str, Any]:
    """Return the candle of a minute."""
    start = START + place * MINUTE
    prices = {"o": "3.0", "c": "2.5", "h": "3.5", "l": "2.0", "v": "100.5", "n": 7}
    return {"t": start, "T": start + MINUTE - 1, "s": "BTC", "i": "1m"} | prices | changes


def candles(rows: Sequence[Any], *, interval: str = "1m", received_at: int = NOW) -> list[Fields]:
    """Return the fields of a reply of candles."""
    return read(info(type="candleSnapshot", req={"coin": "BTC", "interval": interval}), rows, received_at=received_at)


def test_requests_are_posted_with_the_times_of_now() -> None:
    """Fundings of the last four hours, the open minute and the four before it; what needs no time is as it was."""
    assert polled("funding").text == f'POST /info {{"type":"fundingHistory","coin":"BTC","startTime":{NOW // 1000 - 14_400_000}}}'
    assert orjson.loads(polled("kline").body) == {
        "type": "candleSnapshot",
        "req": {"coin": "BTC", "interval": "1m", "startTime": START, "endTime": NOW // 1000},
    }
    assert polled("venue_status", "") == Request("POST", "/info", 2, b'{"type":"exchangeStatus"}')
    assert polled("instrument", "") == SPOKEN.listing_request()


def test_weights_are_the_venues() -> None:
    """Twenty for most, and one more for every twenty fundings and every sixty candles."""
    assert [polled(channel).weight for channel in ("funding", "kline", "instrument", "venue_status")] == [21, 21, 20, 2]


def test_spot_has_no_funding() -> None:
    """Neither pairs of spot nor sides of an outcome are asked for fundings, which would be refused for ever."""
    streams = [Stream("funding", coin) for coin in ("BTC", "PURR/USDC", "@107", "#1230", "xyz:SP500")]
    assert [poll.streams[0].symbol for poll in SPOKEN.polls(streams)] == ["BTC", "xyz:SP500"]


def test_klines_are_carried_where_they_are_named() -> None:
    """They weigh twenty-one a minute for each symbol."""
    assert not SPOKEN.channels["kline"].by_default
    wanted = plan.streams(SPOKEN, Venue(symbols=("A", "B"), channels=("kline",)))
    assert [(poll.streams[0].symbol, poll.every) for poll in plan.polled(SPOKEN, wanted)] == [("A", 60), ("B", 60)]


def test_what_was_charged() -> None:
    """The rate of an hour, at the millisecond when it was charged, which is not quite the full hour; oldest first."""
    later, earlier = funding(1_789_999_200_043), funding(1_789_995_600_008, fundingRate="-0.04", premium="NaN")
    made = read(info(type="fundingHistory", coin="BTC", startTime=1), [later, earlier])
    whole = {"symbol": "BTC", "rate_kind": "settled", "interval_s": 3600, "model": "discrete", "raw_field": "fundingRate"}
    times = [1_789_995_600_008_000, 1_789_999_200_043_000]
    assert made == [
        whole | {"event_time": times[0], "settles_at": times[0], "rate": encode("-0.04"), "premium": None},
        whole | {"event_time": times[1], "settles_at": times[1], "rate": encode("0.0000125"), "premium": encode("-0.0001403631")},
    ]


def test_what_was_charged_is_told_once() -> None:
    """Each round asks for four hours: those that were told are not told again, by coin."""
    memory, request = Memory(), info(type="fundingHistory", coin="BTC")
    assert len(read(request, [funding(1), funding(3_600_001)], memory)) == 2
    assert read(request, [funding(1), funding(3_600_001)], memory) == []
    assert [one["event_time"] for one in read(request, [funding(3_600_001), funding(7_200_001)], memory)] == [7_200_001_000]
    assert len(read(info(type="fundingHistory", coin="ETH"), [funding(1, coin="ETH")], memory)) == 1
    assert read(request, [], memory) == []


def test_a_charge_that_is_no_later_is_told_too() -> None:
    """An hour that comes late, a rate that was mended since, and the second of two of one time, each once and in the order of times."""
    memory, request, hour = Memory(), info(type="fundingHistory", coin="BTC"), 3_600_000
    first, late, last = funding(1), funding(1 + hour, fundingRate="-0.2"), funding(1 + 2 * hour)
    assert len(read(request, [first, last], memory)) == 2
    mended = last | {"fundingRate": "0.9"}
    assert [(one["event_time"], one["rate"]) for one in read(request, [first, late, mended], memory)] == [
        ((1 + hour) * 1000, encode("-0.2")),
        ((1 + 2 * hour) * 1000, encode("0.9")),
    ]
    assert read(request, [first, late, mended], memory) == []
    twice = [first | {"fundingRate": rate} for rate in ("0.1", "0.2")]
    assert [one["rate"] for one in read(request, twice)] == [encode("0.1"), encode("0.2")]
    other = first | {"premium": None}
    assert [one["premium"] for one in read(request, [other, late, mended], memory)] == [None]


@pytest.mark.parametrize("changes", [{"coin": "ETH"}, {"fundingRate": "NaN"}, {"fundingRate": None}, {"time": -1}, {"premium": "x"}])
def test_what_was_not_charged_refuses_the_reply(changes: dict[str, Any]) -> None:
    """Of another coin, or no number: none of the reply is told, and nothing remembered."""
    memory, request = Memory(), info(type="fundingHistory", coin="BTC")
    with pytest.raises(InvalidDatum):
        read(request, [funding(1), funding(2) | changes], memory)
    assert len(read(request, [funding(1)], memory)) == 1


def test_a_candle_with_all_that_the_venue_says() -> None:
    """Volume counts coins, the number of trades is told, the value is not; the version is our receipt."""
    (made,) = candles([candle(0)])
    assert made == {
        "symbol": "BTC",
        "event_time": None,
        "interval": "1m",
        "open_time": START * 1000,
        "close_time": (START + MINUTE) * 1000,
        "open": encode("3.0"),
        "high": encode("3.5"),
        "low": encode("2.0"),
        "close": encode("2.5"),
        "volume": encode("100.5"),
        "volume_unit": "base",
        "base_volume": encode("100.5"),
        "quote_volume": None,
        "trades": 7,
        "closed": True,
        "version": NOW,
    }


def test_a_candle_is_closed_where_another_follows_or_no_clock_can_be_so_wrong() -> None:
    """A reply has no time: the last row is open until its end is longer ago than clocks may differ."""
    assert [one["closed"] for one in candles([candle(3), candle(4)])] == [True, False]
    end = (START + MINUTE) * 1000
    assert [candles([candle(0)], received_at=end + passed)[0]["closed"] for passed in (0, SKEW - 1, SKEW)] == [False, False, True]
    assert candles([]) == []


@pytest.mark.parametrize(("interval", "days"), [("1h", 1 / 24), ("8h", 1 / 3), ("3d", 3), ("1w", 7), ("1M", 30), ("1M", 31)])
def test_intervals_are_as_long_as_they_are_called(interval: str, days: float) -> None:
    """Each by its name; a month is as long as the venue says."""
    row = candle(0, i=interval, T=START + round(days * 1440) * MINUTE - 1)
    assert candles([row], interval=interval)[0]["close_time"] == row["T"] * 1000 + 1000


@pytest.mark.parametrize(
    "rows",
    [
        [candle(0, s="ETH")],
        [candle(0, i="5m")],
        [candle(0, T=START + MINUTE)],
        [candle(0, T=START - 1)],
        [candle(0, h="2.9")],
        [candle(0, l="2.6")],
        [candle(0, v="-1")],
        [candle(0, n=-1)],
        [candle(0, o=None)],
        [{name: value for name, value in candle(0).items() if name != "c"}],
        [candle(1), candle(0)],
        [candle(0), candle(0)],
        [candle(0), candle(1, t="x")],
        {"t": 1},
    ],
)
def test_candles_that_cannot_be_refuse_their_reply(rows: Any) -> None:
    """Of another coin or interval, of no such length, outside their own prices, below zero, out of order."""
    with pytest.raises(InvalidDatum):
        candles(rows)


def test_an_interval_that_is_none_is_refused() -> None:
    """By its name, among those there are."""
    with pytest.raises(InvalidDatum, match="'2m' is none of 1m, 3m"):
        candles([candle(0, i="2m")], interval="2m")


def test_the_venues_state_is_told_when_it_changes() -> None:
    """No special status is a venue that goes on; any other is told as it is written, for no page says what it means."""
    memory, request = Memory(), info(type="exchangeStatus")
    whole = {"symbol": "", "scope": "venue"}
    goes_on = whole | {"event_time": 1000, "state": "online", "title": None}
    assert read(request, {"time": 1, "specialStatuses": None}, memory) == [goes_on]
    assert read(request, {"time": 2, "specialStatuses": None}, memory) == []
    special = {"time": 3, "specialStatuses": {"postOnly": True}}
    assert read(request, special, memory) == [whole | {"event_time": 3000, "state": "unknown", "title": '{"postOnly":true}'}]
    assert read(request, special, memory) == []
    assert read(request, {"time": 4, "specialStatuses": None}, memory) == [goes_on | {"event_time": 4000}]
    with pytest.raises(InvalidDatum):
        read(request, {"time": 5}, memory)


def test_a_long_state_that_changes_at_its_end_is_told() -> None:
    """What is shown of it is cut, what is compared is not."""
    memory, request = Memory(), info(type="exchangeStatus")
    long = "x" * 5000
    (first,) = read(request, {"time": 1, "specialStatuses": [long]}, memory)
    assert len(first["title"]) == 1000
    assert read(request, {"time": 2, "specialStatuses": [long]}, memory) == []
    assert len(read(request, {"time": 3, "specialStatuses": [long + "y"]}, memory)) == 1
    assert len(memory["status"]) < 100


def test_the_last_trades_are_the_sockets() -> None:
    """A reply of trades becomes the same events, so each is known by its id."""
    row = {"coin": "BTC", "side": "A", "px": "3.0", "sz": "0.5", "time": 1, "hash": "0x1", "tid": 17, "users": ["0x1", "0x2"]}
    (made,) = SPOKEN.read(frame("hyperliquid", orjson.dumps({"channel": "trades", "data": [row]})), Memory())
    assert read(info(type="recentTrades", coin="BTC"), [row]) == [made.fields]


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /info",
        "POST /info",
        "POST /exchange {}",
        info(type="clearinghouseState"),
        'POST /info {"type":',
        info(type="candleSnapshot"),
        "",
    ],
)
def test_a_reply_that_nobody_asked_for_is_refused(request_text: str) -> None:
    """Another path, another type, or a body that is none."""
    with pytest.raises(InvalidDatum):
        read(request_text, [])


def test_what_lasts_and_what_passes() -> None:
    """A body that is not understood, and null where there is no such coin, last; another form may pass; a limit says how long."""
    words = b"Failed to deserialize the JSON body into the target type"
    lasting = SPOKEN.refusal(422, {}, words)
    assert lasting is not None
    assert (lasting.words, lasting.again) == (f"status 422: {words.decode()}", None)
    for status, body in ((500, b"null"), (200, b"null"), (200, b" null\n")):
        nothing = SPOKEN.refusal(status, {}, body)
        assert nothing is not None
        assert (nothing.again, nothing.limited) == (None, False)
        assert "no such coin" in nothing.words
    for body in (b'"no"', b"17"):
        odd = SPOKEN.refusal(200, {}, body)
        assert odd is not None
        assert (odd.again, odd.limited, odd.unclear) == (0, False, True)
    limited = SPOKEN.refusal(429, {"Retry-After": "7"}, b"null")
    assert limited is not None
    assert (limited.again, limited.limited) == (7.0, True)
    broken = SPOKEN.refusal(500, {}, b"upstream")
    assert broken is not None
    assert (broken.again, broken.unclear) == (0, False)
    assert SPOKEN.refusal(200, {}, b"[]") is None
    assert SPOKEN.refusal(200, {}, b'{"time":1}') is None


def test_as_of_leaves_what_is_no_request_of_ours() -> None:
    """A body that is none, or asks for something else, is made as it is."""
    for body in (b"", b"{", b"[]", b'{"type":"candleSnapshot"}', b'{"type":"meta"}'):
        request = Request("POST", "/info", 1, body)
        assert SPOKEN.as_of(request, NOW) == request
