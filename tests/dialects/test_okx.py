"""What OKX pushes becomes events: numbers, units, sides and times as its pages say them; frames of the pages' own examples."""

from contextlib import suppress
from decimal import Context, Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.continuity import Finding, Place, Step
from dialects.contract import DecodedEvent, Frame
from dialects.judge import judge
from dialects.memory import Memory
from dialects.okx.contracts import amounts
from dialects.okx.dialect import Okx
from dialects.okx.names import product_of
from dialects.okx.numbers import nearest
from schemas.decimals import encode, from_bytes, unscaled
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame
from tests.examples import examples

SPOKEN = Okx()
LINEAR = {"contract|BTC-USDT-SWAP": [str(unscaled("0.01")), "base"]}
INVERSE = {"contract|BTC-USD-SWAP": [str(unscaled("100")), "quote"]}
OPTION = {"contract|BTC-USD-231020-5000-P": [str(unscaled("0.01")), "base"]}


def pushed(channel: str, *rows: dict[str, Any], action: str = "", **argument: str) -> bytes:
    """Return a frame of a channel."""
    head = {"arg": {"channel": channel} | argument} | ({"action": action} if action else {})
    return orjson.dumps(head | {"data": rows})


def read(payload: bytes, memory: Memory | None = None, request: str | None = None) -> list[DecodedEvent]:
    """Return the events of a frame."""
    return list(SPOKEN.read(frame("okx", payload, request), Memory() if memory is None else memory))


def trade(symbol: str = "BTC-USDT", **other: str) -> dict[str, str]:
    """Return the trade of the page's example, of any instrument."""
    example = {"tradeId": "130639474", "px": "42219.9", "sz": "0.12060306", "side": "buy", "source": "0", "ts": "1630048897897"}
    return {"instId": symbol} | example | other


def trades_of(symbol: str, memory: Memory | None = None, **other: str) -> dict[str, Any]:
    """Return the fields of one trade of `trades-all`."""
    ((name, fields),) = read(pushed("trades-all", trade(symbol, **other), instId=symbol), memory)
    assert name == "trade"
    return fields


def test_a_trade_of_spot() -> None:
    """The page's own example: size in base currency, the taker's side, milliseconds, its id as the count."""
    fields = trades_of("BTC-USDT")
    assert fields["symbol"] == "BTC-USDT"
    assert (fields["trade_id"], fields["sequence"]) == ("130639474", 130639474)
    assert (fields["price"], fields["size"]) == (encode("42219.9"), encode("0.12060306"))
    assert (fields["side"], fields["size_unit"], fields["trade_kind"]) == ("buy", "base", "normal")
    assert fields["size_base"] is fields["size_quote"] is None
    assert fields["event_time"] == 1630048897897000


def test_a_contract_counts_contracts_until_its_size_is_known() -> None:
    """Without the venue's word on what a contract holds its amounts are null; with it they are what the page's formulas give."""
    unknown = trades_of("BTC-USDT-SWAP", sz="8.55", px="64250.2")
    assert (unknown["size_unit"], unknown["size"], unknown["size_base"]) == ("contract", encode("8.55"), None)
    linear = trades_of("BTC-USDT-SWAP", Memory(LINEAR), sz="8.55", px="64250.2")
    assert (linear["size_base"], linear["size_quote"]) == (encode("0.0855"), encode("5493.3921"))
    inverse = trades_of("BTC-USD-SWAP", Memory(INVERSE), sz="25", px="50000")
    assert (inverse["size_base"], inverse["size_quote"]) == (encode("0.05"), encode("2500"))
    option = trades_of("BTC-USD-231020-5000-P", Memory(OPTION), sz="3", px="0.0048")
    assert (option["size_base"], option["size_quote"]) == (encode("0.03"), None), "an option's price is one in base currency"


@pytest.mark.parametrize(
    ("symbol", "product", "unit"),
    [
        ("BTC-USDT", "SPOT", "base"),
        ("BTC-USDT-SWAP", "SWAP", "contract"),
        ("BTC-USD-191227", "FUTURES", "contract"),
        ("BTC-USD-241013-70000-P", "OPTION", "contract"),
        ("BTC-USDT-MOON", "", "unknown"),
        ("BTC", "", "unknown"),
        ("BTC-USD-241013-70000-X", "", "unknown"),
        ("BTC-USD-2410a3", "", "unknown"),
    ],
)
def test_an_id_says_what_sizes_count(symbol: str, product: str, unit: str) -> None:
    """The documented forms of ids say the kind; of any other nobody knows what a size counts."""
    assert product_of(symbol) == product
    assert trades_of(symbol)["size_unit"] == unit


