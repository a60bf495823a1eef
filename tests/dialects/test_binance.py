"""Binance spot: what each kind of frame and reply becomes, by the examples of the venue's documentation."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.binance.dialect import STREAMS_PER_MESSAGE, Binance
from dialects.memory import Memory
from dialects.session import FrameSignal, Session
from dialects.stream import Stream
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame, whole

SPOKEN = Binance()
TRADE = {"e": "trade", "E": 1672515782136, "s": "BNBBTC", "t": 12345, "p": "0.001", "q": "100", "T": 1672515782136, "m": True, "M": True}
DEPTH = {"e": "depthUpdate", "E": 1672515782136, "s": "BNBBTC", "U": 157, "u": 160, "b": [["0.0024", "10"]], "a": [["0.0026", "100"]]}
TICKER = {"u": 400900217, "s": "BNBUSDT", "b": "25.35190000", "B": "31.21000000", "a": "25.36520000", "A": "40.66000000"}


def combined(stream: str, data: dict[str, Any]) -> bytes:
    """Return a frame of a combined connection."""
    return orjson.dumps({"stream": stream, "data": data})


def asking(*streams: Stream) -> Session:
    """Return a session that has asked for these streams, in request 1."""
    session = SPOKEN.session()
    session.ask(streams)
    return session


def read_one(payload: bytes | str, request: str | None = None) -> dict[str, Any]:
    """Return the one record in a frame."""
    ((_, record),) = SPOKEN.read(frame("binance", payload, request), Memory())
    return record


def test_trade() -> None:
    """A trade keeps id, price and size; the buyer being the maker means that the taker sold; times become microseconds."""
    record = read_one(combined("bnbbtc@trade", TRADE))
    assert (record["symbol"], record["trade_id"], record["sequence"], record["side"]) == ("BNBBTC", "12345", 12345, "sell")
    assert (record["price"], record["size"], record["event_time"]) == (encode("0.001"), encode("100"), 1672515782136000)
    assert record["replayed"] is False
    assert read_one(combined("bnbbtc@trade", TRADE | {"m": False}))["side"] == "buy"


def test_microseconds_stay() -> None:
    """A time of 10¹⁴ or more is in microseconds already."""
    assert read_one(combined("bnbbtc@trade", TRADE | {"T": 1672515782136123}))["event_time"] == 1672515782136123


@pytest.mark.parametrize("stream", ["bnbbtc@depth@100ms", "bnbbtc@depth"])
def test_depth(stream: str) -> None:
    """A depth update is a change of the book with the range of ids it covers, unlimited in depth and without checksum."""
    record = read_one(combined(stream, DEPTH))
    assert (record["first_sequence"], record["last_sequence"], record["is_snapshot"], record["depth"]) == (157, 160, False, 0)
    assert (record["bid_prices"], record["bid_sizes"]) == ([encode("0.0024")], [encode("10")])
    assert (record["ask_prices"], record["ask_sizes"]) == ([encode("0.0026")], [encode("100")])
    assert ("checksum" in record, "price_scale" in record, record["event_time"]) == (False, False, 1672515782136000)


def test_book_ticker() -> None:
    """A quote has the update id and, as the venue gives none, no time."""
    record = read_one(combined("bnbusdt@bookTicker", TICKER))
    assert (record["sequence"], record["event_time"], record["ask_size"]) == (400900217, None, encode("40.66000000"))


@pytest.mark.parametrize("data", [TRADE, DEPTH, TICKER], ids=["trade", "depth", "bookTicker"])
def test_other_forms_of_a_frame_read_the_same(data: dict[str, Any]) -> None:
    """A plain frame, and a combined one written in another order or spacing, give the record of the usual form."""
    stream = {"trade": "x@trade", "depthUpdate": "x@depth@100ms"}.get(data.get("e", ""), "x@bookTicker")
    usual = read_one(combined(stream, data))
    assert read_one(orjson.dumps(data)) == usual
    assert read_one(orjson.dumps({"data": data, "stream": stream})) == usual
    assert read_one(orjson.dumps({"stream": stream, "data": data}, option=orjson.OPT_INDENT_2)) == usual


def test_aggregate_trade_has_its_own_ids() -> None:
    """An aggregate trade is known: id and sequence are the aggregate's."""
    data = {"e": "aggTrade", "E": 1, "s": "BNBBTC", "a": 9, "p": "1", "q": "2", "f": 100, "l": 105, "T": 1672515782136, "m": False}
    record = read_one(combined("bnbbtc@aggTrade", data))
    assert (record["trade_id"], record["sequence"], record["side"]) == ("9", 9, "buy")
    assert SPOKEN.session().hear(combined("bnbbtc@aggTrade", data)).stream == Stream("trade", "BNBBTC")


