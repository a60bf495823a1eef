"""How OKX is asked, and how its answers are heard."""

from typing import Any

import orjson
import pytest

from dialects.contract import Endpoints
from dialects.okx.dialect import Okx
from dialects.session import FrameSignal
from dialects.stream import Stream
from producers import plan
from topology.settings import Venue

SPOKEN = Okx()
LOCAL = Endpoints("ws://127.0.0.1:1", "http://127.0.0.1:1")
TRADE, BOOK, STATUS = Stream("trade", "BTC-USDT"), Stream("book", "BTC-USDT"), Stream("venue_status", "")


def asked(*streams: Stream) -> list[dict[str, Any]]:
    """Return the arguments of the one message that asks for streams."""
    (message,) = SPOKEN.session().ask(streams)
    assert message.streams == streams
    document = orjson.loads(message.message)
    assert (document["op"], document["id"]) == ("subscribe", "1")
    return list(document["args"])


def test_each_socket_has_its_address() -> None:
    """`public` and `business`, as the documents say; a connection carries channels of one of them."""
    assert SPOKEN.url(SPOKEN.production, [BOOK]) == "wss://ws.okx.com:8443/ws/v5/public"
    assert SPOKEN.url(SPOKEN.production, [TRADE]) == "wss://ws.okx.com:8443/ws/v5/business"
    assert SPOKEN.url(LOCAL, ()) == "ws://127.0.0.1:1/public"
    with pytest.raises(ValueError, match="business and public"):
        SPOKEN.url(LOCAL, [BOOK, TRADE])


def test_what_is_asked_for_is_what_the_documents_name() -> None:
    """Channels by instrument, by product or by family, each an argument of its own."""
    assert asked(TRADE) == [{"channel": "trades-all", "instId": "BTC-USDT"}]
    assert asked(BOOK, STATUS) == [{"channel": "books", "instId": "BTC-USDT"}, {"channel": "status"}]
    assert asked(Stream("liquidation", "")) == [
        {"channel": "liquidation-orders", "instType": "SWAP"},
        {"channel": "liquidation-orders", "instType": "FUTURES"},
    ]
    assert asked(Stream("option_summary", "")) == [
        {"channel": "opt-summary", "instFamily": "BTC-USD"},
        {"channel": "opt-summary", "instFamily": "ETH-USD"},
    ]
    wanted = {"channel": "estimated-price", "instType": "OPTION", "instId": "BTC-USD-241013-70000-P"}
    assert asked(Stream("settlement_price", "BTC-USD-241013-70000-P")) == [wanted]


def test_an_instrument_is_asked_for_what_it_has() -> None:
    """Spot has an index and no funding; a perpetual has a mark price and no index; a future settles; an id of no known form trades."""
    symbols = ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-260925", "SOMETHING")
    found = {symbol: {one.channel for one in plan.streams(SPOKEN, Venue(symbols=symbols)) if one.symbol == symbol} for symbol in symbols}
    always = {"trade", "book", "quote", "block_trade"}
    assert found["BTC-USDT"] == always | {"index_price"}
    assert found["BTC-USDT-SWAP"] == always | {"mark_price", "funding_rate", "open_interest"}
    assert found["BTC-USD-260925"] == always | {"mark_price", "settlement_price", "open_interest"}
    assert found["SOMETHING"] == always


def test_a_connection_has_less_than_thirty_channels() -> None:
    """As the page of books advises; those of `business` are on others."""
    together = plan.connections(SPOKEN, plan.streams(SPOKEN, Venue(symbols=tuple(f"C{number}-USDT" for number in range(40)))))
    assert all(len(streams) < 30 for streams in together)
    assert all(len({SPOKEN.channels[stream.channel].route for stream in streams}) == 1 for streams in together)