def test_trades_that_were_summed_up_prove_nothing() -> None:
    """A message of `trades` is a trade with the id of its last; its ids skip, so it has no sequence."""
    payload = pushed("trades", trade(count="3", seqId=1234), instId="BTC-USDT")  # type: ignore[arg-type] # a number, as the venue has it
    ((name, fields),) = read(payload)
    assert (name, fields["trade_id"], fields["sequence"]) == ("trade", "130639474", None)


def test_orders_of_the_liquidity_program_are_told_apart() -> None:
    """`source` 1 is an order which the books do not show."""
    assert trades_of("BTC-USDT", source="1")["trade_kind"] == "rpi"


def test_a_block() -> None:
    """The page's own example: a leg of a block, outside candles, with what the venue says beside it."""
    row = {"fillVol": "5", "fwdPx": "26808.16", "groupId": "", "idxPx": "27222.5", "instId": "BTC-USD-231020-5000-P"}
    row |= {
        "markPx": "0.0022406326071111",
        "px": "0.0048",
        "side": "buy",
        "sz": "1",
        "tradeId": "633971452580106242",
        "ts": "1697422572972",
    }
    ((name, fields),) = read(pushed("public-block-trades", row, instId=row["instId"]))
    assert (name, fields["trade_kind"], fields["sequence"], fields["block_id"]) == ("trade", "block", None, None)
    assert (fields["mark_price"], fields["index_price"]) == (encode("0.0022406326071111"), encode("27222.5"))
    assert fields["implied_volatility"] == encode("5")


def book(previous: int, sequence: int, action: str = "update", **levels: list[list[str]]) -> bytes:
    """Return a message of a book."""
    row = {"asks": levels.get("asks", []), "bids": levels.get("bids", []), "ts": "1597026383085", "checksum": 0}
    return pushed("books", row | {"prevSeqId": previous, "seqId": sequence}, action=action, instId="BTC-USDT")


def test_a_book() -> None:
    """The page's own example, shortened: levels, ids and depth; a checksum is not read, whatever it is."""
    payload = book(-1, 123456, "snapshot", asks=[["8476.98", "415", "0", "13"]], bids=[["8476.97", "256", "0", "12"], ["8475.55", "0"]])
    ((name, fields),) = read(payload.replace(b'"checksum":0', b'"checksum":-855196043'))
    assert name == "book_delta"
    assert (fields["is_snapshot"], fields["depth"], fields["last_sequence"], fields["previous_sequence"]) == (True, 400, 123456, -1)
    assert (fields["bid_prices"], fields["bid_sizes"]) == ([encode("8476.97"), encode("8475.55")], [encode("256"), encode("0")])
    assert (fields["ask_prices"], fields["event_time"]) == ([encode("8476.98")], 1597026383085000)
    assert "checksum" not in fields


CHAIN = [(-1, 10), (10, 15), (15, 15), (15, 3), (3, 5)]
"""The page's own example: a snapshot, a change, a quiet minute, a reset after maintenance, a change."""


def findings(chain: list[tuple[int, int]]) -> list[Finding]:
    """Return what the judge finds of messages by predecessor and id, a second apart, read from frames."""
    place: Place | None = None
    found = []
    for at, (previous, last) in enumerate(chain):
        ((_, fields),) = read(book(previous, last, "snapshot" if previous == -1 else "update"))
        time = 1_790_000_000_000_000 + at * 1_000_000
        step = Step(None, fields["last_sequence"], "c", time, time, previous=fields["previous_sequence"], is_snapshot=fields["is_snapshot"])
        verdict = judge(SPOKEN.channels["book"].continuity, place, step)
        place = verdict.place
        found.append(verdict.finding)
    return found


def test_the_chain_of_the_page_is_whole_and_what_is_taken_from_it_is_told() -> None:
    """All five messages go on from one another; without one that changes the book, its hole is found with the next."""
    assert findings(CHAIN) == [Finding.NEXT] * 5
    assert findings([*CHAIN[:1], *CHAIN[2:]])[1] is Finding.HOLE
    assert findings([*CHAIN[:2], *CHAIN[3:]]) == [Finding.NEXT] * 4, "a quiet minute is nothing that can be missed"
    assert findings([*CHAIN, (9, 12)])[-1] is Finding.HOLE


