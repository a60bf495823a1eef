"""What Coinbase Exchange pushes, by examples in the form of its documentation."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.coinbase_exchange.dialect import CoinbaseExchange
from dialects.continuity import Finding, Place, Step
from dialects.contract import DecodedEvent, Fields, decoded_events
from dialects.judge import judge
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

EXCHANGE = CoinbaseExchange()
TIME, TIME_US = "2026-10-02T09:00:00.512345Z", 1_790_931_600_512_345


def events(document: Any, memory: Memory | None = None) -> list[DecodedEvent]:
    """Return the events of a pushed frame."""
    payload = document if isinstance(document, bytes) else orjson.dumps(document)
    return list(EXCHANGE.read(frame("coinbase_exchange", payload), Memory() if memory is None else memory))


def read(document: Any) -> list[Fields]:
    """Return the fields of the events of a pushed frame."""
    return [fields for _, fields in events(document)]


def match(number: int = 71, **changes: Any) -> dict[str, Any]:
    """Return a `match`."""
    row = {"type": "match", "trade_id": number, "maker_order_id": "m", "taker_order_id": "t", "side": "sell", "size": "0.5"}
    return row | {"price": "64250.10", "product_id": "BTC-USD", "sequence": 90, "time": TIME} | changes


def order(kind: str, **changes: Any) -> dict[str, Any]:
    """Return a message of `full`."""
    return {"type": kind, "product_id": "BTC-USD", "sequence": 91, "order_id": "a-1", "side": "buy", "time": TIME} | changes


@pytest.mark.parametrize(("maker", "taker"), [("sell", "buy"), ("buy", "sell"), ("", "unknown")])
def test_a_trade_is_told_by_the_takers_side(maker: str, taker: str) -> None:
    """The venue's side is the maker's; a trade id counts by one for each product, `sequence` does not."""
    (made,) = read(match(side=maker))
    assert (made["side"], made["sequence"], made["trade_id"], made["replayed"]) == (taker, 71, "71", False)
    assert (made["price"], made["size"], made["event_time"]) == (encode("64250.1"), encode("0.5"), TIME_US)


def test_the_last_match_is_history() -> None:
    """What was traded before the subscription is replayed."""
    assert [made["replayed"] for made in read(match(type="last_match"))] == [True]


def test_a_book() -> None:
    """A snapshot replaces, at no time in frames of 2021; an update changes, buys are bids, and a size of 0 removes."""
    snapshot = {"type": "snapshot", "product_id": "BTC-USD", "asks": [["2", "1"], ["3", "4"]], "bids": [["1", "0.5"]]}
    (made,) = read(snapshot)
    assert (made["is_snapshot"], made["event_time"], made["ask_prices"], made["bid_sizes"]) == (
        True,
        None,
        [encode("2"), encode("3")],
        [encode("0.5")],
    )
    assert read(snapshot | {"time": TIME})[0]["event_time"] == TIME_US
    (made,) = read({"type": "l2update", "product_id": "BTC-USD", "changes": [["sell", "2", "0.000"], ["buy", "1.5", "7"]], "time": TIME})
    assert (made["is_snapshot"], made["event_time"], made["depth"]) == (False, TIME_US, 0)
    assert (made["bid_prices"], made["bid_sizes"]) == ([encode("1.5")], [encode("7")])
    assert (made["ask_prices"], made["ask_sizes"]) == ([encode("2")], [encode("0")])


@pytest.mark.parametrize(
    ("changes", "bid", "ask"),
    [
        ({}, ("1.5", "2"), ("1.6", "0.25")),
        ({"best_bid_size": None, "best_ask_size": None}, ("1.5", None), ("1.6", None)),
        ({"best_bid": "0", "best_bid_size": "0"}, (None, None), ("1.6", "0.25")),
        ({"best_bid": "", "best_bid_size": ""}, (None, None), ("1.6", "0.25")),
        ({"best_ask_size": "0.00000000"}, ("1.5", "2"), (None, None)),
    ],
)
def test_a_quote(changes: dict[str, Any], bid: tuple[Any, Any], ask: tuple[Any, Any]) -> None:
    """Prices of 2021 have no sizes; a price or a size of zero is no quote; the sequence is the product's own."""
    ticker = {"type": "ticker", "sequence": 5, "product_id": "BTC-USD", "price": "1.5", "best_bid": "1.5", "best_bid_size": "2"}
    document = ticker | {"best_ask": "1.6", "best_ask_size": "0.25", "side": "buy", "time": TIME, "trade_id": 1} | changes
    (made,) = read({name: value for name, value in document.items() if value is not None})
    wanted = [None if text is None else encode(text) for text in (*bid, *ask)]
    assert [made[name] for name in ("bid_price", "bid_size", "ask_price", "ask_size")] == wanted
    assert (made["sequence"], made["event_time"]) == (5, TIME_US)