def test_depth_reply() -> None:
    """A depth reply is the whole book at its id, with the symbol and depth that were asked for."""
    request = SPOKEN.snapshot_request(Stream("book", "BTCUSDT"))
    assert request is not None
    assert request.text == "GET /api/v3/depth?symbol=BTCUSDT&limit=5000"
    record = read_one('{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[]}', request.text)
    assert (record["symbol"], record["is_snapshot"], record["depth"], "event_time" in record) == ("BTCUSDT", True, 5000, False)
    assert (record["first_sequence"], record["last_sequence"]) == (1027024, 1027024)


def test_historical_trades_reply() -> None:
    """Trades asked for come in order, numbered within the frame, with the symbol of the request."""
    request = SPOKEN.trades_request("BTCUSDT", 28457, None)
    assert request.text == "GET /api/v3/historicalTrades?symbol=BTCUSDT&fromId=28457&limit=1000"
    trade = {"id": 28457, "price": "4.00000100", "qty": "12.00000000", "quoteQty": "48.0", "time": 1499865549590, "isBuyerMaker": True}
    payload = orjson.dumps([trade, trade | {"id": 28458, "isBuyerMaker": False}])
    first, second = (record for _, record in SPOKEN.read(frame("binance", payload, request.text), Memory()))
    assert (first["sequence"], first["side"], first["event_time"]) == (28457, "sell", 1499865549590000)
    assert (second["sequence"], second["side"], second["symbol"]) == (28458, "buy", "BTCUSDT")


PAIR = {
    "symbol": "BNBBTC",
    "status": "HALT",
    "baseAsset": "BNB",
    "quoteAsset": "BTC",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.00000100", "maxPrice": "1000.0", "tickSize": "0.00000100"},
        {"filterType": "LOT_SIZE", "minQty": "0.00100000", "maxQty": "100000.00000000", "stepSize": "0.00100000"},
        {"filterType": "NOTIONAL", "minNotional": "0.00010000", "applyMinToMarket": True},
        {"filterType": "ICEBERG_PARTS", "limit": 100},
    ],
}


def test_instruments() -> None:
    """What is listed has its canonical name, its steps and limits, and the venue's word for its state; what is not said is null."""
    (poll,) = SPOKEN.polls([Stream("instrument", "BNBBTC"), Stream("instrument", "ETHUSDT")])
    assert poll.request.text == "GET /api/v3/exchangeInfo?symbols=%5B%22BNBBTC%22%2C%22ETHUSDT%22%5D"
    bare = PAIR | {"symbol": "ETHUSDT", "baseAsset": "ETH", "quoteAsset": "USDT", "status": "NOVEL", "filters": []}
    payload = orjson.dumps({"timezone": "UTC", "symbols": [PAIR, bare]})
    first, second = (fields for _, fields in SPOKEN.read(frame("binance", payload, poll.request.text), Memory()))
    assert (first["symbol"], first["canonical_name"], first["kind"], first["base"], first["quote"]) == (
        "BNBBTC",
        "BNB-BTC",
        "spot",
        "BNB",
        "BTC",
    )
    assert (first["tick_size"], first["lot_size"], first["min_notional"]) == (encode("0.000001"), encode("0.001"), encode("0.0001"))
    assert (first["price_scale"], first["size_scale"], first["status"], first["trading_status"]) == (6, 3, "HALT", "suspended")
    assert (second["tick_size"], second["price_scale"], second["trading_status"]) == (None, None, "unknown")
    with pytest.raises(InvalidDatum, match="Invalid symbol"):
        SPOKEN.read(frame("binance", '{"code":-1121,"msg":"Invalid symbol."}', poll.request.text), Memory())


