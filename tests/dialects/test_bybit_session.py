"""What is said on a connection to Bybit, and what its answers mean."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.bybit.dialect import Bybit, BybitInverse, BybitLinear, BybitSpot
from dialects.bybit.session import LONGEST_ARGS
from dialects.session import Subscription
from dialects.stream import Stream

SPOT, LINEAR, INVERSE = BybitSpot(), BybitLinear(), BybitInverse()
MARKETS = pytest.mark.parametrize("spoken", [SPOT, LINEAR, INVERSE], ids=lambda one: one.venue)
BOOKS = [Stream("book", f"COIN{number}USDT") for number in range(25)]


def asked(messages: list[Subscription]) -> list[dict[str, Any]]:
    """Return the documents of messages."""
    return [orjson.loads(one.message) for one in messages]


def answer(number: str | None, *, success: bool, words: str) -> bytes:
    """Return the venue's answer to a request."""
    return orjson.dumps({"success": success, "ret_msg": words, "conn_id": "c", "req_id": number, "op": "subscribe"})


@MARKETS
def test_topics_of_channels(spoken: Bybit) -> None:
    """Each channel is asked for by its topic; level 1 is the quote, the book has the depth of the class; request ids are text."""
    (document,) = asked(spoken.session().ask([Stream("trade", "X"), Stream("book", "X"), Stream("quote", "X")]))
    assert document == {"req_id": "1", "op": "subscribe", "args": ["publicTrade.X", "orderbook.50.X", "orderbook.1.X"]}
    assert spoken.url(spoken.production, ()) == f"wss://stream.bybit.com/v5/public/{spoken.market.category}"


def test_topics_of_contracts() -> None:
    """Tickers and liquidations are of contracts."""
    (document,) = asked(LINEAR.session().ask([Stream("ticker", "X"), Stream("liquidation", "X")]))
    assert document["args"] == ["tickers.X", "allLiquidation.X"]
    assert not {"ticker", "liquidation"} & SPOT.channels.keys()


def test_another_depth_is_a_class_attribute() -> None:
    """A dialect of 200 levels subscribes `orderbook.200`."""

    class Deep(BybitLinear):
        book_depth = 200

    (document,) = asked(Deep().session().ask([Stream("book", "X")]))
    assert document["args"] == ["orderbook.200.X"]


def test_spot_takes_ten_topics_a_request() -> None:
    """Of spot no request has more than ten topics, or all of it would be refused."""
    assert [len(document["args"]) for document in asked(SPOT.session().ask(BOOKS))] == [10, 10, 5]
    assert [len(document["args"]) for document in asked(SPOT.session().give_up(BOOKS))] == [10, 10, 5]


@MARKETS
@given(st.lists(st.integers(1, 9000), max_size=120))
def test_no_request_is_longer_than_the_venue_takes(spoken: Bybit, lengths: list[int]) -> None:
    """However long the symbols are, each stream is asked for once, in order, in requests within both limits."""
    streams = [Stream("book", "X" * length + str(place)) for place, length in enumerate(lengths)]
    messages = spoken.session().ask(streams)
    assert [stream for message in messages for stream in message.streams] == streams
    for document in asked(messages):
        assert len(document["args"]) <= spoken.market.args
        assert sum(map(len, document["args"])) <= LONGEST_ARGS
    assert len({document["req_id"] for document in asked(messages)}) == len(messages)


@MARKETS
def test_a_connection_of_all_its_streams_is_within_the_venues_limit(spoken: Bybit) -> None:
    """As many streams as a connection may carry, with the longest names, have topics of no more than 21,000 characters."""
    longest = max(len(f"{topic}.1000000BABYDOGEUSDT") for topic in ("orderbook.50", "publicTrade", "allLiquidation", "tickers"))
    assert spoken.limits.streams_per_connection * (longest + 3) <= LONGEST_ARGS


@MARKETS
def test_one_answer_confirms_all_of_its_request(spoken: Bybit) -> None:
    """An answer names its request alone, and confirms each of its streams."""
    session = spoken.session()
    (first,), (second,) = session.ask(BOOKS[:10]), session.ask(BOOKS[10:20])
    assert session.hear(answer("2", success=True, words="subscribe")).confirmed == second.streams
    assert session.hear(answer("1", success=True, words="")).confirmed == first.streams
    assert session.hear(answer("77", success=True, words="")).confirmed == ()
    assert session.hear(answer(None, success=True, words="")).confirmed == ()


@MARKETS
def test_a_wrong_topic_is_refused_and_the_others_are_asked_for_again(spoken: Bybit) -> None:
    """One wrong topic refuses its whole request: it alone is refused, and the others are asked for at once, and confirmed."""
    session = spoken.session()
    streams = BOOKS[:3]
    session.ask(streams)
    words = f"error:handler not found,topic:orderbook.50.{streams[1].symbol}"
    heard = session.hear(answer("1", success=False, words=words))
    assert heard.refused == ((streams[1], words),)
    assert heard.answer is not None
    again = orjson.loads(heard.answer)
    assert (again["op"], again["args"]) == ("subscribe", [f"orderbook.50.{one.symbol}" for one in (streams[0], streams[2])])
    assert session.hear(answer(again["req_id"], success=True, words="")).confirmed == (streams[0], streams[2])


