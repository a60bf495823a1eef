"""What Bybit pushes, by examples in the form of its documentation."""

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.bybit.dialect import Bybit, BybitInverse, BybitLinear, BybitSpot
from dialects.continuity import Finding, Place, Step
from dialects.contract import Dialect, Fields, decoded_events
from dialects.judge import judge
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

SPOT, LINEAR, INVERSE = BybitSpot(), BybitLinear(), BybitInverse()
MARKETS = pytest.mark.parametrize("spoken", [SPOT, LINEAR, INVERSE], ids=lambda one: one.venue)
TIME = 1_790_000_000_123


def read(spoken: Dialect, document: Any, memory: Memory | None = None) -> list[Fields]:
    """Return the events' own fields of a pushed frame."""
    payload = document if isinstance(document, bytes) else orjson.dumps(document)
    return [fields for _, fields in spoken.read(frame(spoken.venue, payload), Memory() if memory is None else memory)]


def trade(**changes: Any) -> dict[str, Any]:
    """Return one row of `publicTrade`."""
    row = {"T": TIME, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "50000.50", "L": "PlusTick", "i": "ab-1", "BT": False, "RPI": False}
    return row | {"seq": 5} | changes


def trades(*rows: dict[str, Any]) -> dict[str, Any]:
    """Return a message of `publicTrade.BTCUSDT`."""
    return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": TIME + 2, "data": list(rows)}