def test_a_missing_trade_is_told() -> None:
    """Ids of an instrument count by one: a jump is a hole from the first to the last that is missing."""
    place: Place | None = None
    told = []
    for at, number in enumerate([7, 8, 11, 12]):
        fields = trades_of("BTC-USDT", tradeId=str(number))
        time = 1_790_000_000_000_000 + at * 1_000
        verdict = judge(SPOKEN.channels["trade"].continuity, place, Step(fields["sequence"], fields["sequence"], "c", time, time))
        place = verdict.place
        told.append((verdict.finding, verdict.first, verdict.last))
    assert told == [(Finding.NEXT, None, None), (Finding.NEXT, None, None), (Finding.HOLE, 9, 10), (Finding.NEXT, None, None)]


@pytest.mark.parametrize(("previous", "action"), [(-1, "update"), (5, "snapshot")])
def test_a_book_that_contradicts_itself_is_refused(previous: int, action: str) -> None:
    """A snapshot names no predecessor and a change names one: what says both ways is neither."""
    with pytest.raises(InvalidDatum, match="a snapshot that names a predecessor, or a change that names none"):
        read(book(previous, 9, action))


def test_best_quotes() -> None:
    """The page's own example; a side without orders has no price, whether it is empty or has a size of nothing."""
    row = {"asks": [["111.06", "55154", "0", "2"]], "bids": [["111.05", "57745", "0", "2"]], "ts": "1670324386802", "seqId": 363996337}
    ((name, fields),) = read(pushed("bbo-tbt", row, instId="BCH-USDT-SWAP"))
    assert (name, fields["symbol"], fields["sequence"], fields["event_time"]) == ("quote", "BCH-USDT-SWAP", 363996337, 1670324386802000)
    assert (fields["bid_price"], fields["ask_size"]) == (encode("111.05"), encode("55154"))
    for nothing in ([], [["0", "0", "0", "0"]]):
        ((_, fields),) = read(pushed("bbo-tbt", row | {"bids": nothing}, instId="BCH-USDT-SWAP"))
        assert fields["bid_price"] is fields["bid_size"] is None


def test_mark_price_index_and_estimated_price_say_each_its_own() -> None:
    """Each channel fills its own field and no other; an index is told under its own id."""
    ((name, mark),) = read(pushed("mark-price", {"instType": "SWAP", "instId": "LTC-USD-SWAP", "markPx": "0.1", "ts": "1597026383085"}))
    assert (name, mark) == ("mark_price", {"symbol": "LTC-USD-SWAP", "event_time": 1597026383085000, "mark_price": encode("0.1")})
    ((_, index),) = read(pushed("index-tickers", {"instId": "BTC-USDT", "idxPx": "0.1", "high24h": "0.5", "ts": "1597026383085"}))
    assert (index["symbol"], index["index_price"], index["index_name"]) == ("BTC-USDT", encode("0.1"), "BTC-USDT")
    row = {"instId": "XRP-USDT-250307", "instType": "FUTURES", "settlePx": "2.4230631578947368", "settleType": "settlement"}
    ((_, estimate),) = read(pushed("estimated-price", row | {"ts": "1741244598708"}))
    assert estimate["estimated_settlement_price"] == encode("2.4230631578947368")


def test_open_interest_counts_contracts_once() -> None:
    """Contracts, and their value in base currency and in US dollars, as the venue reckons them: one side."""
    row = {"instId": "BTC-USD-SWAP", "instType": "SWAP", "oi": "4092973", "oiCcy": "13840.0488276626968834", "oiUsd": "409297300"}
    ((name, fields),) = read(pushed("open-interest", row | {"ts": "1654348683853"}))
    assert (name, fields["oi_native"], fields["oi_native_unit"], fields["sides"]) == (
        "open_interest",
        encode("4092973"),
        "contract",
        "single",
    )
    assert (fields["oi_base"], fields["oi_quote"]) == (encode("13840.0488276626968834"), encode("409297300"))
    ((_, fields),) = read(pushed("open-interest", {"instId": "A-USD-SWAP", "oi": "0", "ts": "1654348683853"}))
    assert (fields["oi_native"], fields["oi_base"], fields["oi_quote"]) == (encode("0"), None, None)


@pytest.mark.parametrize(
    ("side", "position", "liquidated"),
    [
        ("sell", "long", "long"),
        ("buy", "short", "short"),
        ("sell", "net", "long"),
        ("buy", "net", "short"),
        ("hold", "net", "unknown"),
    ],
)
def test_a_liquidation_says_whose_position_it_was(side: str, position: str, liquidated: str) -> None:
    """The position's side where it is said, else by the side of the order; sizes are contracts, and nothing is claimed to be complete."""
    detail = {"bkLoss": "0", "bkPx": "0.007831", "ccy": "", "posSide": position, "side": side, "sz": "13", "ts": "1692266434010"}
    row = {"details": [detail, detail | {"sz": "2"}], "instFamily": "IOST-USDT", "instId": "IOST-USDT-SWAP", "instType": "SWAP"}
    made = read(pushed("liquidation-orders", row, instType="SWAP"))
    assert [fields["size_native"] for _, fields in made] == [encode("13"), encode("2")]
    (name, fields), _ = made
    assert (name, fields["symbol"], fields["liquidated_side"]) == ("liquidation", "IOST-USDT-SWAP", liquidated)
    assert (fields["price"], fields["price_kind"], fields["completeness"]) == (encode("0.007831"), "bankruptcy", "partial")
    assert fields["size_base"] is None


