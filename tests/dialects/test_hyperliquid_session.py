"""What is said on a connection to Hyperliquid, and what its answers mean."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.hyperliquid.dialect import Hyperliquid
from dialects.session import FrameSignal, Session
from dialects.stream import Stream

SPOKEN = Hyperliquid()
BOOK = Stream("book", "BTC")
ALL = Stream("all_tickers", "")


def hear(session: Session, channel: str, data: Any) -> FrameSignal:
    """Return what a frame means to the feed."""
    return session.hear(orjson.dumps({"channel": channel, "data": data}))


def answer(session: Session, number: int, data: Any, kind: str = "l2Book") -> FrameSignal:
    """Let the venue answer a question."""
    return hear(session, "post", {"id": number, "response": {"type": "info", "payload": {"type": kind, "data": data}}})


def asked(session: Session, *streams: Stream) -> list[Any]:
    """Return the documents of what is said first for streams."""
    return [orjson.loads(one.message) for one in session.ask(streams)]


def subscribed(signal: FrameSignal) -> Any:
    """Return the subscription that is sent as an answer."""
    assert signal.answer is not None
    document = orjson.loads(signal.answer)
    assert document["method"] == "subscribe"
    return document["subscription"]


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        ("trade", {"type": "trades", "coin": "xyz:A"}),
        ("book", {"type": "l2Book", "coin": "xyz:A"}),
        ("quote", {"type": "bbo", "coin": "xyz:A"}),
        ("ticker", {"type": "activeAssetCtx", "coin": "xyz:A"}),
    ],
)
def test_a_coin_is_asked_about_before_it_is_subscribed(channel: str, wanted: dict[str, Any]) -> None:
    """A wrong coin ends the connection, so its book is asked for first; the subscription follows, and is confirmed by its echo."""
    session, stream = SPOKEN.session(), Stream(channel, "xyz:A")
    question = {"method": "post", "id": 1, "request": {"type": "info", "payload": {"type": "l2Book", "coin": "xyz:A"}}}
    assert asked(session, stream) == [question]
    signal = answer(session, 1, {"coin": "xyz:A", "time": 1, "levels": [[], []]})
    assert subscribed(signal) == wanted
    assert not signal.confirmed
    assert not signal.refused
    echo = wanted | ({"nSigFigs": None, "mantissa": None, "fast": False} if channel == "book" else {})
    assert hear(session, "subscriptionResponse", {"method": "subscribe", "subscription": echo}).confirmed == (stream,)


def test_a_coin_that_is_none_is_refused_alone() -> None:
    """Null is the answer for no such coin: that stream is refused in words, and no other is touched."""
    session = SPOKEN.session()
    asked(session, Stream("book", "NOPE"), BOOK)
    signal = answer(session, 1, None)
    assert signal.refused == ((Stream("book", "NOPE"), "the venue knows no coin 'NOPE'"),)
    assert signal.answer is None
    assert subscribed(answer(session, 2, {})) == {"type": "l2Book", "coin": "BTC"}


@pytest.mark.parametrize("payload", ["429 Too Many Requests", {"x": 1}])
def test_a_question_that_failed_says_nothing_of_the_coin(payload: Any) -> None:
    """Where the question itself is refused, the coin is subscribed as if it had not been asked."""
    session = SPOKEN.session()
    asked(session, BOOK)
    signal = hear(session, "post", {"id": 1, "response": {"type": "error", "payload": payload}})
    assert subscribed(signal) == {"type": "l2Book", "coin": "BTC"}


def test_a_coin_that_is_known_is_subscribed_at_once() -> None:
    """The second stream of a coin, or the same once more, needs no question."""
    session = SPOKEN.session()
    asked(session, BOOK)
    answer(session, 1, {})
    assert asked(session, Stream("trade", "BTC")) == [{"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}]


def test_all_contexts_are_subscribed_once_their_coins_are_known() -> None:
    """The universes come first on the same connection; then the subscription, which has no coin."""
    session = SPOKEN.session()
    assert asked(session, ALL) == [{"method": "post", "id": 1, "request": {"type": "info", "payload": {"type": "allPerpMetas"}}}]
    assert subscribed(answer(session, 1, [{"universe": [{"name": "BTC"}]}], "allPerpMetas")) == {"type": "allDexsAssetCtxs"}
    echo = {"method": "subscribe", "subscription": {"type": "allDexsAssetCtxs"}}
    assert hear(session, "subscriptionResponse", echo).confirmed == (ALL,)
    failed = hear(SPOKEN.session(), "post", {"id": 1, "response": {"type": "error", "payload": "429 Too Many Requests"}})
    assert failed == FrameSignal(), "asked again by the feed, for want of a confirmation"


def test_a_universe_that_has_grown_is_asked_for_once() -> None:
    """As soon as a DEX has more contexts than coins are known of it, its coins are asked for again, and not with every message."""
    session = SPOKEN.session()
    asked(session, ALL)
    answer(session, 1, [{"universe": [{"name": "BTC"}]}], "allPerpMetas")
    assert hear(session, "allDexsAssetCtxs", {"ctxs": [["", [{}]]]}) == FrameSignal(ALL)
    grown = {"ctxs": [["", [{}, {}]], ["xyz", [{}]]]}
    signal = hear(session, "allDexsAssetCtxs", grown)
    assert signal.answer is not None
    assert orjson.loads(signal.answer)["request"]["payload"] == {"type": "allPerpMetas"}
    assert hear(session, "allDexsAssetCtxs", grown) == FrameSignal(ALL)
    metas = [{"universe": [{"name": "BTC"}, {"name": "ETH"}]}, {"universe": [{"name": "xyz:A"}]}]
    assert answer(session, 2, metas, "allPerpMetas") == FrameSignal(), "the stream is subscribed already"


def test_a_fast_book_is_a_class_attribute() -> None:
    """Books of five levels twice a second are asked for by a flag, confirmed by the same channel, and given up by the same words."""

    class Fast(Hyperliquid):
        fast_book = True

    session = Fast().session()
    session.ask([BOOK, Stream("trade", "BTC")])
    assert subscribed(answer(session, 1, {})) == {"type": "l2Book", "coin": "BTC", "fast": True}
    assert subscribed(answer(session, 2, {})) == {"type": "trades", "coin": "BTC"}
    echo = {"type": "l2Book", "coin": "BTC", "nSigFigs": None, "mantissa": None, "fast": True}
    assert hear(session, "subscriptionResponse", {"method": "subscribe", "subscription": echo}).confirmed == (BOOK,)
    (given_up,) = session.give_up([BOOK])
    assert orjson.loads(given_up.message)["subscription"] == {"type": "l2Book", "coin": "BTC", "fast": True}


def test_errors_are_told_by_the_request_in_their_words() -> None:
    """What is subscribed already goes on; what is refused is refused with the venue's words; what is given up twice is nothing."""
    session, echo = SPOKEN.session(), '{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}'
    assert hear(session, "error", f"Already subscribed: {echo}") == FrameSignal(confirmed=(BOOK,))
    assert hear(session, "error", f"Already unsubscribed: {echo}") == FrameSignal()
    invalid = f"Invalid subscription {echo}"
    assert hear(session, "error", invalid) == FrameSignal(refused=((BOOK, invalid),))
    request = '{"method":"%s","subscription":{"type":"trades","coin":"BTC"}}'
    parse = f"Error parsing JSON into valid websocket request: {request % 'subscribe'}"
    assert hear(session, "error", parse) == FrameSignal(refused=((Stream("trade", "BTC"), parse),))
    assert hear(session, "error", f"Error parsing JSON into valid websocket request: {request % 'unsubscribe'}") == FrameSignal()
    assert hear(session, "error", "no more today") == FrameSignal(refused=((None, "no more today"),))
    assert hear(session, "error", "what {is} this") == FrameSignal(refused=((None, "what {is} this"),))
    other = 'Invalid subscription {"type":"candle","coin":"BTC"}'
    assert hear(session, "error", other) == FrameSignal(refused=((None, other),))