@pytest.mark.parametrize(
    ("document", "action", "price", "size"),
    [
        (order("open", price="64249.00", remaining_size="0.4"), "add", "64249", "0.4"),
        (order("change", price="64249", old_size="0.4", new_size="0.3", reason="STP"), "modify", "64249", "0.3"),
        (order("change", new_price="64248", old_price="64249", new_size="0.2", reason="modify_order"), "modify", "64248", "0.2"),
        (order("done", price="64249", remaining_size="0.1", reason="canceled"), "delete", "64249", "0"),
    ],
)
def test_single_orders(document: dict[str, Any], action: str, price: str, size: str) -> None:
    """What rests, changes and goes; one that has gone has no size left, whatever was not filled of it."""
    ((name, made),) = events(document)
    assert (name, made["action"], made["side"], made["order_id"]) == ("order_delta", action, "bid", "a-1")
    assert (made["price"], made["size"], made["event_time"]) == (encode(price), encode(size), TIME_US)


@pytest.mark.parametrize(
    "document",
    [
        order("received", price="64249", size="0.4", order_type="limit"),
        order("received", funds="100", order_type="market"),
        order("done", reason="filled"),
        order("change", price=None, new_funds="5", old_funds="6"),
        order("activate", stop_price="60000", size="1"),
        {"type": "heartbeat", "sequence": 90, "last_trade_id": 20, "product_id": "BTC-USD", "time": TIME},
        {"type": "subscriptions", "channels": []},
        {"type": "error", "message": "Failed to subscribe"},
    ],
)
def test_what_rests_nowhere_makes_no_event(document: dict[str, Any]) -> None:
    """Orders that are received, market orders, stops that wait, and what is said of the connection."""
    assert events(document) == []


def test_a_match_of_full_is_the_same_trade() -> None:
    """Whichever channel it came by: the makers's order is not told, for what is left of it is not said."""
    assert [name for name, _ in events(match())] == ["trade"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (match(trade_id="71"), "Expected `int`"),
        (match(trade_id=-1), "Expected `int` >= 0"),
        (match(time="now"), "is not a time"),
        (match(price="much"), "is not a decimal number"),
        ({"type": "l2update", "product_id": "A-B", "changes": [["left", "1", "1"]], "time": TIME}, "Invalid enum value"),
        ({"type": "snapshot", "product_id": "A-B", "bids": []}, "missing required field `asks`"),
        ({"type": "ticker", "product_id": "A-B", "sequence": 1, "best_bid": "1"}, "missing required field `best_ask`"),
        (order("open", price="1"), "is open with no size"),
        (order("open", price="1", remaining_size="1", side="left"), "Invalid enum value"),
        ({"type": "auction", "product_id": "A-B"}, "unknown type 'auction'"),
        ({"price": "1"}, "unknown type ''"),
    ],
)
def test_what_cannot_be_is_refused(document: dict[str, Any], reason: str) -> None:
    """Whatever is wrong, the reason says what; a type that is new is no silence."""
    with pytest.raises(InvalidDatum, match=reason):
        events(document)