def test_a_liquidation_of_margin_counts_base_currency() -> None:
    """The page: "For MARGIN, the unit is base currency"."""
    detail = {"bkLoss": "", "bkPx": "1", "posSide": "net", "side": "sell", "sz": "13", "ts": "1692266434010"}
    ((_, fields),) = read(pushed("liquidation-orders", {"details": [detail], "instId": "A-USDT", "instType": "MARGIN"}))
    assert (fields["size_native"], fields["size_base"], fields["bankruptcy_loss"]) == (encode("13"), encode("13"), None)


def test_an_option_has_greeks_of_two_conventions() -> None:
    """Two events of one row: Black-Scholes and price-adjusted; more digits than a decimal holds are rounded once; "" is null, 0 is 0."""
    row = {"instType": "OPTION", "instId": "BTC-USD-251226-100000-C", "uly": "BTC-USD", "delta": "0.53", "gamma": "", "vega": "0.0023"}
    row |= {"theta": "-0.0002", "markVol": "0.43", "bidVol": "0", "askVol": "", "deltaBS": "0.71", "gammaBS": "0.0000105660218408684195"}
    row |= {"thetaBS": "-42.78", "vegaBS": "255.2", "ts": "1752086420763", "fwdPx": "112782.12029616143501", "realVol": ""}
    black, adjusted = read(pushed("opt-summary", row, instFamily="BTC-USD"))
    assert (black.event, black.fields["greeks_convention"], adjusted.fields["greeks_convention"]) == (
        "option_summary",
        "black_scholes",
        "price_adjusted",
    )
    assert (black.fields["delta"], black.fields["gamma"]) == (encode("0.71"), encode("0.000010566021840868"))
    assert (adjusted.fields["delta"], adjusted.fields["gamma"], adjusted.fields["theta"]) == (encode("0.53"), None, encode("-0.0002"))
    assert (black.fields["bid_iv"], black.fields["ask_iv"], black.fields["mark_iv"]) == (encode("0"), None, encode("0.43"))
    assert (black.fields["underlying_kind"], black.fields["underlying_price"]) == ("forward", encode("112782.12029616143501"))


def test_a_fund_is_of_a_product_and_a_family() -> None:
    """The page's own example."""
    row = {"maxBal": "", "bal": "280784384.9564228289548144", "instType": "FUTURES", "ccy": "USDT", "instFamily": "BTC-USDT"}
    ((name, fields),) = read(pushed("adl-warning", row | {"state": "normal", "ts": "1700210763001"}, instType="FUTURES"))
    assert (name, fields["pool"], fields["asset"]) == ("insurance_fund", "FUTURES BTC-USDT", "USDT")
    assert fields["balance"] == encode("280784384.9564228289548144")


def test_maintenance_of_the_venue_is_told_and_that_of_demo_trading_is_not() -> None:
    """The page's own example."""
    row = {"begin": "1672823400000", "end": "1672825980000", "href": "", "preOpenBegin": "", "serviceType": "0", "state": "completed"}
    row |= {"maintType": "1", "env": "1", "title": "Trading account WebSocket system upgrade", "ts": "1672826038470"}
    ((name, fields),) = read(pushed("status", row))
    assert (name, fields["state"], fields["kind"], fields["products"]) == ("venue_status", "completed", "planned", ["WebSocket"])
    assert (fields["begins_at"], fields["ends_at"], fields["preopen_at"]) == (1672823400000000, 1672825980000000, None)
    assert read(pushed("status", row | {"env": "2"})) == []


def test_a_notice_speaks_of_its_connection() -> None:
    """A minute before an upgrade ends the connection; a notice of another code is told as what it says."""
    ((name, fields),) = read(b'{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a4d3ae55"}')
    assert (name, fields["scope"], fields["announced_lead_s"], fields["venue_id"]) == ("venue_status", "connection", 60, "64008")
    ((_, fields),) = read(b'{"event":"notice","code":"7","msg":"Hear, hear"}')
    assert (fields["state"], fields["title"], fields["announced_lead_s"]) == ("unknown", "Hear, hear", None)