@MARKETS
def test_only_a_whole_topic_is_meant(spoken: Bybit) -> None:
    """`orderbook.50.BTCUSDT` within `orderbook.50.BTCUSDTX` is not named; where nothing is named all of the request is refused."""
    session = spoken.session()
    session.ask([Stream("book", "BTCUSDT"), Stream("book", "BTCUSDTX")])
    heard = session.hear(answer("1", success=False, words="Invalid topic: [orderbook.50.BTCUSDTX]"))
    assert [stream for stream, _ in heard.refused] == [Stream("book", "BTCUSDTX")]
    session.ask([Stream("book", "A"), Stream("book", "B")])
    heard = session.hear(answer("3", success=False, words="args size >10"))
    assert heard.refused == ((Stream("book", "A"), "args size >10"), (Stream("book", "B"), "args size >10"))
    assert heard.answer is None
    assert session.hear(answer("99", success=False, words="no")).refused == ((None, "no"),)


@MARKETS
def test_what_is_subscribed_already_is_confirmed(spoken: Bybit) -> None:
    """A topic that is subscribed already goes on: it is confirmed, and the others of its request are asked for again."""
    session = spoken.session()
    session.ask(BOOKS[:2])
    heard = session.hear(answer("1", success=False, words=f"error:already subscribed,topic:orderbook.50.{BOOKS[0].symbol}"))
    assert (heard.confirmed, heard.refused) == ((BOOKS[0],), ())
    assert heard.answer is not None
    assert orjson.loads(heard.answer)["args"] == [f"orderbook.50.{BOOKS[1].symbol}"]


@MARKETS
def test_giving_up_is_not_confirmed(spoken: Bybit) -> None:
    """The answer to an unsubscription confirms nothing."""
    session = spoken.session()
    session.give_up(BOOKS[:1])
    assert session.hear(b'{"success":true,"ret_msg":"","conn_id":"c","req_id":"1","op":"unsubscribe"}').confirmed == ()


@MARKETS
@pytest.mark.parametrize(
    ("topic", "stream"),
    [
        ("publicTrade.BTCUSDT", Stream("trade", "BTCUSDT")),
        ("orderbook.1.BTCUSDT", Stream("quote", "BTCUSDT")),
        ("orderbook.200.BTC-25DEC26", Stream("book", "BTC-25DEC26")),
        ("tickers.BTCUSD", Stream("ticker", "BTCUSD")),
        ("allLiquidation.BTCUSD", Stream("liquidation", "BTCUSD")),
        ("kline.1.BTCUSDT", None),
        ("orderbook.full.BTCUSDT", None),
        ("publicTrade.", None),
        ("system.status", None),
    ],
)
def test_hears_by_the_topic_wherever_it_stands(spoken: Bybit, topic: str, stream: Stream | None) -> None:
    """The stream is told by the topic, first or last in the frame."""
    session = spoken.session()
    assert session.hear(orjson.dumps({"topic": topic, "type": "snapshot"})).stream == stream
    assert session.hear(orjson.dumps({"ts": 1, "topic": topic})).stream == stream


@MARKETS
@pytest.mark.parametrize(
    "payload",
    [b"", b"[", b'{"topic":"\xff.X"}', b'{"topic":"trade', b'{"op":"subscribe","success":1}', b'{"op":5}', b'{"topic":"\\ud800"}'],
)
def test_hears_nothing_in_what_nobody_said(spoken: Bybit, payload: bytes) -> None:
    """Broken bytes are nobody's data."""
    heard = spoken.session().hear(payload)
    assert (heard.stream, heard.confirmed, heard.refused) == (None, (), ())


@MARKETS
def test_names_in_any_script(spoken: Bybit) -> None:
    """A symbol in another script is heard as it is read, whether its letters are escaped or not."""
    stream = Stream("trade", "\u5e01\u5b89USDT")
    for payload in (orjson.dumps({"topic": f"publicTrade.{stream.symbol}"}), b'{"topic":"publicTrade.\\u5e01\\u5b89USDT"}'):
        assert spoken.session().hear(payload).stream == stream


@MARKETS
def test_pings_every_twenty_seconds(spoken: Bybit) -> None:
    """The venue wants its own ping, and its pong is nobody's data."""
    session = spoken.session()
    assert spoken.limits.ping_every == 20
    assert session.ping() == b'{"op":"ping"}'
    assert session.hear(b'{"success":true,"ret_msg":"pong","conn_id":"c","op":"ping"}').stream is None
