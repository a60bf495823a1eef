"""Kraken v2: what each kind of frame and reply becomes, by the examples of the venue's documentation."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.contract import PartlyInvalid
from dialects.kraken.dialect import Kraken
from dialects.kraken.numbers import microseconds
from dialects.memory import Memory
from dialects.session import FrameSignal
from dialects.stream import Stream
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame, whole

SPOKEN = Kraken()
TRADES = (
    '{"channel":"trade","type":"%s","data":[{"symbol":"MATIC/USD","side":"buy","price":0.5147,"qty":6423.46326,"ord_type":"limit",'
    '"trade_id":4665846,"timestamp":"2023-09-25T07:48:36.925533Z"},{"symbol":"BTC/USD","side":"sell","price":45283,"qty":1E-7,'
    '"ord_type":"market","trade_id":9,"timestamp":"2023-09-25T07:49:37Z"}]}'
)
BOOK = (
    '{"channel":"book","type":"update","data":[{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558}],"asks":[],'
    '"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
)
TICKER = (
    '{"channel":"ticker","type":"update","data":[{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10035,'
    '"ask_qty":1361.44813783%s}]}'
)
INSTRUMENTS = (
    '{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"USD"}],"pairs":[{"symbol":"MATIC/USD","base":"MATIC","quote":"USD",'
    '"status":"online","qty_precision":8,"price_precision":4,"price_increment":0.0001},{"symbol":"EUR/USD","base":"EUR","quote":"USD",'
    '"status":"cancel_only","qty_precision":8,"price_precision":5}]}}'
)
SINCE = "GET /0/public/Trades?pair=BTC/USD&since=1688669597827735000&count=1000"


def read(payload: str | bytes, memory: Memory | None = None, request: str | None = None) -> list[dict[str, Any]]:
    """Return the records in a frame."""
    return [record for _, record in SPOKEN.read(frame("kraken", payload, request), Memory() if memory is None else memory)]


def test_trades_one_event_each() -> None:
    """Each trade of a frame is one event; integers and exponents are numbers like others; times are exact."""
    first, second = read(TRADES % "update")
    assert (first["symbol"], first["trade_id"], first["sequence"]) == ("MATIC/USD", "4665846", 4665846)
    assert (first["price"], first["size"], first["side"]) == (encode("0.5147"), encode("6423.46326"), "buy")
    assert (first["event_time"], first["replayed"]) == (1695628116925533, False)
    assert (second["price"], second["size"], second["side"]) == (encode("45283"), encode("0.0000001"), "sell")
    assert second["event_time"] == 1695628177000000


def test_trades_at_subscription_are_replayed() -> None:
    """The snapshot which follows a subscription is history, and says so."""
    assert [record["replayed"] for record in read(TRADES % "snapshot")] == [True, True]


def test_book_scales_come_from_instruments() -> None:
    """The instrument channel's precisions are remembered by symbol; without them the scales are not known, and none is guessed."""
    memory = Memory()
    (record,) = read(BOOK, memory)
    assert (record["price_scale"], record["size_scale"]) == (None, None)
    read(INSTRUMENTS, memory)
    assert memory == {"scales": {"MATIC/USD": [4, 8], "EUR/USD": [5, 8]}}
    (record,) = read(BOOK, Memory(orjson.loads(orjson.dumps(memory))))
    assert (record["price_scale"], record["size_scale"]) == (4, 8)
    assert (record["checksum"], record["depth"], record["is_snapshot"]) == (2114181697, 100, False)
    assert (record["bid_prices"], record["bid_sizes"], record["ask_prices"]) == ([encode("0.5657")], [encode("1098.3947558")], [])
    assert record["event_time"] == 1696613755440295


OLD_TRADE = '{"error":[],"result":{"BTC/USD":[["1","1",%s,"b","m","",61044952]],"last":"1"}}'
BOOK_OF_ONE = (
    '{"channel":"book","type":"snapshot","data":[{"symbol":"SHIB/USD","bids":[{"price":%s,"qty":%s}],"asks":[{"price":1.3e-05,"qty":1.5}],'
    '"checksum":0}]}'
)