@pytest.mark.parametrize(
    "payload",
    [
        b"pong",
        b'{"id":"1","event":"subscribe","arg":{"channel":"status"},"connId":"a4d3ae55"}',
        b'{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}',
        b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"abcd1234"}',
        pushed("tickers", {"instId": "BTC-USDT", "last": "1"}, instId="BTC-USDT"),
    ],
)
def test_what_is_no_event(payload: bytes) -> None:
    """Answers, pongs, and tickers, which say what others say."""
    assert read(payload) == []


@pytest.mark.parametrize("name", ["books5", "books-elp", "something-new"])
def test_what_would_be_taken_for_another_is_refused(name: str) -> None:
    """Another book of the same instrument is not its book; what is not known is nobody's."""
    with pytest.raises(InvalidDatum, match="unknown channel"):
        read(pushed(name, {"asks": [], "bids": [], "ts": "1"}, instId="BTC-USDT"))


@pytest.mark.parametrize(
    "payload",
    [
        pushed("trades-all", trade(tradeId="7x"), instId="A-B"),
        pushed("trades-all", trade(tradeId="9" * 19 + "9"), instId="A-B"),
        pushed("trades-all", {"instId": "A-B"}, instId="A-B"),
        pushed("trades-all", trade(ts=""), instId="A-B"),
        pushed("trades-all", trade(px=""), instId="A-B"),
        pushed("mark-price", {"instId": "A-B-SWAP", "markPx": "", "ts": "1"}),
        pushed("open-interest", {"instId": "A-B-SWAP", "oi": "", "ts": "1"}),
        pushed("opt-summary", {"instId": "A", "ts": "1", "deltaBS": "much"}),
        pushed("status", {"state": "ongoing", "ts": "1", "begin": "soon"}),
        pushed("adl-warning", {"instType": "SWAP", "bal": "NaN", "ccy": "USDT", "ts": "1"}),
        b'{"arg":{"channel":"status"}}',
        b'{"data":[]}',
        b'{"event":"astonishment"}',
    ],
)
def test_what_lacks_something_or_is_no_number_is_refused(payload: bytes) -> None:
    """Each with a reason."""
    with pytest.raises(InvalidDatum, match="okx: "):
        read(payload)


def test_fields_that_are_not_known_are_ignored_and_a_frame_may_begin_otherwise() -> None:
    """A frame with more fields, or with its argument behind its data, is the same event."""
    row = trade() | {"new": {"deep": [1]}}
    usual = pushed("trades-all", row, instId="BTC-USDT")
    other = orjson.dumps({"id": "1512", "data": [row], "arg": {"instId": "BTC-USDT", "channel": "trades-all", "connId": "x"}})
    assert read(usual) == read(other) == [DecodedEvent("trade", trades_of("BTC-USDT"))]


@examples(200)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**15), max_value=10**15))
def test_what_is_reckoned_is_rounded_to_the_nearest(number: Decimal) -> None:
    """No more than half a unit of the 18th decimal from what the venue wrote."""
    found = from_bytes(nearest(f"{number:f}")) * 10**12
    assert abs(found - int(number.scaleb(30, Context(prec=60)))) * 2 <= 10**12


@examples(100)
@given(st.text(max_size=60))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    """Nothing but InvalidDatum."""
    with suppress(InvalidDatum):
        assert isinstance(nearest(text), bytes)


@pytest.mark.parametrize("text", ["1e400000000", "1e-400000000", "-0", "0." + "0" * 150 + "1", "1" * 39, "Infinity", "1_0", " 1"])
def test_absurd_numbers_cost_nothing(text: str) -> None:
    """Exponents that no memory holds are refused or nothing, at once."""
    with suppress(InvalidDatum):
        assert from_bytes(nearest(text)) == 0


@examples(200)
@given(st.integers(1, 10**30), st.integers(1, 10**30), st.integers(1, 10**30))
def test_amounts_that_no_decimal_holds_are_null(price: int, size: int, held: int) -> None:
    """Whatever a contract holds: an amount is one of 38 digits, or none."""
    for unit in ("base", "quote"):
        found = amounts("A-B-SWAP", [str(held), unit], *(number.to_bytes(14, "big") for number in (price, size)))
        assert all(one is None or abs(from_bytes(one)) < 10**38 for one in found)


def test_frames_of_another_kind_need_a_request() -> None:
    """A reply is read by what was asked for."""
    with pytest.raises(InvalidDatum, match="nobody knows how to read"):
        list(SPOKEN.read(Frame("okx", "rest", "c", 1, 1, "reply", "GET /api/v5/else", b'{"code":"0","data":[]}'), Memory()))
