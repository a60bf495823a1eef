"""What Hyperliquid pushes: trades, whole books, best quotes, in the documented form, and what cannot be."""

from typing import Any

import orjson
import pytest

from dialects.continuity import Finding, Kind, Step
from dialects.contract import DecodedEvent, Fields
from dialects.hyperliquid.dialect import Hyperliquid
from dialects.judge import judge
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame
from tests.dialects.test_full_recordings import Book

SPOKEN = Hyperliquid()
TIME = 1_790_000_000_000
LEVEL = {"px": "64255.0", "sz": "1.5", "n": 3}


def pushed(channel: str, data: Any) -> bytes:
    """Return a frame of a channel."""
    return orjson.dumps({"channel": channel, "data": data})


def read(payload: bytes) -> list[DecodedEvent]:
    """Return the events of a frame."""
    return list(SPOKEN.read(frame("hyperliquid", payload), Memory()))


def one(payload: bytes) -> Fields:
    """Return the fields of the only event of a frame."""
    (made,) = read(payload)
    return made.fields


def trade(**changes: Any) -> dict[str, Any]:
    """Return one trade as the page has it."""
    users = ["0x" + "a1" * 20, "0x" + "b2" * 20]
    whole = {"coin": "BTC", "side": "B", "px": "64256.0", "sz": "0.5", "time": TIME, "hash": "0x" + "1" * 64, "tid": 1045359869404765}
    return whole | {"users": users} | changes


def test_a_trade_with_all_that_the_venue_says() -> None:
    """B is a taker who bought; the id is a hash, so it counts nothing; times are milliseconds."""
    assert read(pushed("trades", [trade()])) == [
        DecodedEvent(
            "trade",
            {
                "symbol": "BTC",
                "event_time": TIME * 1000,
                "trade_id": "1045359869404765",
                "sequence": None,
                "price": encode("64256"),
                "size": encode("0.5"),
                "side": "buy",
                "replayed": False,
            },
        )
    ]


@pytest.mark.parametrize(("side", "ours"), [("B", "buy"), ("A", "sell"), ("C", "unknown")])
def test_the_side_is_the_takers(side: str, ours: str) -> None:
    """Notation: "Side is aggressing side for trades"; another letter is not known."""
    assert one(pushed("trades", [trade(side=side)]))["side"] == ours


def test_trades_of_a_message_keep_their_order_and_their_names() -> None:
    """A message may hold trades of several levels; a pair of spot and a coin of another DEX keep their spelling."""
    made = read(pushed("trades", [trade(coin="@107", tid=1), trade(coin="xyz:SP500", tid=2), trade(coin="kPEPE", tid=3)]))
    assert [(each.fields["symbol"], each.fields["trade_id"]) for each in made] == [("@107", "1"), ("xyz:SP500", "2"), ("kPEPE", "3")]
    assert read(pushed("trades", [])) == []


def test_a_book_is_whole() -> None:
    """Every message replaces the book: bids and asks, best first, twenty levels a side, without any id."""
    levels = [[LEVEL, {"px": "64254.0", "sz": "0.1", "n": 1}], [{"px": "64256.0", "sz": "2.0", "n": 2}]]
    assert one(pushed("l2Book", {"coin": "BTC", "time": TIME, "levels": levels})) == {
        "symbol": "BTC",
        "event_time": TIME * 1000,
        "bid_prices": [encode("64255"), encode("64254")],
        "bid_sizes": [encode("1.5"), encode("0.1")],
        "ask_prices": [encode("64256")],
        "ask_sizes": [encode("2")],
        "is_snapshot": True,
        "depth": 20,
    }