@pytest.mark.parametrize("odd", ['"cost_min":0.5000000000000000001', '"status":7', '"base":null', '"price_increment":[]', '"qty_min":1e40'])
def test_an_odd_field_of_a_pair_does_not_lose_its_scales(odd: str) -> None:
    """The entry is no instrument then, and its books can be proved all the same."""
    pair = '{"symbol":"MATIC/USD","base":"MATIC","quote":"USD","status":"online","qty_precision":8,"price_precision":4,%s}'
    memory = Memory()
    with pytest.raises(PartlyInvalid, match="MATIC/USD"):
        read('{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[' + pair % odd + "]}}", memory)
    memory.undo()
    (record,) = read(BOOK, memory)
    assert (record["price_scale"], record["size_scale"]) == (4, 8)


@pytest.mark.parametrize("zeros", [19, 400, 5000])
def test_zeros_behind_the_point_are_no_decimals(zeros: int) -> None:
    """A number is taken for what it is, however it is written."""
    (record,) = read(BOOK_OF_ONE % ("1." + "0" * zeros, "1e8"))
    assert (record["bid_prices"], record["bid_sizes"]) == ([encode("1")], [encode("100000000")])


@pytest.mark.parametrize("number", ["1e-19", "1." + "0" * 18 + "1"])
def test_a_book_of_more_decimals_than_any_number_has_is_refused(number: str) -> None:
    """No number has more than 18 decimals: a book that shows more is refused, be they those of a price or of a size."""
    for levels in ((number, "1"), ("1", number)):
        with pytest.raises(InvalidDatum, match="has more than 18 decimals"):
            read(BOOK_OF_ONE % levels)


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("1688669597.8277369", 1688669597827736),
        ("1.6886695978277369e9", 1688669597827736),
        ("1688669597", 1688669597000000),
        ("9e12", 9 * 10**18),
    ],
)
def test_times_of_replies_in_any_spelling(written: str, time: int) -> None:
    """Seconds may be written with a point, without, or with an exponent: what is beyond microseconds is cut."""
    (record,) = read(OLD_TRADE % written, request=SINCE)
    assert record["event_time"] == time


@pytest.mark.parametrize("written", ["-1", "9e19", "1e400", '"soon"', "null", "1" * 15, "1." + "1" * 400])
def test_times_of_replies_that_are_none(written: str) -> None:
    """A time before 1970, or past what an event holds, is refused."""
    with pytest.raises(InvalidDatum):
        read(OLD_TRADE % written, request=SINCE)


def test_instruments() -> None:
    """Each pair is one event with its precisions and the venue's word for its state."""
    first, second = read(INSTRUMENTS)
    assert (first["base"], first["quote"], first["price_scale"], first["size_scale"]) == ("MATIC", "USD", 4, 8)
    assert (second["symbol"], second["status"], second["trading_status"]) == ("EUR/USD", "cancel_only", "suspended")
    assert (first["canonical_name"], first["kind"], first["tick_size"], first["lot_size"]) == ("MATIC-USD", "spot", encode("0.0001"), None)


def test_ticker_time_is_never_invented() -> None:
    """A ticker has a time only where the message carries one."""
    assert read(TICKER % "")[0]["event_time"] is None
    (record,) = read(TICKER % ',"timestamp":"2023-09-25T07:48:36.9255337Z"')
    assert (record["event_time"], "sequence" in record, record["bid_size"]) == (1695628116925533, False, encode("740.0"))


def test_trades_reply() -> None:
    """REST rows become trades of the pair asked for, in our spelling of it; their times are cut to microseconds."""
    rows = (
        '[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],["30243.30000","0.00376960",1688669598,"s","l","",61044953]]'
    )
    first, second = read('{"error":[],"result":{"XXBTZUSD":' + rows + ',"last":"1688671969993150842"}}', request=SINCE)
    assert (first["symbol"], first["side"], first["event_time"], first["sequence"]) == ("BTC/USD", "buy", 1688669597827736, 61044952)
    assert (first["price"], first["replayed"]) == (encode("30243.4"), False)
    assert (second["side"], second["event_time"]) == ("sell", 1688669598000000)


def test_trades_are_asked_for_from_before_the_gap() -> None:
    """`since` is exclusive and trades of one order share a time, so it begins a microsecond before; without a time there is no asking."""
    request = SPOKEN.trades_request("BTC/USD", 61044952, 1688669597827736)
    assert request is not None
    assert request.text == SINCE
    assert SPOKEN.trades_request("BTC/USD", 61044952, None) is None


