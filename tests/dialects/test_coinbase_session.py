"""What is said on a connection to Coinbase, Advanced Trade and Exchange: requests, answers without a number, errors."""

from typing import Any

import orjson
import pytest

from dialects.coinbase.dialect import Coinbase
from dialects.coinbase_exchange.dialect import CoinbaseExchange
from dialects.contract import Endpoints
from dialects.session import Session
from dialects.stream import Stream

TRADES = [Stream("trade", symbol) for symbol in ("BTC-USD", "ETH-USD", "XYZ-USD")]
BOOK = Stream("book", "BTC-USD")


def sent(session: Session, *streams: Stream, give_up: bool = False, token: str = "") -> list[dict[str, Any]]:
    """Return what a session says to ask for streams, or to give them up."""
    return [orjson.loads(one.message) for one in (session.give_up if give_up else session.ask)(streams, token)]


def advanced(**subscribed: list[str]) -> bytes:
    """Return an answer of Advanced Trade."""
    return orjson.dumps({"channel": "subscriptions", "sequence_num": 1, "timestamp": "x", "events": [{"subscriptions": subscribed}]})


def exchange(**subscribed: list[str]) -> bytes:
    """Return an answer of the Exchange."""
    return orjson.dumps({"type": "subscriptions", "channels": [{"name": name, "product_ids": ids} for name, ids in subscribed.items()]})


def error(reason: str) -> bytes:
    """Return an error, whose form both have."""
    return orjson.dumps({"type": "error", "message": "Failed to subscribe", "reason": reason})