def test_each_argument_is_confirmed_by_itself() -> None:
    """An answer names what it confirms; one that somebody else asked for is heard too, and an end confirms nothing."""
    session = SPOKEN.session()
    session.ask([BOOK, STATUS])
    heard = session.hear(b'{"id":"1","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}')
    assert heard == FrameSignal(confirmed=(BOOK,))
    assert session.hear(b'{"event":"subscribe","arg":{"channel":"status"}}') == FrameSignal(confirmed=(STATUS,))
    assert session.hear(b'{"event":"subscribe","arg":{"channel":"sprd-books5"}}') == FrameSignal()
    assert session.hear(b'{"event":"unsubscribe","arg":{"channel":"status"}}') == FrameSignal()


def test_a_refusal_is_of_what_its_words_name() -> None:
    """By the number of the request, and by channel and instrument where the words name them; else of all of the request."""
    session = SPOKEN.session()
    other = Stream("book", "NO-SUCH")
    session.ask([BOOK, other])
    words = "Wrong URL or channel:books,instId:NO-SUCH doesn't exist. Please use the correct URL, channel and parameters"
    refused = session.hear(orjson.dumps({"id": "1", "event": "error", "code": "60018", "msg": words})).refused
    assert refused == ((other, f"{words} (code 60018)"),)
    whole = session.hear(b'{"id":"1","event":"error","code":"60012","msg":"Invalid request"}').refused
    assert whole == ((BOOK, "Invalid request (code 60012)"), (other, "Invalid request (code 60012)"))
    assert session.hear(b'{"event":"error","code":"60014","msg":"Requests too frequent"}').refused == (
        (None, "Requests too frequent (code 60014)"),
    )


@pytest.mark.parametrize(
    ("argument", "stream"),
    [
        (b'{"channel":"trades-all","instId":"BTC-USDT"}', TRADE),
        (b'{"channel":"trades","instId":"BTC-USDT"}', TRADE),
        (b'{"channel":"books-l2-tbt","instId":"BTC-USDT"}', BOOK),
        (b'{"channel":"bbo-tbt","instId":"BTC-USD-241013-70000-P"}', Stream("quote", "BTC-USD-241013-70000-P")),
        (b'{"channel":"estimated-price","instType":"FUTURES","instId":"A-B-251226"}', Stream("settlement_price", "A-B-251226")),
        (b'{"channel":"liquidation-orders","instType":"SWAP"}', Stream("liquidation", "")),
        (b'{"channel":"opt-summary","instFamily":"BTC-USD"}', Stream("option_summary", "")),
        (b'{"channel":"candle1m","instId":"BTC-USDT"}', Stream("kline", "BTC-USDT")),
        (b'{"channel":"tickers","instId":"BTC-USDT"}', None),
        (b'{"channel":"books"}', None),
        (b'{"channel":"books","instId":7}', None),
    ],
)
def test_who_speaks(argument: bytes, stream: Stream | None) -> None:
    """By the argument with which a frame begins, or which it holds elsewhere."""
    session = SPOKEN.session()
    assert session.hear(b'{"arg":' + argument + b',"data":[]}') == FrameSignal(stream)
    assert session.hear(b'{"data":[],"arg":' + argument + b"}") == FrameSignal(stream)


def test_a_notice_of_the_end_is_a_word_of_the_venue_and_an_end() -> None:
    """Code 64008 asks for another connection; another notice does not."""
    session = SPOKEN.session()
    assert session.hear(b'{"event":"notice","code":"64008","msg":"soon","connId":"x"}') == FrameSignal(STATUS, closing=True)
    assert session.hear(b'{"event":"notice","code":"1","msg":"soon"}') == FrameSignal(STATUS)


def test_pings_are_text() -> None:
    """The text `ping` within 30 seconds, whose answer is nobody's data."""
    session = SPOKEN.session()
    assert session.ping() == b"ping"
    assert 0 < SPOKEN.limits.ping_every < 30
    assert session.hear(b"pong") == FrameSignal()


def test_requests_of_an_hour_are_no_more_than_allowed() -> None:
    """480 in an hour, and each may ask for many."""
    assert SPOKEN.limits.messages_per_second * 3600 <= 480
    streams = [Stream("book", f"C{number}-USDT") for number in range(250)]
    messages = SPOKEN.session().ask(streams)
    assert [len(one.streams) for one in messages] == [100, 100, 50]
    assert all(len(one.message) < 65_536 for one in messages)
