"""What a venue answers instead of an answer: each in its own words waits and is asked again, is refused, or is taken after all."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Dialect, Frame, Refusal
from dialects.memory import Memory

DIALECTS = all_dialects()
each_dialect = pytest.mark.parametrize("spoken", list(DIALECTS.values()), ids=lambda one: one.venue)
PAGE = b"<!DOCTYPE html><title>One moment</title>"
TRADES = b'{"error":[%s],"result":{"BTC/USD":[["1","1",1790000000.5,"b","m","",5]],"last":"1"}}'


def kraken(*words: str) -> bytes:
    """Return a reply of Kraken that is an error."""
    return orjson.dumps({"error": words})


def binance(code: int) -> bytes:
    """Return a reply of Binance that is an error."""
    return orjson.dumps({"code": code, "msg": "Said so."})


def bybit(code: int) -> bytes:
    """Return a reply of Bybit that is an error."""
    return orjson.dumps({"retCode": code, "retMsg": "Said so.", "result": {}, "time": 1_790_000_000_000})


def refused(venue: str, status: int, body: bytes) -> Refusal:
    """Return why a reply is no answer."""
    found = DIALECTS[venue].refusal(status, {}, body)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("venue", "status", "body", "again", "limited"),
    [
        ("kraken", 200, kraken("EService:Unavailable"), 0, False),
        ("kraken", 200, kraken("EService:Busy"), 0, False),
        ("kraken", 200, kraken("EService:Timeout"), 0, False),
        ("kraken", 200, kraken("EService:Deadline elapsed"), 0, False),
        ("kraken", 200, kraken("EService: Market in cancel_only mode"), 0, False),
        ("kraken", 200, kraken("EGeneral:Internal error"), 0, False),
        ("kraken", 200, kraken("EGeneral:Internal error[oops]"), 0, False),
        ("kraken", 200, kraken("EGeneral:Temporary lockout"), 900, True),
        ("kraken", 200, kraken("EAPI:Rate limit exceeded"), 60, True),
        ("kraken", 200, kraken("EService: Throttled: 1790000000"), 60, True),
        ("kraken", 200, kraken("EGeneral:Too many requests"), 60, True),
        ("kraken", 200, kraken("WGeneral:Notice", "EService:Busy"), 0, False),
        ("kraken", 200, kraken("EQuery:Unknown asset pair", "EService:Busy"), 0, False),
        ("kraken", 520, PAGE, 0, False),
        ("binance", 403, PAGE, 60, True),
        ("binance", 403, b"", 60, True),
        ("binance", 408, binance(-1007), 0, False),
        ("binance", 408, b"", 0, False),
        ("binance", 400, binance(-1000), 0, False),
        ("binance", 400, binance(-1001), 0, False),
        ("binance", 400, binance(-1008), 60, False),
        ("binance", 400, binance(-1003), 60, True),
        ("binance", 200, binance(-1003), 60, True),
        ("binance", 500, binance(-1121), 0, False),
        ("binance", 503, b"", 0, False),
        ("bybit_spot", 200, bybit(10000), 0, False),
        ("bybit_spot", 200, bybit(10016), 0, False),
        ("bybit_spot", 200, bybit(10429), 1, False),
        ("bybit_spot", 200, bybit(10006), 60, True),
        ("bybit_spot", 403, PAGE, 600, True),
    ],
)
def test_what_will_pass_is_asked_again(venue: str, status: int, body: bytes, again: float, limited: bool) -> None:
    """A venue that is away, busy or asked too often says nothing of what was asked for: it is asked again for as long as it takes."""
    found = refused(venue, status, body)
    assert (found.again, found.limited, found.unclear) == (again, limited, False)


@each_dialect
@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [b"", b" ", PAGE, b"<html>maintenance</html>", b"OK", b'{"a":1', b"[" * 100_000, b'{"a":1} <!-- -->'])
def test_what_is_no_json_is_no_answer(spoken: Dialect, status: int, body: bytes) -> None:
    """A page of whatever stands before the venue, nothing at all, or a body that was cut: it is asked again."""
    found = spoken.refusal(status, {}, body)
    assert found is not None
    assert (found.again, found.limited, found.unclear) == (0, False, False)


@pytest.mark.parametrize(
    ("venue", "status", "body"),
    [
        ("kraken", 200, kraken("EQuery:Unknown asset pair")),
        ("kraken", 200, kraken("EQuery: Unknown asset pair")),
        ("kraken", 200, kraken("EGeneral:Invalid arguments:since")),
        ("kraken", 200, kraken("WGeneral:Notice", "EQuery:Unknown asset pair")),
        ("binance", 400, binance(-1121)),
        ("binance", 200, binance(-1121)),
        ("binance", 400, binance(-1100)),
        ("binance", 401, binance(-2015)),
        ("bybit_linear", 200, bybit(10001)),
    ],
)
def test_what_is_said_of_the_request_lasts(venue: str, status: int, body: bytes) -> None:
    """A pair that is unknown or a parameter that is wrong will be so the next time: it is refused in the venue's words."""
    found = refused(venue, status, body)
    assert (found.again, found.limited, found.unclear) == (None, False, False)
    assert "Unknown asset pair" in found.words or "Said so." in found.words or "Invalid arguments" in found.words