def test_a_fast_book_has_five_levels() -> None:
    """A message of the fast feed says so, and is of five levels a side; one of a coin that is no longer traded is empty."""
    assert one(pushed("l2Book", {"coin": "BTC", "time": TIME, "levels": [[LEVEL], []], "fast": True}))["depth"] == 5
    empty = one(pushed("l2Book", {"coin": "MATIC", "time": TIME, "levels": [[], []]}))
    assert [empty[name] for name in ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes", "depth")] == [[], [], [], [], 20]


def test_a_book_that_did_not_come_costs_nothing_for_good() -> None:
    """Of three books the second is lost, by us or on the wire: the third is the market's, and no hole is judged."""
    messages = [
        pushed("l2Book", {"coin": "BTC", "time": TIME + place, "levels": [[{"px": price, "sz": "1.0", "n": 1}], []]})
        for place, price in enumerate(("64255.0", "64200.0", "64300.0"))
    ]
    book, rule = Book(20), SPOKEN.channels["book"].continuity
    first, third = one(messages[0]), one(messages[2])
    book.apply(first)
    begun = judge(rule, None, Step(None, None, "c-1", 1, first["event_time"], is_snapshot=True))
    verdict = judge(rule, begun.place, Step(None, None, "c-1", 3, third["event_time"], frames_lost=1, is_snapshot=True))
    book.apply(third)
    assert rule.kind is Kind.WHOLE
    assert verdict.finding is Finding.NEXT
    assert (book.bids, book.asks) == ([(64_300 * 10**18, 10**18)], [])


def test_a_best_quote_and_a_side_without_one() -> None:
    """Null is a side where nothing can be traded: neither price nor size."""
    quote = one(pushed("bbo", {"coin": "@107", "time": TIME, "bbo": [LEVEL, None]}))
    assert quote == {
        "symbol": "@107",
        "event_time": TIME * 1000,
        "sequence": None,
        "bid_price": encode("64255"),
        "bid_size": encode("1.5"),
        "ask_price": None,
        "ask_size": None,
    }


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("trades", {"coin": "BTC"}),
        ("trades", [{name: value for name, value in trade().items() if name != "tid"}]),
        ("trades", [trade(tid="17")]),
        ("trades", [trade(tid=-1)]),
        ("trades", [trade(px=64256.0)]),
        ("trades", [trade(sz="1e400")]),
        ("trades", [trade(sz="NaN")]),
        ("trades", [trade(time=2**62)]),
        ("l2Book", {"coin": "BTC", "time": TIME, "levels": [[LEVEL]]}),
        ("l2Book", {"coin": "BTC", "time": TIME, "levels": [[LEVEL], [], []]}),
        ("l2Book", {"coin": "BTC", "levels": [[], []]}),
        ("l2Book", {"coin": None, "time": TIME, "levels": [[], []]}),
        ("bbo", {"coin": "BTC", "time": TIME, "bbo": [None]}),
        ("bbo", {"coin": "BTC", "time": TIME, "bbo": [{"px": "64255.0"}, None]}),
        ("horoscope", {"coin": "BTC"}),
        ("post", {"id": 1}),
    ],
)
def test_what_lacks_something_or_is_something_else_is_refused(channel: str, data: Any) -> None:
    """A field that is missing, of another kind, or no number refuses the frame, with a reason."""
    with pytest.raises(InvalidDatum, match="hyperliquid: "):
        read(pushed(channel, data))


def test_fields_that_nobody_knows_are_left() -> None:
    """What the venue adds changes nothing of what is read."""
    assert read(pushed("trades", [trade(new=[1])])) == read(pushed("trades", [trade()]))
    frame_of_two = orjson.dumps({"channel": "bbo", "data": {"coin": "A", "time": 1, "bbo": [LEVEL, None], "x": 1}, "more": {}})
    assert one(frame_of_two)["symbol"] == "A"


@pytest.mark.parametrize(
    "payload",
    [
        b'{"channel":"pong"}',
        b'{"channel":"error","data":"Already subscribed: {}"}',
        pushed("subscriptionResponse", {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}),
        pushed("post", {"id": 1, "response": {"type": "info", "payload": {"type": "l2Book", "data": None}}}),
        pushed("post", {"id": 1, "response": {"type": "error", "payload": "429 Too Many Requests"}}),
    ],
)
def test_answers_make_no_event(payload: bytes) -> None:
    """What answers us is no data."""
    assert read(payload) == []


def test_a_frame_in_another_order_is_read_alike() -> None:
    """The channel comes first in all seen; where it does not, the frame is read and heard all the same."""
    data = {"coin": "BTC", "time": TIME, "bbo": [LEVEL, LEVEL]}
    turned = orjson.dumps({"data": data, "channel": "bbo"})
    assert SPOKEN.shape(turned) is None
    assert read(turned) == read(pushed("bbo", data))
    assert SPOKEN.session().hear(turned) == SPOKEN.session().hear(pushed("bbo", data))


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (pushed("trades", [{"coin": 7}]), ()),
        (pushed("activeAssetCtx", {"coin": "BTC", "ctx": {}}), ("merged|context|BTC",)),
        (pushed("activeSpotAssetCtx", {"coin": "@1", "ctx": None}), ("merged|context|@1",)),
        (pushed("activeAssetCtx", {"ctx": {}}), None),
        (pushed("allDexsAssetCtxs", {}), None),
        (pushed("horoscope", {"coin": "BTC"}), ()),
        (b'{"channel":"activeAssetCtx","data":{"coin":"BTC"', None),
    ],
)
def test_what_a_refused_frame_may_have_changed(payload: bytes, names: tuple[str, ...] | None) -> None:
    """The context of the coin that a frame names; of all where it names none, or is cut."""
    assert SPOKEN.may_have_changed(payload) == names