@pytest.mark.parametrize(
    "payload",
    [
        '{"channel":"heartbeat"}',
        '{"channel":"status","type":"update","data":[{"system":"online","version":"2.0.0"}]}',
        '{"method":"pong","req_id":1,"time_in":"2024-05-20T11:08:49.272922Z","time_out":"2024-05-20T11:08:49.272940Z"}',
        '{"method":"subscribe","req_id":0,"result":{"channel":"trade","snapshot":true,"symbol":"BTC/USD"},"success":true}',
        '{"error":"Currency pair not supported XBT/USD","method":"subscribe","req_id":1,"success":false,"symbol":"XBT/USD"}',
    ],
)
def test_answers_are_no_events(payload: str) -> None:
    """Heartbeats, status, pongs, acknowledgements and refusals make no event."""
    assert read(payload) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"channel":"ohlc","type":"update","data":[]}', "Invalid value 'ohlc' - at `\\$.channel`"),
        ('{"channel":"trade","type":"delete","data":[]}', "Invalid enum value 'delete' - at `\\$.type`"),
        (BOOK.replace('"checksum":2114181697,', ""), "missing required field `checksum`"),
        (BOOK[:-5], "truncated"),
        (BOOK.replace("0.5657", "null"), "None is not a number"),
        (BOOK.replace("0.5657", "true"), "True is not a number"),
        (BOOK.replace("0.5657", "0.1234567890123456789"), "more than 18 decimals"),
        (BOOK.replace("17:35:55.440295Z", "17:35:55.440295"), "not a time in UTC"),
        (BOOK.replace("17:35:55", "17:61:55"), "not a time"),
        (INSTRUMENTS.replace('"price_precision":5', '"price_precision":19'), "<= 18"),
        ("{}", "channel"),
    ],
)
def test_refuses_with_what_was_wrong(payload: str, reason: str) -> None:
    """What is unknown, incomplete, cut, no number or no time is refused with words that name it."""
    with pytest.raises(InvalidDatum, match=reason):
        read(payload)


@pytest.mark.parametrize(
    ("request_text", "payload", "reason"),
    [
        (SINCE, '{"error":["EGeneral:Too many requests"]}', "EGeneral:Too many requests"),
        (SINCE, '{"error":[],"result":{"last":"1"}}', "expected the trades of one pair"),
        (SINCE, '{"error":[],"result":{"XXBTZUSD":[["1","2",3,"x","l","",4]],"last":"1"}}', "not a trade"),
        ("GET /0/public/Time", '{"error":[]}', "nobody knows how to read"),
    ],
)
def test_refuses_replies_in_the_venues_words(request_text: str, payload: str, reason: str) -> None:
    """A reply which is an error is refused with the venue's words; others with what was expected."""
    with pytest.raises(InvalidDatum, match=reason):
        read(payload, request=request_text)


def test_each_symbol_is_confirmed_or_refused() -> None:
    """Acknowledgements come per symbol; a refusal names the symbol, or is of the whole request."""
    asked = [Stream("quote", "BTC/USD"), Stream("quote", "XBT/USD")]
    session = SPOKEN.session()
    session.ask(asked)
    confirmed = b'{"method":"subscribe","req_id":1,"result":{"channel":"ticker","snapshot":true,"symbol":"BTC/USD"},"success":true}'
    assert session.hear(confirmed).confirmed == (Stream("quote", "BTC/USD"),)
    words = "Currency pair not supported XBT/USD"
    refused = orjson.dumps({"error": words, "method": "subscribe", "req_id": 1, "success": False, "symbol": "XBT/USD"})
    assert session.hear(refused).refused == ((Stream("quote", "XBT/USD"), words),)
    of_all = b'{"error":"Event trigger not supported","method":"subscribe","req_id":1,"success":false}'
    assert [stream for stream, _ in session.hear(of_all).refused] == asked
    assert session.hear(b'{"error":"Malformed request","method":"error","success":false}').refused == ((None, "Malformed request"),)
    instrument = b'{"method":"subscribe","req_id":0,"result":{"channel":"instrument","snapshot":true},"success":true}'
    assert SPOKEN.session().hear(instrument).confirmed == (Stream("instrument", ""),)
    assert session.hear(confirmed.replace(b'"subscribe"', b'"unsubscribe"')) == FrameSignal()


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (("BTC/USD", "TBTC/USD", "BTC/USDT"), "TBTC/USD"),
        (("BTC/USD", "TBTC/USD", "BTC/USDT"), "BTC/USDT"),
        (("T/EUR", "DOT/EUR"), "DOT/EUR"),
        (("A/EUR", "EUR/A"), "EUR/A"),
    ],
)
def test_a_refusal_is_of_the_symbol_in_its_own_field(asked: tuple[str, ...], refused: str) -> None:
    """A pair whose name is part of another's, or stands in the words, is not refused with it; words alone name nobody."""
    streams = [Stream("trade", symbol) for symbol in asked]
    session = SPOKEN.session()
    session.ask(streams)
    words = f"Currency pair not supported {refused}"
    answer = {"error": words, "method": "subscribe", "req_id": 1, "success": False, "symbol": refused}
    assert session.hear(orjson.dumps(answer)).refused == ((Stream("trade", refused), words),)
    of_another = answer | {"symbol": f"{refused}X", "error": f"{words}X"}
    assert session.hear(orjson.dumps(of_another)).refused == ((None, f"{words}X"),)
    del answer["symbol"]
    assert session.hear(orjson.dumps(answer)).refused == tuple((stream, words) for stream in streams)


