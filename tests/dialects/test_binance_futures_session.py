"""What is said to Binance's futures and heard of them: streams by name, answers by number, who speaks in each frame."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.binance_futures.dialect import BinanceCoinm, BinanceUsdm
from dialects.binance_futures.streams import name_of, stream_of
from dialects.routes import apart
from dialects.session import FrameSignal
from dialects.stream import Stream

USDM, COINM = BinanceUsdm(), BinanceCoinm()
PUSHED = [Stream(channel, "BTCUSDT") for channel in ("trade", "book", "quote", "mark_price", "liquidation")] + [Stream("contract_info", "")]


def test_streams_are_asked_for_by_name() -> None:
    """One request, numbered from 1, names each stream in lower case; giving up is a request of its own."""
    session = USDM.session()
    (asked,) = session.ask(PUSHED)
    names = ["btcusdt@aggTrade", "btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@markPrice@1s", "btcusdt@forceOrder", "!contractInfo"]
    assert orjson.loads(asked.message) == {"method": "SUBSCRIBE", "params": names, "id": 1}
    assert asked.streams == tuple(PUSHED)
    (given_up,) = session.give_up(PUSHED[:1])
    assert orjson.loads(given_up.message) == {"method": "UNSUBSCRIBE", "params": names[:1], "id": 2}


def test_many_streams_are_asked_for_in_parts() -> None:
    """A hundred at a time; each answer confirms its own."""
    session = COINM.session()
    streams = [Stream("trade", f"S{number}USD_PERP") for number in range(250)]
    asked = session.ask(streams)
    assert [len(one.streams) for one in asked] == [100, 100, 50]
    assert session.hear(b'{"result":null,"id":3}').confirmed == tuple(streams[200:])


def test_what_is_polled_is_no_stream_of_the_socket() -> None:
    """Open interest is asked for over REST: to ask for it here is a mistake of ours."""
    with pytest.raises(KeyError):
        USDM.session().ask([Stream("open_interest", "BTCUSDT")])


def test_answers_confirm_and_refuse() -> None:
    """By the request's number, in the venue's words; an answer to nothing that was asked refuses nobody in particular."""
    session = USDM.session()
    session.ask(PUSHED[:2])
    assert session.hear(b'{"result":null,"id":1}') == FrameSignal(confirmed=tuple(PUSHED[:2]))
    words = "Invalid request: unknown variant (code 2)"
    body = b'{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":1}'
    assert session.hear(body) == FrameSignal(refused=tuple((stream, words) for stream in PUSHED[:2]))
    assert session.hear(b'{"code":3,"msg":"Invalid JSON"}') == FrameSignal(refused=((None, "Invalid JSON (code 3)"),))
    assert session.hear(b'{"result":null,"id":[1]}') == FrameSignal()


@pytest.mark.parametrize(
    ("payload", "stream"),
    [
        (b'{"stream":"btcusdt@aggTrade","data":{', Stream("trade", "BTCUSDT")),
        (b'{"stream":"btcusd_perp@depth@100ms","data":{', Stream("book", "BTCUSD_PERP")),
        (b'{"stream":"btcusdt@depth@500ms","data":{', Stream("book", "BTCUSDT")),
        (b'{"stream":"btcusdt_261225@bookTicker","data":{', Stream("quote", "BTCUSDT_261225")),
        (b'{"stream":"btcusdt@markPrice","data":{', Stream("mark_price", "BTCUSDT")),
        (b'{"stream":"btcusdt@kline_1m","data":{', Stream("kline", "BTCUSDT")),
        (b'{"stream":"!contractInfo","data":{', Stream("contract_info", "")),
        ('{"stream":"币安人生usdt@aggTrade","data":{'.encode(), Stream("trade", "币安人生USDT")),
        (b'{"stream": "btcusdt@forceOrder", "data": {"e": "forceOrder", "o": {"s": "X"}}}', Stream("liquidation", "BTCUSDT")),
        (b'{"stream":"!forceOrder@arr","data":{"e":"forceOrder","o":{"s":"BTCUSDT"}}}', Stream("liquidation", "BTCUSDT")),
        (b'{"e":"aggTrade","s":"BTCUSDT"}', Stream("trade", "BTCUSDT")),
        (b'{"e":"contractInfo","s":"BTCUSDT"}', Stream("contract_info", "")),
        (b'{"stream":"btcusdt@depth5","data":{"e":"x"}}', None),
        (b'{"stream":"@aggTrade","data":{"e":"x"}}', None),
        (b'{"stream":"!markPrice@arr","data":[]}', None),
        (b'{"stream":7,"data":{"e":["aggTrade"],"s":1}}', None),
        (b'{"e":"aggTrade","s":""}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_who_speaks_is_heard(payload: bytes, stream: Stream | None) -> None:
    """By the stream's name at the frame's beginning, else by its event; what is nobody's says so."""
    assert USDM.session().hear(payload) == FrameSignal(stream)


def test_an_end_that_is_announced_is_heard() -> None:
    """Should the futures announce a shutdown as spot does, the feed takes it as that."""
    assert USDM.session().hear(b'{"e":"serverShutdown","E":1790000000000}').closing


@given(st.sampled_from(PUSHED), st.text("abcdefghij0123456789_", min_size=1, max_size=20))
def test_a_name_is_its_streams(stream: Stream, symbol: str) -> None:
    """The name of any symbol's stream is heard as that stream."""
    named = stream if stream.channel == "contract_info" else stream._replace(symbol=symbol.upper())
    assert stream_of(name_of(named).encode()) == named


def test_routes_are_connections_of_their_own() -> None:
    """Of USD-M books and quotes go together, and all else; of COIN-M all of it."""
    assert [{stream.channel for stream in some} for some in apart(USDM, PUSHED)] == [
        {"trade", "mark_price", "liquidation", "contract_info"},
        {"book", "quote"},
    ]
    assert [len(some) for some in apart(COINM, PUSHED)] == [6]