@pytest.mark.parametrize(
    "payload", ['{"result":null,"id":1}', '{"e":"serverShutdown","E":1770123456789}', '{"error":{"code":2,"msg":"x"},"id":1}']
)
def test_answers_are_no_events(payload: str) -> None:
    """Acknowledgements, refusals and the notice of a shutdown make no event: the feed hears them."""
    assert list(SPOKEN.read(frame("binance", payload), Memory())) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (combined("bnbbtc@kline_1m", {"e": "kline", "s": "BNBBTC"}), "unknown message type 'kline'"),
        (combined("bnbbtc@trade", {key: value for key, value in TRADE.items() if key != "p"}), "missing required field `p`"),
        (combined("bnbbtc@trade", TRADE)[:-9], "truncated"),
        (combined("bnbbtc@trade", TRADE | {"p": 0.001}), "Expected `str`, got `float`"),
        (combined("bnbbtc@trade", TRADE | {"p": "1,5"}), "not a decimal number"),
        (combined("bnbbtc@trade", TRADE | {"t": -1}), ">= 0"),
        (combined("bnbbtc@depth@100ms", DEPTH | {"b": [["1"]]}), "length 2"),
        (b"[]", "not a frame of this venue"),
        (b'{"stream":"x"}', "not a frame of this venue"),
    ],
)
def test_refuses_with_what_was_wrong(payload: bytes, reason: str) -> None:
    """What is unknown, incomplete, cut or no number is refused with words that name it."""
    with pytest.raises(InvalidDatum, match=reason):
        SPOKEN.read(frame("binance", payload), Memory())


@pytest.mark.parametrize(
    ("request_text", "payload", "reason"),
    [
        ("GET /api/v3/depth?symbol=NOPE&limit=5000", '{"code":-1121,"msg":"Invalid symbol."}', r"Invalid symbol\. \(code -1121\)"),
        ("GET /api/v3/historicalTrades?symbol=NOPE", '{"code":-1003,"msg":"Way too much request weight used"}', "Way too much"),
        ("GET /api/v3/depth?limit=5000", "{}", "names no symbol"),
        ("GET /api/v3/ping?symbol=X", "{}", "nobody knows how to read"),
    ],
)
def test_refuses_replies_in_the_venues_words(request_text: str, payload: str, reason: str) -> None:
    """A reply which is an error is refused with the venue's words; one to a request we never make, with the request."""
    with pytest.raises(InvalidDatum, match=reason):
        SPOKEN.read(frame("binance", payload, request_text), Memory())


def test_confirmation_is_of_all_streams_of_a_request() -> None:
    """`{"result":null,"id":n}` confirms what request n asked for; an error refuses it in the venue's words."""
    asked = (Stream("trade", "BTCUSDT"), Stream("book", "BTCUSDT"))
    session = asking(*asked)
    assert session.hear(b'{"result":null,"id":1}').confirmed == asked
    assert session.hear(b'{"result":null,"id":4}') == FrameSignal()
    assert session.hear(b'{"result":null,"id":[1]}') == session.hear(b'{"result":null,"id":true}') == FrameSignal()
    words = "Invalid request: unknown variant (code 2)"
    refused = tuple((stream, words) for stream in asked)
    assert session.hear(b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":1}').refused == refused
    assert session.hear(b'{"code":2,"msg":"Invalid request: unknown variant"}').refused == ((None, words),)


def test_hears_a_shutdown() -> None:
    """serverShutdown, plain or combined, says that the connection is about to close."""
    assert SPOKEN.session().hear(b'{"e":"serverShutdown","E":1770123456789}').closing
    assert SPOKEN.session().hear(b'{"stream":"x","data":{"e":"serverShutdown","E":1}}').closing


def test_subscribes_in_parts() -> None:
    """Stream names are lower case and split over messages, each with its own id; the unit of time is in the address."""
    streams = [Stream(channel, f"S{number}USDT") for number in range(80) for channel in ("trade", "book", "quote")]
    session = SPOKEN.session()
    messages = session.ask(streams)
    assert [len(message.streams) for message in messages] == [STREAMS_PER_MESSAGE, STREAMS_PER_MESSAGE, 40]
    assert orjson.loads(messages[0].message)["params"][:3] == ["s0usdt@trade", "s0usdt@depth@100ms", "s0usdt@bookTicker"]
    assert orjson.loads(session.give_up(streams[:1])[0].message) == {"method": "UNSUBSCRIBE", "params": ["s0usdt@trade"], "id": 4}
    assert SPOKEN.url(SPOKEN.production, streams) == "wss://stream.binance.com:9443/stream?timeUnit=MICROSECOND"


@given(price=st.decimals(0, 10**18, places=18), size=st.decimals(0, 10**18, places=18))
def test_numbers_keep_their_value_to_the_last_digit(price: Any, size: Any) -> None:
    """A price of up to 18 decimals comes out of Avro as the number that was on the wire."""
    codec = Codec(event("trade"), 1)
    decoded = codec.decode(codec.encode(whole("trade", read_one(combined("x@trade", TRADE | {"p": f"{price:f}", "q": f"{size:f}"})))))
    assert (f"{decoded['price']:f}", f"{decoded['size']:f}") == (f"{price:f}", f"{size:f}")