def test_one_channel_in_a_message_and_heartbeats_besides() -> None:
    """Advanced Trade takes one channel a message; heartbeats are asked for with the first streams and given up with the last."""
    session = Coinbase().session()
    assert sent(session, *TRADES, BOOK) == [
        {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD", "XYZ-USD"], "channel": "market_trades"},
        {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"},
        {"type": "subscribe", "channel": "heartbeats"},
    ]
    assert sent(session, Stream("quote", "BTC-USD")) == [{"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "ticker"}]
    assert [one["channel"] for one in sent(session, BOOK, give_up=True)] == ["level2"]
    last = sent(session, *TRADES, Stream("quote", "BTC-USD"), give_up=True)
    assert [one["channel"] for one in last] == ["market_trades", "ticker", "heartbeats"]
    assert {one["type"] for one in last} == {"unsubscribe"}


@pytest.mark.parametrize(
    ("spoken", "answer", "name", "most"),
    [(Coinbase(), advanced, "market_trades", 10), (CoinbaseExchange(), exchange, "matches", 50)],
    ids=["coinbase", "coinbase_exchange"],
)
def test_many_products_are_asked_for_in_parts(spoken: Any, answer: Any, name: str, most: int) -> None:
    """No message names more than its venue gets; an answer lists all that is subscribed, and confirms each stream once."""
    session, streams = spoken.session(), [Stream("trade", f"A{number}-USD") for number in range(2 * most + 3)]
    assert [len(one.streams) for one in session.ask(streams) if one.streams] == [most, most, 3]
    for known, new in ((most, streams[:most]), (2 * most, streams[most : 2 * most]), (2 * most, [])):
        heard = session.hear(answer(**{name: [one.symbol for one in streams[:known]]}))
        assert heard.confirmed == tuple(new)


def test_an_answer_of_the_exchange_has_the_channels_other_name() -> None:
    """`level2_batch` is confirmed as `level2_50`, and the status of all products has no symbol."""
    session = CoinbaseExchange().session()
    status = Stream("status", "")
    assert sent(session, BOOK, status) == [
        {"type": "subscribe", "channels": [{"name": "level2_batch", "product_ids": ["BTC-USD"]}]},
        {"type": "subscribe", "channels": [{"name": "status"}]},
    ]
    assert session.hear(exchange(level2_50=["BTC-USD"])).confirmed == (BOOK,)
    assert session.hear(exchange(level2_50=["BTC-USD"], status=[])).confirmed == (status,)


@pytest.mark.parametrize("spoken", [Coinbase(), CoinbaseExchange()], ids=lambda one: one.venue)
def test_an_error_refuses_the_product_it_names_and_the_others_are_asked_for_again(spoken: Any) -> None:
    """One wrong product refuses its whole request: the others of that are asked for at once, and nothing else is touched."""
    session = spoken.session()
    session.ask([*TRADES, BOOK])
    heard = session.hear(error("XYZ-USD is not a valid product"))
    assert heard.refused == ((TRADES[2], "Failed to subscribe: XYZ-USD is not a valid product"),)
    again = orjson.loads(heard.answer)
    products = again.get("product_ids") or again["channels"][0]["product_ids"]
    assert (again["type"], products) == ("subscribe", ["BTC-USD", "ETH-USD"])


@pytest.mark.parametrize("spoken", [Coinbase(), CoinbaseExchange()], ids=lambda one: one.venue)
def test_an_error_that_names_no_product_refuses_the_oldest_request(spoken: Any) -> None:
    """Answers come in order and have no number: what names nothing is of the oldest request, and of nobody's once none is left."""
    session = spoken.session()
    session.ask(TRADES)
    heard = session.hear(error("matches is not a valid channel"))
    assert [stream for stream, _ in heard.refused] == TRADES
    assert heard.answer is None
    session = spoken.session()
    assert session.hear(error("You are too slow")).refused == ((None, "Failed to subscribe: You are too slow"),)


def test_an_error_of_advanced_trade_may_have_no_reason() -> None:
    """Its message is the words, and the oldest request is refused whole; the next goes on."""
    session = Coinbase().session()
    session.ask([*TRADES, BOOK])
    heard = session.hear(b'{"type":"error","message":"failure to subscribe"}')
    assert heard.refused == tuple((stream, "failure to subscribe") for stream in TRADES)
    assert session.hear(advanced(level2=["BTC-USD"])).confirmed == (BOOK,)


def test_an_error_that_comes_out_of_order_refuses_what_it_names() -> None:
    """Where the oldest request asks for no stream, a product that is named is looked for among all that wait."""
    session = Coinbase().session()
    session.ask(TRADES)
    for _ in range(2):
        session.hear(advanced(heartbeats=["heartbeats"]))
    heard = session.hear(error("XYZ-USD is not a valid product"))
    assert [stream for stream, _ in heard.refused] == [TRADES[2]]
    assert heard.answer is None
    assert session.hear(advanced(market_trades=["BTC-USD", "ETH-USD"])).confirmed == tuple(TRADES[:2])


def test_what_is_given_up_is_not_confirmed() -> None:
    """A stream that was given up before its answer came is nobody's; one that is asked for again is confirmed again."""
    session = Coinbase().session()
    session.ask([BOOK])
    session.give_up([BOOK])
    assert session.hear(advanced(level2=["BTC-USD"])).confirmed == ()
    session.ask([BOOK])
    assert session.hear(advanced(level2=["BTC-USD"])).confirmed == (BOOK,)


@pytest.mark.parametrize(
    ("spoken", "payload", "stream"),
    [
        (Coinbase(), b'{"channel":"l2_data","events":[{"type":"update","product_id":"BTC-USD","updates":[]}]}', BOOK),
        (Coinbase(), b'{"events":[{"product_id":"BTC-USD"}],"channel":"market_trades"}', TRADES[0]),
        (Coinbase(), b'{"channel":"status","events":[{"products":[{"id":"ETH-USD"}]}]}', Stream("status", "ETH-USD")),
        (Coinbase(), b'{"channel":"heartbeats","events":[]}', None),
        (Coinbase(), b'{"channel":"market_trades","events":[{"trades":[]}]}', None),
        (Coinbase(), b'{"channel":"l2_data","events":[{"product_id":"\\u0041"}]}', None),
        (CoinbaseExchange(), b'{"type":"l2update","product_id":"BTC-USD","changes":[]}', BOOK),
        (CoinbaseExchange(), b'{"product_id":"ETH-USD","type":"match"}', TRADES[1]),
        (CoinbaseExchange(), b'{"price":"1","type":"open","product_id":"BTC-USD"}', Stream("orders", "BTC-USD")),
        (CoinbaseExchange(), b'{"type":"status","products":[]}', Stream("status", "")),
        (CoinbaseExchange(), b'{"type":"heartbeat","product_id":"BTC-USD"}', None),
        (CoinbaseExchange(), b'{"type":"match"}', None),
    ],
)
def test_who_speaks(spoken: Any, payload: bytes, stream: Stream | None) -> None:
    """A frame is heard by its channel or type and its first product, wherever these stand."""
    assert spoken.session().hear(payload).stream == stream


def test_single_orders_are_asked_for_with_what_signs_them() -> None:
    """A token that is the JSON of the venue's four fields is put into the message as these; another is put in as the signature."""
    session = CoinbaseExchange().session()
    token = '{"signature":"s","key":"k","passphrase":"p","timestamp":"1790000000"}'
    orders = Stream("orders", "BTC-USD")
    assert sent(session, orders, token=token) == [
        {"type": "subscribe", "channels": [{"name": "full", "product_ids": ["BTC-USD"]}]} | orjson.loads(token)
    ]
    assert sent(session, orders, token="opaque")[0]["signature"] == "opaque"
    assert "signature" not in sent(session, BOOK, token=token)[0]


def test_single_orders_have_an_address_of_their_own() -> None:
    """Streams of both kinds share no connection, and an address that is not set is an error with words."""
    spoken, addresses = CoinbaseExchange(), Endpoints("ws://a", "http://r", "ws://b")
    orders = Stream("orders", "BTC-USD")
    assert (spoken.url(addresses, [BOOK]), spoken.url(addresses, [orders])) == ("ws://a", "ws://b")
    with pytest.raises(ValueError, match="connections of their own"):
        spoken.url(addresses, [BOOK, orders])
    with pytest.raises(ValueError, match="authenticated websocket is set"):
        spoken.url(Endpoints("ws://a", "http://r"), [orders])