def test_a_question_that_is_not_understood_is_gone_on_from() -> None:
    """Where the venue does not take our question, its stream is subscribed without."""
    session = SPOKEN.session()
    question = session.ask([BOOK])[0].message.decode()
    assert subscribed(hear(session, "error", f"Error parsing JSON into valid websocket request: {question}")) == {
        "type": "l2Book",
        "coin": "BTC",
    }


@pytest.mark.parametrize("number", [0, 17, -1, 2**62])
def test_an_answer_to_no_question_is_nothing(number: int) -> None:
    """Ids that were never given, with whatever answer, move nothing."""
    session = SPOKEN.session()
    session.ask([BOOK])
    assert answer(session, number, None) == FrameSignal()
    assert answer(session, number, {}) == FrameSignal()


def test_an_unsubscription_is_not_taken_for_a_subscription() -> None:
    """Its answer has the same form."""
    echo = {"method": "unsubscribe", "subscription": {"type": "trades", "coin": "BTC"}}
    assert hear(SPOKEN.session(), "subscriptionResponse", echo) == FrameSignal()


def test_the_ping_is_answered_by_nothing_that_counts() -> None:
    """The venue wants pings of its own; the pong is no data."""
    session = SPOKEN.session()
    assert session.ping() == b'{"method":"ping"}'
    assert SPOKEN.limits.ping_every < 60
    assert session.hear(b'{"channel":"pong"}') == FrameSignal()