@pytest.mark.parametrize(
    ("venue", "status", "body"),
    [
        ("kraken", 200, kraken("EFuture:Never heard of")),
        ("kraken", 200, kraken("EQuery:Unknown asset pair", "EFuture:Never heard of")),
        ("kraken", 200, kraken()),
        ("kraken", 200, b'{"error":[],"result":null}'),
        ("kraken", 200, b'{"error":["WGeneral:Notice"]}'),
        ("kraken", 200, b'{"error":"EQuery:Unknown asset pair"}'),
        ("kraken", 200, b"[]"),
        ("kraken", 404, PAGE),
        ("binance", 400, binance(-9999)),
        ("binance", 400, PAGE),
        ("binance", 451, b'{"code":0,"msg":"Service unavailable from a restricted location"}'),
        ("bybit_inverse", 200, bybit(99)),
        ("bybit_inverse", 200, b"{}"),
        ("bybit_inverse", 404, b"nowhere"),
    ],
)
def test_what_nobody_knows_is_unclear(venue: str, status: int, body: bytes) -> None:
    """Words that nobody here has read, or none at all, neither last nor pass: they are asked about, and told where they stay."""
    found = refused(venue, status, body)
    assert (found.again, found.limited, found.unclear) == (0, False, True)


@pytest.mark.parametrize("warnings", [b"", b'"WGeneral:Notice"', b'"WGeneral:Notice","WQuery:Old name"'])
def test_a_result_beside_a_warning_is_taken(warnings: bytes) -> None:
    """W is no error: the trades beside it are the answer, and are read."""
    spoken, body = DIALECTS["kraken"], TRADES % warnings
    assert spoken.refusal(200, {}, body) is None
    request = "GET /0/public/Trades?pair=BTC%2FUSD&since=1&count=1000"
    (made,) = spoken.read(Frame("kraken", "rest", "kraken-1", 1, 1_790_000_001_000_000, "reply", request, body), Memory())
    assert (made.event, made.fields["trade_id"], made.fields["event_time"]) == ("trade", "5", 1_790_000_000_500_000)


@each_dialect
@given(st.sampled_from([200, 400, 403, 404, 408, 418, 429, 451, 500]), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nothing_lasts_that_the_venue_did_not_say(spoken: Dialect, status: int, body: bytes) -> None:
    """Whatever bytes come, none are taken for the venue's last word but words or codes of its own."""
    found = spoken.refusal(status, {}, body)
    assert found is None or found.again is not None
    assert found is not None or status == 200