def test_hears_streams_in_any_spacing() -> None:
    """The usual opening is heard without parsing, any other form by parsing; heartbeats are nobody's."""
    spaced = orjson.dumps(orjson.loads(BOOK), option=orjson.OPT_INDENT_2)
    session = SPOKEN.session()
    assert session.hear(BOOK.encode()).stream == session.hear(spaced).stream == Stream("book", "MATIC/USD")
    assert session.hear((TICKER % "").encode()).stream == Stream("quote", "ALGO/USD")
    assert session.hear(INSTRUMENTS.encode()).stream == Stream("instrument", "")
    assert session.hear(b'{"channel":"heartbeat"}') == FrameSignal()


def test_subscribes_to_instruments_first() -> None:
    """Precisions are asked for before the books whose checksum needs them; the ticker is asked for each change of the best prices."""
    streams = [Stream("book", "BTC/USD"), Stream("quote", "BTC/USD"), Stream("trade", "BTC/USD"), Stream("instrument", "")]
    session = SPOKEN.session()
    sent = [orjson.loads(message.message) for message in session.ask(streams)]
    assert [message["params"]["channel"] for message in sent] == ["instrument", "trade", "book", "ticker"]
    assert sent[2] == {
        "method": "subscribe",
        "params": {"channel": "book", "symbol": ["BTC/USD"], "snapshot": True, "depth": 100},
        "req_id": 3,
    }
    assert sent[3]["params"]["event_trigger"] == "bbo"
    assert orjson.loads(session.ping() or b"") == {"method": "ping", "req_id": 5}
    with pytest.raises(KeyError, match="candle"):
        session.ask([Stream("candle", "BTC/USD")])


@given(st.integers(0, 4 * 10**15), st.integers(0, 999))
def test_times_are_exact_to_the_microsecond(time: int, nanoseconds: int) -> None:
    """RFC 3339 with nine digits comes back to the microsecond, the rest cut, never rounded."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    assert microseconds(f"{moment:%Y-%m-%dT%H:%M:%S.%f}{nanoseconds:03d}Z") == time


@given(price=st.decimals(0, 10**18, places=18), exponent=st.integers(0, 18), integer=st.integers(0, 10**19))
def test_numbers_keep_their_value_to_the_last_digit(price: Decimal, exponent: int, integer: int) -> None:
    """Numbers of 18 decimals, integers beyond 64 bits and exponents come out of Avro as they were on the wire."""
    codec = Codec(event("book_delta"), 1)
    texts = [f"{price:f}", str(integer), f"12345e-{exponent}", f"{integer}E0"]
    levels = ",".join(f'{{"price":{text},"qty":{text}}}' for text in texts)
    (record,) = read(BOOK.replace('"asks":[]', f'"asks":[{levels}]'))
    decoded = codec.decode(codec.encode(whole("book_delta", record)))
    assert decoded["ask_prices"] == decoded["ask_sizes"] == [Decimal(text) for text in texts]