def test_all_that_an_address_may_say_is_enough() -> None:
    """Two messages a stream: as many streams as an address may carry are asked for within what it may say in a minute."""
    limits = SPOKEN.limits
    assert 2 * limits.streams_per_address <= 2000
    assert limits.streams_per_connection * limits.connections_per_address >= limits.streams_per_address


@pytest.mark.parametrize(
    ("payload", "stream"),
    [
        (b'{"channel":"trades","data":[{"coin":"xyz:A","side":"B"}]}', Stream("trade", "xyz:A")),
        (b'{"channel":"trades","data":[]}', None),
        (b'{"channel":"l2Book","data":{"time":1,"coin":"BTC"}}', BOOK),
        (b'{"data":{"coin":"BTC"},"channel":"l2Book"}', BOOK),
        (b'{ "channel": "l2Book", "data": { "coin": "BTC" } }', BOOK),
        (b'{"channel":"l2Book","data":{"coin":"\\u0042TC"}}', BOOK),
        ('{"channel":"bbo","data":{"coin":"€"}}'.encode(), Stream("quote", "€")),
        (b'{"channel":"bbo","data":{"coin":""}}', None),
        (b'{"channel":"bbo","data":{"coin":7}}', None),
        (b'{"channel":"candle","data":{"coin":"BTC"}}', None),
        (b'{"channel":"l2Book","data":{"coin":"BTC', None),
        (b'{"channel":"allDexsAssetCtxs","data":{"ctxs":[]}}', ALL),
        (b'{"channel":"allDexsAssetCtxs","data":7}', None),
    ],
)
def test_who_speaks(payload: bytes, stream: Stream | None) -> None:
    """By the opening where it has the usual form, else by the parsed frame; nobody where it says no coin."""
    assert SPOKEN.session().hear(payload).stream == stream


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_any_coin_is_heard_as_it_is_written(coin: str) -> None:
    """However a coin is spelled, the feed hears the same that the normaliser reads."""
    payload = orjson.dumps({"channel": "bbo", "data": {"coin": coin, "time": 1, "bbo": [None, None]}})
    assert SPOKEN.session().hear(payload).stream == Stream("quote", coin)