def test_a_type_that_stands_anywhere_is_found() -> None:
    """Frames of 2022 begin with the price; one whose type comes behind much else is read by itself."""
    document = match()
    del document["type"]
    for padding, shaped in (("", True), ("x" * 600, False)):
        payload = orjson.dumps({"padding": padding} | document | {"type": "match"})
        assert (EXCHANGE.shape(payload) is not None) == shaped
        assert read(payload) == read(match())


@given(st.lists(st.tuples(st.sampled_from(["match", "open", "done", "received"]), st.integers(1, 10**12)), max_size=12))
def test_blocks_and_single_frames_are_alike(found: list[tuple[str, int]]) -> None:
    """Orders and trades in any mixture: the columns of one shape are the events of its messages."""
    made = [
        match(number, price=f"{number}.5") if kind == "match" else order(kind, price=f"{number}.5", remaining_size="1")
        for kind, number in found
    ]
    payloads = [orjson.dumps(one) for one in made]
    for shape in {EXCHANGE.shape(payload) for payload in payloads} - {None}:
        assert shape is not None
        of_it = [payload for payload in payloads if EXCHANGE.shape(payload) is shape]
        rows = [row for payload in of_it for row in shape.decode(payload, Memory())]
        assert decoded_events(shape, rows) == [one for payload in of_it for one in events(payload)]


def test_trades_that_are_missing_are_a_hole() -> None:
    """The venue's own rule, by the judge: the next trade of a product is the last plus one."""
    rule, place, findings = EXCHANGE.channels["trade"].continuity, None, []
    for number in (71, 72, 75):
        (made,) = read(match(number))
        verdict = judge(rule, place, Step(made["sequence"], made["sequence"], "c-1", TIME_US + number, made["event_time"]))
        place = verdict.place
        findings.append((verdict.finding, verdict.first, verdict.last))
    assert findings == [(Finding.NEXT, None, None), (Finding.NEXT, None, None), (Finding.HOLE, 73, 74)]


def test_a_book_is_broken_by_what_its_connection_lost() -> None:
    """No update has an id: as long as no frame of the connection was lost, a book goes on; another connection begins with a snapshot."""
    rule = EXCHANGE.channels["book"].continuity
    place: Place | None = judge(rule, None, Step(None, None, "a", 1, is_snapshot=True)).place
    assert judge(rule, place, Step(None, None, "a", 2)).finding is Finding.NEXT
    assert judge(rule, place, Step(None, None, "a", 2, frames_lost=1)).finding is Finding.HOLE
    assert judge(rule, place, Step(None, None, "b", 2)).finding is Finding.REPEAT
    assert judge(rule, place, Step(None, None, "b", 2, is_snapshot=True)).finding is Finding.NEXT


def test_a_status_is_told_once_and_anew_where_it_changes() -> None:
    """All products come every few seconds: what is new or has changed is told, and what is listed no more is forgotten."""
    memory = Memory()
    row = {"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online", "quote_increment": "0.01"}
    other = row | {"id": "ETH-USD", "base_currency": "ETH"}
    first = events({"type": "status", "products": [row, other], "currencies": []}, memory)
    assert [(one.event, one.fields["symbol"]) for one in first] == [
        ("instrument", "BTC-USD"),
        ("venue_status", "BTC-USD"),
        ("instrument", "ETH-USD"),
        ("venue_status", "ETH-USD"),
    ]
    assert events({"type": "status", "products": [row, other]}, memory) == []
    changed = events({"type": "status", "products": [row | {"cancel_only": True}]}, memory)
    assert [(one.event, one.fields.get("trading_status"), one.fields.get("state")) for one in changed] == [
        ("instrument", "suspended", None),
        ("venue_status", None, "degraded"),
    ]
    assert list(memory) == ["product|BTC-USD"]