def book(u: int, kind: str = "delta", *, depth: int = 50, ts: int = TIME, **changes: Any) -> dict[str, Any]:
    """Return a message of `orderbook.{depth}.BTCUSDT`."""
    data = {"s": "BTCUSDT", "b": [["50000.10", "1.5"]], "a": [["50000.20", "0"]], "u": u, "seq": 7_000_000 + u} | changes
    return {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": ts, "data": data, "cts": ts - 4}


@pytest.mark.parametrize("spoken", [SPOT, LINEAR], ids=lambda one: one.venue)
def test_a_trade_of_base_currency(spoken: Dialect) -> None:
    """On spot and linear a size is base currency; the side is the taker's, the id opaque text that proves no sequence."""
    (made,) = read(spoken, trades(trade()))
    assert made["symbol"] == "BTCUSDT"
    assert (made["event_time"], made["trade_id"], made["sequence"]) == (TIME * 1000, "ab-1", None)
    assert (made["price"], made["size"], made["side"]) == (encode("50000.5"), encode("0.001"), "buy")
    assert (made["trade_kind"], made["replayed"]) == ("normal", False)
    assert not {"size_unit", "size_base", "size_quote"} & made.keys()


def test_a_trade_of_inverse_counts_dollars() -> None:
    """On inverse a size is US dollars: the quote amount is the size, the base amount is size by price, rounded once."""
    (made,) = read(INVERSE, trades(trade(s="BTCUSD", v="100", p="30000", S="Sell")))
    assert (made["size"], made["size_unit"], made["side"]) == (encode("100"), "quote", "sell")
    assert (made["size_quote"], made["size_base"]) == (encode("100"), encode("0.003333333333333333"))


def test_a_trade_of_inverse_at_no_price_has_no_base_amount() -> None:
    """At a price of zero nothing is derived, and the trade itself is still told."""
    (made,) = read(INVERSE, trades(trade(p="0")))
    assert (made["price"], made["size_base"], made["size_quote"]) == (encode("0"), None, encode("0.001"))


@MARKETS
@pytest.mark.parametrize(
    ("flags", "kind"),
    [({"BT": True}, "block"), ({"RPI": True}, "rpi"), ({"BT": True, "RPI": True}, "block"), ({"BT": False}, "normal")],
)
def test_kinds_of_trades(spoken: Dialect, flags: dict[str, bool], kind: str) -> None:
    """A block trade is a block though it be RPI too: it was agreed outside the book and enters no candle."""
    assert [made["trade_kind"] for made in read(spoken, trades(trade(**flags)))] == [kind]


@MARKETS
def test_flags_may_be_left_out_and_a_side_unknown(spoken: Dialect) -> None:
    """Older messages have no flags; a side that the venue's page does not name is unknown, not a reason to lose the trade."""
    row = {"T": TIME, "s": "BTCUSDT", "S": "None", "v": "1", "p": "2", "i": "x"}
    assert [(made["side"], made["trade_kind"]) for made in read(spoken, trades(row))] == [("unknown", "normal")]


@MARKETS
def test_a_message_holds_up_to_1024_trades(spoken: Dialect) -> None:
    """All trades of a message become events in its order, read as a block or one by one alike; many may share a `seq`."""
    message = orjson.dumps(trades(*(trade(i=f"t{number}", v=f"{number + 1}.5") for number in range(1024))))
    made = read(spoken, message)
    assert [one["trade_id"] for one in made] == [f"t{number}" for number in range(1024)]
    shape = spoken.shape(message)
    assert shape is not None
    rows = shape.decode(message, Memory())
    assert [one.fields for one in decoded_events(shape, rows)] == made
    assert read(spoken, trades()) == []


@MARKETS
@given(data=st.data())
def test_blocks_and_single_frames_are_alike(spoken: Dialect, data: st.DataObject) -> None:
    """Any rows, in any split over messages: the columns of all together are the events of each message."""
    price = st.decimals("0.0001", 10**9, places=4).map(str)
    rows = data.draw(
        st.lists(
            st.builds(
                lambda p, v, side, block, rpi: trade(p=p, v=v, S=side, BT=block, RPI=rpi),
                price,
                price,
                st.sampled_from(["Buy", "Sell", ""]),
                st.booleans(),
                st.booleans(),
            ),
            max_size=12,
        )
    )
    cut = data.draw(st.integers(0, len(rows)))
    messages = [orjson.dumps(trades(*some)) for some in (rows[:cut], rows[cut:])]
    shape = spoken.shape(messages[0])
    assert shape is not None
    together = [row for message in messages for row in shape.decode(message, Memory())]
    assert [one.fields for one in decoded_events(shape, together)] == [made for message in messages for made in read(spoken, message)]


@MARKETS
@pytest.mark.parametrize("depth", [50, 200, 1000])
def test_books_of_every_depth(spoken: Dialect, depth: int) -> None:
    """A snapshot replaces, a delta changes; each covers one update id, at the matching engine's time, in the venue's unit of size."""
    first, second = (read(spoken, message)[0] for message in (book(9, "snapshot", depth=depth), book(10, depth=depth)))
    assert (first["is_snapshot"], second["is_snapshot"]) == (True, False)
    assert (first["first_sequence"], first["last_sequence"], first["depth"]) == (9, 9, depth)
    assert second["event_time"] == (TIME - 4) * 1000
    assert (second["bid_prices"], second["bid_sizes"]) == ([encode("50000.1")], [encode("1.5")])
    assert (second["ask_prices"], second["ask_sizes"]) == ([encode("50000.2")], [encode("0")])


@MARKETS
def test_update_id_1_replaces_the_book(spoken: Dialect) -> None:
    """`u` = 1 is the whole book after a restart of the service, whatever its type says."""
    assert [read(spoken, book(1, kind))[0]["is_snapshot"] for kind in ("snapshot", "delta")] == [True, True]


@MARKETS
def test_without_the_engines_time_a_book_has_the_time_of_sending(spoken: Dialect) -> None:
    """`cts` is preferred, `ts` stands in."""
    message = book(3)
    del message["cts"]
    assert read(spoken, message)[0]["event_time"] == TIME * 1000


def steps(messages: list[dict[str, Any]], spoken: Bybit) -> list[Finding]:
    """Return what the judge of continuity finds of each book message of one connection."""
    place: Place | None = None
    found = []
    for count, message in enumerate(messages):
        made = read(spoken, message)[0]
        received_at = made["event_time"] + 1000 + count
        step = Step(
            made["first_sequence"], made["last_sequence"], "c-1", received_at, made["event_time"], is_snapshot=bool(made["is_snapshot"])
        )
        verdict = judge(spoken.channels["book"].continuity, place, step)
        place = verdict.place
        found.append(verdict.finding)
    return found


def test_a_jump_of_update_ids_is_a_hole_and_a_restart_is_a_reset() -> None:
    """Consecutive ids go on, a jump is a hole, and u = 1 begins anew: it is told as a reset, and 2 goes on from it."""
    messages = [book(100, "snapshot"), book(101), book(103), book(104), book(1, "snapshot", ts=TIME + 50), book(2, ts=TIME + 60)]
    found = steps(messages, LINEAR)
    assert found == [Finding.NEXT, Finding.NEXT, Finding.HOLE, Finding.NEXT, Finding.RESET, Finding.NEXT]


@given(st.integers(2, 10**12), st.sets(st.integers(1, 28)))
def test_every_lost_delta_is_a_hole(first: int, lost: set[int]) -> None:
    """Of thirty messages with consecutive ids any are lost: there is a hole at each run of lost ones that something follows."""
    kept = [number for number in range(30) if number not in lost]
    found = steps([book(first + number, "delta" if number else "snapshot", ts=TIME + number) for number in kept], SPOT)
    expected = [Finding.NEXT] + [Finding.HOLE if after - before > 1 else Finding.NEXT for before, after in pairwise(kept)]
    assert found == expected


@MARKETS
def test_level_1_is_a_quote(spoken: Dialect) -> None:
    """Level 1 is the best quote, with its update id; an empty side is null."""
    (made,) = read(spoken, book(5, "snapshot", depth=1, a=[]))
    assert (made["sequence"], made["event_time"]) == (5, (TIME - 4) * 1000)
    assert (made["bid_price"], made["bid_size"], made["ask_price"], made["ask_size"]) == (encode("50000.1"), encode("1.5"), None, None)


@MARKETS
def test_level_1_is_pushed_again_with_the_same_id(spoken: Dialect) -> None:
    """What is pushed again after three seconds is told again, at its own time, and the judge finds nothing missing."""
    place: Place | None = None
    for wait in (0, 3000, 6000):
        (made,) = read(spoken, book(5, "snapshot", depth=1, ts=TIME + wait))
        verdict = judge(
            spoken.channels["quote"].continuity,
            place,
            Step(made["sequence"], made["sequence"], "c-1", made["event_time"] + 9, made["event_time"]),
        )
        place = verdict.place
        assert verdict.finding is Finding.NEXT


@pytest.mark.parametrize(("spoken", "amount"), [(LINEAR, "size_base"), (INVERSE, "size_quote")], ids=["linear", "inverse"])
def test_liquidations(spoken: Dialect, amount: str) -> None:
    """`S` is the side of the position: Buy is a long that was sold. The price is of bankruptcy, so no other amount is made of it."""
    rows = [{"T": TIME, "s": "BTCUSDT", "S": side, "v": "20000", "p": "0.04499"} for side in ("Buy", "Sell", "Both")]
    made = read(spoken, {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": TIME + 300, "data": rows})
    assert [(one["liquidated_side"], one["order_side"]) for one in made] == [("long", "sell"), ("short", "buy"), ("unknown", "unknown")]
    first = made[0]
    assert (first["price_kind"], first["completeness"], first["source"]) == ("bankruptcy", "complete", "order_stream")
    assert (first["price"], first["size_native"], first[amount]) == (encode("0.04499"), encode("20000"), encode("20000"))
    assert not {"size_base", "size_quote"} - {amount} & first.keys()
    assert first["event_time"] == TIME * 1000


@MARKETS
@pytest.mark.parametrize("message", [trades(trade()), book(3), book(3, "snapshot", depth=1)], ids=["trade", "book", "quote"])
def test_keys_may_come_in_any_order_and_spacing(spoken: Dialect, message: dict[str, Any]) -> None:
    """A frame that does not begin with its topic, or has spaces, makes the same events."""
    turned = dict(reversed(message.items()))
    assert not orjson.dumps(turned).startswith(b'{"topic')
    assert read(spoken, turned) == read(spoken, message) == read(spoken, orjson.dumps(message, option=orjson.OPT_INDENT_2))


def test_a_pushed_notice_is_the_venues_state() -> None:
    """`system.status` has an address of its own and is not asked for; where it comes it is read."""
    row = {
        "id": "n1",
        "title": "t",
        "state": "ongoing",
        "begin": "1751596902000",
        "end": "0",
        "href": "",
        "product": [2],
        "maintainType": 2,
    }
    (made,) = read(SPOT, {"topic": "system.status", "ts": TIME, "data": [row]})
    assert (made["state"], made["kind"], made["products"], made["ends_at"]) == ("ongoing", "temporary", ["Spot"], None)
    assert (made["begins_at"], made["event_time"]) == (1_751_596_902_000_000, TIME * 1000)


@MARKETS
@pytest.mark.parametrize(
    "payload",
    [
        b'{"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}',
        b'{"success":true,"ret_msg":"pong","conn_id":"465772b1","req_id":"","op":"ping"}',
        b'{"req_id":"test","op":"pong","args":["1675418560633"],"conn_id":"cfcb4"}',
        b'{"args":["1672916271846"],"op":"pong"}',
        b'{"success":true,"ret_msg":"subscribe","conn_id":"2324d924","req_id":"10001","op":"subscribe"}',
        b'{"success":true,"ret_msg":"","conn_id":"3cd84cb1","req_id":"","op":"unsubscribe"}',
        b'{"success":false,"ret_msg":"error:handler not found,topic:x.Y","conn_id":"3cd84cb1","req_id":"","op":"subscribe"}',
        b'{"success":true,"conn_id":"aa01","data":{"failTopics":[],"successTopics":["x"]},"type":"COMMAND_RESP"}',
    ],
)
def test_answers_are_no_events(spoken: Dialect, payload: bytes) -> None:
    """Pongs in every form, acknowledgements and refusals make no event."""
    assert read(spoken, payload) == []


def test_spots_tickers_say_nothing_new() -> None:
    """A ticker of spot makes no event: its index is in US dollars, the rest is statistics and what trades say."""
    data = {"symbol": "BTCUSDT", "lastPrice": "21109.77", "usdIndexPrice": "21120.2400136"}
    assert read(SPOT, {"topic": "tickers.BTCUSDT", "ts": TIME, "type": "snapshot", "cs": 2588407389, "data": data}) == []


@MARKETS
@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (trades(trade(p="")), "not a decimal number"),
        (trades(trade(v="1e40")), "more than 38 digits"),
        (trades(trade(T=2**60)), "<= 9223372036854775"),
        (trades(trade(T="1790000000123")), "Expected `int`, got `str`"),
        (trades(trade(i=5)), "Expected `str`, got `int`"),
        (book(2**63), "out of range|<= 9223372036854775807"),
        (book(-1), ">= 0"),
        (book(5, "update"), "Invalid enum value"),
        (book(5, b=[["1", "2", "3"]]), "length 2"),
        (book(5, depth=1), "Invalid enum value 'delta'"),
        ({"topic": "orderbook.full.BTCUSDT", "type": "delta", "ts": TIME, "data": book(1)["data"]}, "no book of some levels"),
        ({"topic": "orderbook.rpi.BTCUSDT", "type": "delta", "ts": TIME, "data": book(1)["data"]}, "no book of some levels"),
        ({"topic": "kline.1.BTCUSDT", "type": "snapshot", "ts": TIME, "data": []}, "unknown topic 'kline.1.BTCUSDT'"),
        ({"op": "dance"}, "neither a topic nor an answer"),
        ({"data": []}, "neither a topic nor an answer"),
        (b"[]", "Expected `object`"),
        (b'{"topic":"publicTrade.BTCUSDT","data":[{"T":1', "truncated"),
    ],
)
def test_what_is_refused(spoken: Dialect, document: Any, reason: str) -> None:
    """What cannot be what it claims to be is refused with the reason, and names the venue."""
    with pytest.raises(InvalidDatum, match=reason) as refused:
        read(spoken, document)
    assert str(refused.value).startswith(f"{spoken.venue}: ")
