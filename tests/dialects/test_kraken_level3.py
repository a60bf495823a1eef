"""Kraken's `level3`: what its frames become and how it is asked for, by the examples of the venue's documentation."""

import orjson
import pytest

from dialects.contract import Endpoints
from dialects.stream import Stream
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.test_kraken import SPOKEN, read

ORDERS = (
    '{"channel":"level3","type":"update","data":[{"checksum":2143854316,"symbol":"BTC/USD","bids":[{"event":"delete","order_id":'
    '"O7SO4Y-RHRAK-GGAHJE","limit_price":66567.3,"order_qty":0.22540000,"timestamp":"2024-05-19T18:59:46.541105556Z"},{"event":"add",'
    '"order_id":"OI2XQ5-6JUYI-A5NI6J","limit_price":66566.9,"order_qty":2.82230268,"timestamp":"2024-05-19T18:59:44.900460701Z"}],'
    '"asks":[{"event":"modify","order_id":"OFUNE7-IGNAY-5UATGI","limit_price":66581,"order_qty":1E-8,'
    '"timestamp":"2024-05-19T18:59:46Z"}]}]}'
)
RESTING = (
    ORDERS.replace('"update"', '"snapshot"').replace('"event":"delete",', "").replace('"event":"add",', "").replace('"event":"modify",', "")
)


def test_each_order_is_one_event() -> None:
    """Bids, then asks, as the venue gives them: what happened, what remains, the order's own time, the message's checksum on each."""
    gone, added, changed = read(ORDERS)
    assert [(one["action"], one["side"]) for one in (gone, added, changed)] == [("delete", "bid"), ("add", "bid"), ("modify", "ask")]
    assert (added["order_id"], added["price"], added["size"]) == ("OI2XQ5-6JUYI-A5NI6J", encode("66566.9"), encode("2.82230268"))
    assert added["event_time"] == 1716145184900460
    assert (changed["price"], changed["size"]) == (encode("66581"), encode("0.00000001"))
    assert {(one["symbol"], one["checksum"], one["depth"], one["snapshot_of"]) for one in (gone, added, changed)} == {
        ("BTC/USD", 2143854316, 1000, "")
    }


def test_of_a_deleted_order_nothing_remains() -> None:
    """The venue names the size an order had when it went; the event says what remains."""
    gone, *_ = read(ORDERS)
    assert (gone["order_id"], gone["price"], gone["size"]) == ("O7SO4Y-RHRAK-GGAHJE", encode("66567.3"), encode("0"))


def test_resting_orders_belong_to_their_connection() -> None:
    """Orders of a snapshot carry the connection they came on, and their own time of old."""
    resting = read(RESTING)
    assert [(one["action"], one["snapshot_of"]) for one in resting] == [("snapshot", "kraken-1")] * 3
    assert resting[0]["size"] == encode("0.2254")
    assert [one["event_time"] for one in resting] == [one["event_time"] for one in read(ORDERS)]


def test_orders_are_confirmed_or_refused() -> None:
    """`level3` is answered symbol by symbol like other channels; what a token is refused for concerns every stream asked for."""
    stream = Stream("orders", "BTC/USD")
    session = SPOKEN.session()
    session.ask([stream], "t")
    confirmed = b'{"method":"subscribe","req_id":1,"result":{"channel":"level3","snapshot":true,"symbol":"BTC/USD"},"success":true}'
    assert session.hear(confirmed).confirmed == (stream,)
    refused = b'{"error":"ESession:Invalid session","method":"subscribe","req_id":1,"success":false}'
    assert session.hear(refused).refused == ((stream, "ESession:Invalid session"),)
    assert session.hear(ORDERS.encode()).stream == stream
    assert session.hear(orjson.dumps(orjson.loads(ORDERS), option=orjson.OPT_INDENT_2)).stream == stream


def test_orders_have_an_address_of_their_own() -> None:
    """Authenticated channels go to their own address, never with others, and nowhere where none is set."""
    public, private = [Stream("trade", "BTC/USD"), Stream("instrument", "")], [Stream("orders", "BTC/USD")]
    there = Endpoints("ws://a", "http://b", "ws://c")
    assert (SPOKEN.url(there, public), SPOKEN.url(there, private)) == ("ws://a", "ws://c")
    with pytest.raises(ValueError, match="connections of their own"):
        SPOKEN.url(there, public + private)
    with pytest.raises(ValueError, match="no address of kraken's authenticated websocket"):
        SPOKEN.url(Endpoints("ws://a", "http://b"), private)


def test_orders_are_asked_for_one_symbol_at_a_time() -> None:
    """The venue's limit counts symbols by depth: one a message, at no more messages a second than it lets through."""
    session = SPOKEN.session()
    first, second = (orjson.loads(one.message) for one in session.ask([Stream("orders", "BTC/USD"), Stream("orders", "ETH/USD")], "t"))
    assert first == {
        "method": "subscribe",
        "params": {"channel": "level3", "symbol": ["BTC/USD"], "snapshot": True, "depth": 1000, "token": "t"},
        "req_id": 1,
    }
    assert (second["params"]["symbol"], second["req_id"]) == (["ETH/USD"], 2)
    (given_up,) = session.give_up([Stream("orders", "BTC/USD")], "t")
    assert orjson.loads(given_up.message)["params"] == {"channel": "level3", "symbol": ["BTC/USD"], "depth": 1000, "token": "t"}
    assert SPOKEN.private_limits.messages_per_second * 100 <= 200


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (ORDERS.replace('"event":"add",', ""), "order OI2XQ5-6JUYI-A5NI6J: a change without its event"),
        (ORDERS.replace('"event":"add"', '"event":"fill"'), "Invalid enum value 'fill'"),
        (ORDERS.replace("2143854316", "4294967296"), "<= 4294967295"),
        (ORDERS.replace('"O7SO4Y-RHRAK-GGAHJE"', '""'), "length >= 1"),
        (ORDERS.replace("66566.9", "null"), "None is not a number"),
        (ORDERS.replace("0.22540000", "null"), "None is not a number"),
        (ORDERS.replace("46.541105556Z", "46.541105556"), "not a time in UTC"),
        (ORDERS[:-5], "truncated"),
    ],
)
def test_refuses_orders_with_what_was_wrong(payload: str, reason: str) -> None:
    """What is unknown, incomplete, cut, no number or no time is refused with words that name it."""
    with pytest.raises(InvalidDatum, match=reason):
        read(payload)
