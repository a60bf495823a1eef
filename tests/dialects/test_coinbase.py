"""What Coinbase Advanced Trade pushes, by examples in the form of its documentation."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.coinbase.dialect import Coinbase
from dialects.coinbase.times import interval_seconds, microseconds, moment, second
from dialects.contract import DecodedEvent, Fields, PartlyInvalid, decoded_events
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

COINBASE = Coinbase()
SENT = "2026-10-02T09:00:00.600000207Z"
SENT_US = 1_790_931_600_600_000
"""2026-10-02T09:00:00.6Z, by hand: 20,728 days, nine hours and 0.6 seconds after 1970."""


def message(channel: str, *events: dict[str, Any], number: int = 3) -> bytes:
    """Return a message of a channel."""
    return orjson.dumps({"channel": channel, "client_id": "", "timestamp": SENT, "sequence_num": number, "events": events})


def events(payload: bytes, memory: Memory | None = None) -> list[DecodedEvent]:
    """Return the events of a pushed frame."""
    return list(COINBASE.read(frame("coinbase", payload), Memory() if memory is None else memory))


def read(payload: bytes) -> list[Fields]:
    """Return the fields of the events of a pushed frame."""
    return [fields for _, fields in events(payload)]


def trade(number: int | str = 9101, product: str = "BTC-USD", **changes: Any) -> dict[str, Any]:
    """Return one trade."""
    row = {"trade_id": str(number), "product_id": product, "price": "64250.20", "size": "0.0100", "side": "SELL"}
    return row | {"time": "2026-10-02T09:00:00.512345Z"} | changes


def update(side: str, price: str, size: str, time: str = "2026-10-02T09:00:00.5Z") -> dict[str, str]:
    """Return one level of a book."""
    return {"side": side, "event_time": time, "price_level": price, "new_quantity": size}


def book(*updates: dict[str, str], kind: str = "update", product: str = "BTC-USD") -> dict[str, Any]:
    """Return an event of a book."""
    return {"type": kind, "product_id": product, "updates": updates}


def test_a_trade_is_told_by_the_takers_side() -> None:
    """The venue's side is the maker's: SELL is a buy. The id counts; the time is the trade's own, cut to microseconds."""
    (made,) = read(message("market_trades", {"type": "update", "trades": [trade()]}))
    assert (made["symbol"], made["trade_id"], made["sequence"]) == ("BTC-USD", "9101", 9101)
    assert (made["side"], made["price"], made["size"]) == ("buy", encode("64250.2"), encode("0.01"))
    assert made["event_time"] == 1_790_931_600_512_345
    assert (made["size_unit"], made["replayed"]) == ("base", False)


@pytest.mark.parametrize(("maker", "taker"), [("BUY", "sell"), ("SELL", "buy"), ("UNKNOWN_ORDER_SIDE", "unknown"), ("", "unknown")])
def test_sides(maker: str, taker: str) -> None:
    """A side that the venue does not say is unknown, not a reason to lose the trade."""
    assert [made["side"] for made in read(message("market_trades", {"type": "update", "trades": [trade(side=maker)]}))] == [taker]


def test_history_is_marked_and_told_oldest_first() -> None:
    """The first message is history, the newest first: it is replayed, in the order of ids; what happens later is not."""
    history = {"type": "snapshot", "trades": [trade(12), trade(11), trade(10)]}
    made = read(message("market_trades", history, {"type": "update", "trades": [trade(13), trade(14)]}))
    assert [(one["sequence"], one["replayed"]) for one in made] == [(10, True), (11, True), (12, True), (13, False), (14, False)]


def test_each_product_has_its_own_ids() -> None:
    """Trades of several products in one message stay in the order in which they came, whatever ids the other products have."""
    rows = [trade(900), trade(5, "ETH-USD"), trade(901), trade(6, "ETH-USD")]
    made = read(message("market_trades", {"type": "update", "trades": rows}))
    assert [(one["symbol"], one["sequence"]) for one in made] == [("BTC-USD", 900), ("ETH-USD", 5), ("BTC-USD", 901), ("ETH-USD", 6)]


def test_a_trade_of_a_contract_counts_contracts_and_proves_no_sequence() -> None:
    """What a contract holds is not said on the socket, nor that its ids count: its size is in contracts, and nothing is derived."""
    rows = [trade("77", "BIT-30OCT26-CDE", size="3"), trade("3f1c-44", "BIP-20DEC30-CDE")]
    made = read(message("market_trades", {"type": "update", "trades": rows}))
    assert [(one["size_unit"], one["sequence"], one["trade_id"]) for one in made] == [
        ("contract", None, "77"),
        ("contract", None, "3f1c-44"),
    ]
    assert all("size_base" not in one for one in made)


@pytest.mark.parametrize("number", ["34b080bf-fcfd-445a-832b-46b5ddc65601", "", "-1", "٣", "9" * 19])
def test_an_id_that_is_no_number_counts_nothing(number: str) -> None:
    """Ids of the venue's own pages that are no numbers, and what is none of 63 bits, stay text."""
    (made,) = read(message("market_trades", {"type": "update", "trades": [trade(number)]}))
    assert (made["trade_id"], made["sequence"]) == (number, None)


def test_a_book() -> None:
    """Levels go to their sides in the order they come; a size of 0 removes; no update has an id, for the connection's counter has."""
    (made,) = read(message("l2_data", book(update("bid", "64250.1", "1.5"), update("offer", "64250.2", "0"), update("bid", "1", "2"))))
    assert (made["bid_prices"], made["bid_sizes"]) == ([encode("64250.1"), encode("1")], [encode("1.5"), encode("2")])
    assert (made["ask_prices"], made["ask_sizes"]) == ([encode("64250.2")], [encode("0")])
    assert (made["symbol"], made["is_snapshot"], made["depth"]) == ("BTC-USD", False, 0)
    assert made["event_time"] == 1_790_931_600_500_000
    assert not {"first_sequence", "last_sequence", "checksum"} & made.keys()


def test_the_time_of_a_book_is_the_engines_where_it_has_one() -> None:
    """A snapshot's levels are of 1970: its time is that of sending, as of an update that names no time of its own."""
    for kind in ("snapshot", "update"):
        assert read(message("l2_data", book(update("bid", "1", "1", "1970-01-01T00:00:00Z"), kind=kind)))[0]["event_time"] == SENT_US
    assert read(message("l2_data", book()))[0]["event_time"] == SENT_US


def test_a_message_may_hold_several_books() -> None:
    """Each event of a message is a change of its own, in order."""
    made = read(message("l2_data", book(update("bid", "1", "1"), kind="snapshot"), book(update("offer", "2", "1"), product="ETH-USD")))
    assert [(one["symbol"], one["is_snapshot"]) for one in made] == [("BTC-USD", True), ("ETH-USD", False)]


def test_a_snapshot_of_five_megabytes() -> None:
    """The whole of a busy book is one message: every level of it is there."""
    levels = [update("bid" if place % 2 else "offer", f"{place + 1}.25", "0.00000001") for place in range(40_000)]
    payload = message("l2_data", book(*levels, kind="snapshot"))
    assert len(payload) > 4_000_000
    (made,) = read(payload)
    assert (len(made["bid_prices"]), len(made["ask_sizes"])) == (20_000, 20_000)
    assert COINBASE.connection_sequence(payload) == 3


def test_a_quote() -> None:
    """A ticker's best bid and ask are a quote, at the time of sending; an empty side has neither price nor size."""
    sides = {"best_bid": "64250.1", "best_bid_quantity": "1.5", "best_ask": "64250.2", "best_ask_quantity": "0.25"}
    ticker = {"type": "ticker", "product_id": "BTC-USD", "price": "64250.2"} | sides
    empty = ticker | {"best_ask": "", "best_ask_quantity": ""}
    first, second_ = read(message("ticker", {"type": "update", "tickers": [ticker, empty]}))
    assert (first["bid_price"], first["bid_size"]) == (encode("64250.1"), encode("1.5"))
    assert (first["ask_price"], first["ask_size"], first["event_time"]) == (encode("64250.2"), encode("0.25"), SENT_US)
    assert (second_["bid_price"], second_["ask_price"], second_["ask_size"]) == (encode("64250.1"), None, None)


@pytest.mark.parametrize("level", [("0.00000000", "0.00000000"), ("1", "0"), ("1.5", "0.0"), ("1.5", "")])
def test_a_side_without_a_size_is_no_quote(level: tuple[str, str]) -> None:
    """A size of zero, or none, is no quote, whatever price stands beside it."""
    ticker = {"product_id": "BTC-USD", "best_bid": level[0], "best_bid_quantity": level[1], "best_ask": "2", "best_ask_quantity": "1"}
    (made,) = read(message("ticker", {"type": "update", "tickers": [ticker]}))
    assert (made["bid_price"], made["bid_size"], made["ask_price"]) == (None, None, encode("2"))


def test_candles() -> None:
    """A candle of five minutes is closed where the message was sent after its end; what it counts of a contract is not known."""
    row = {"start": "1790931600", "high": "5", "low": "1.5", "open": "2", "close": "4", "volume": "7.25", "product_id": "BTC-USD"}
    before = row | {"start": "1790931300"}
    contract = row | {"product_id": "BIP-20DEC30-CDE"}
    made = events(message("candles", {"type": "update", "candles": [row, before, contract]}))
    assert {one.event for one in made} == {"venue_candle"}
    first, second_, third = (one.fields for one in made)
    assert (first["interval"], first["open_time"], first["close_time"]) == ("5m", 1_790_931_600_000_000, 1_790_931_900_000_000)
    assert [first[name] for name in ("open", "high", "low", "close", "volume")] == [encode(text) for text in ("2", "5", "1.5", "4", "7.25")]
    assert (first["closed"], second_["closed"]) == (False, True)
    assert (first["volume_unit"], first["base_volume"]) == ("base", encode("7.25"))
    assert (third["volume_unit"], third["base_volume"]) == ("unknown", None)


def product(**changes: Any) -> dict[str, Any]:
    """Return a product of the status channel."""
    row = {"product_type": "SPOT", "id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "base_increment": "0.00000001"}
    return row | {"quote_increment": "0.01", "status": "online", "status_message": "", "min_market_funds": "1"} | changes


def test_a_status_is_told_once_and_anew_where_it_changes() -> None:
    """The list comes again and again: a product is told when it is new and when something of it has changed, its state when that has."""
    memory = Memory()
    first = events(message("status", {"type": "snapshot", "products": [product()]}), memory)
    assert [one.event for one in first] == ["instrument", "venue_status"]
    assert first[0].fields["tick_size"] == encode("0.01")
    assert (first[0].fields["price_scale"], first[0].fields["size_scale"], first[0].fields["canonical_name"]) == (2, 8, "BTC-USD")
    assert first[1].fields["state"] == "online"
    assert events(message("status", {"type": "update", "products": [product()]}), memory) == []
    finer = events(message("status", {"type": "update", "products": [product(quote_increment="0.001")]}), memory)
    assert [one.event for one in finer] == ["instrument"]
    away = events(message("status", {"type": "update", "products": [product(status="offline", status_message="Halted")]}), memory)
    assert [(one.event, one.fields.get("state"), one.fields.get("title")) for one in away][1:] == [("venue_status", "halted", "Halted")]
    assert away[0].fields["trading_status"] == "suspended"


def test_one_product_that_cannot_be_costs_no_other() -> None:
    """The others are told, and remembered."""
    memory = Memory()
    with pytest.raises(PartlyInvalid) as refused:
        events(message("status", {"type": "update", "products": [{"id": 7}, product()]}), memory)
    assert [one.event for one in refused.value.events] == ["instrument", "venue_status"]
    assert list(memory) == ["product|BTC-USD"]


@pytest.mark.parametrize("payload", [message("heartbeats", {"heartbeat_counter": 9}), message("subscriptions", {"subscriptions": {}})])
def test_what_is_silent_is_counted(payload: bytes) -> None:
    """Heartbeats and answers make no event, and have a number on the connection all the same."""
    assert read(payload) == []
    assert COINBASE.connection_sequence(payload) == 3


def test_an_error_is_no_event_and_has_no_number() -> None:
    """What the venue refuses is the feed's to hear."""
    payload = orjson.dumps({"type": "error", "message": "failed to subscribe", "reason": "X is not a valid product"})
    assert read(payload) == []
    assert COINBASE.connection_sequence(payload) is None


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (b'{"channel":"x","sequence_num":0,"events":[]}', 0),
        (b'{"events":[],"sequence_num" : 71 }', 71),
        (b'{"channel":"x","sequence_num":-1,"events":[]}', None),
        (b'{"channel":"x","sequence_num":"4","events":[]}', None),
        (b'{"channel":"x","sequence_num":4.5,"events":[]}', None),
        (b'{"channel":"x","sequence_num":' + b"9" * 5000 + b"}", None),
        (b'{"channel":"\\"sequence_num\\":5,","events":[]}', None),
        (b"", None),
    ],
)
def test_the_connections_counter(payload: bytes, number: int | None) -> None:
    """It is found wherever it stands, and only where it is a whole number."""
    assert COINBASE.connection_sequence(payload) == number


@pytest.mark.parametrize("field", ["trade_id", "product_id", "price", "size", "side", "time"])
def test_a_trade_without_a_field_is_refused(field: str) -> None:
    """What is missing is never made up; what is new is left."""
    row = {name: value for name, value in trade().items() if name != field}
    with pytest.raises(InvalidDatum, match=field):
        read(message("market_trades", {"type": "update", "trades": [row]}))
    assert len(read(message("market_trades", {"type": "update", "trades": [trade(new="x")], "more": 1}))) == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (message("l2_data", book(update("left", "1", "1"))), "Invalid enum value"),
        (message("l2_data", book(update("bid", "much", "1"))), "'much' is not a decimal number"),
        (message("l2_data", book(update("bid", "1", "1", "now"))), "is not a time"),
        (message("l2_data", book(kind="part")), "Invalid enum value"),
        (message("candles", {"type": "update", "candles": [{"start": "x"}]}), "missing required field"),
        (message("ticker_batch", {"type": "update", "tickers": []}), "unknown channel 'ticker_batch'"),
        (message("futures_balance_summary"), "unknown channel"),
        (b"{}", "unknown channel None"),
    ],
)
def test_what_cannot_be_is_refused(payload: bytes, reason: str) -> None:
    """Whatever is wrong, the reason says what."""
    with pytest.raises(InvalidDatum, match=reason):
        read(payload)


def test_another_order_of_keys_is_the_same() -> None:
    """A frame that does not begin with its channel, and one without `client_id`, are read alike."""
    usual = message("market_trades", {"type": "update", "trades": [trade()]})
    document = orjson.loads(usual)
    del document["client_id"]
    turned = orjson.dumps(dict(reversed(document.items())))
    assert COINBASE.shape(turned) is None
    assert read(turned) == read(usual)


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["bid", "offer"]), st.integers(1, 10**9), st.integers(0, 10**9)), max_size=8), max_size=5)
)
def test_blocks_and_single_frames_are_alike(found: list[list[tuple[str, int, int]]]) -> None:
    """Any books in any split over messages: the columns of all together are the events of each message."""
    payloads = [message("l2_data", book(*(update(side, f"{price}.5", f"{size}") for side, price, size in levels))) for levels in found]
    shape = COINBASE.shape(message("l2_data"))
    assert shape is not None
    rows = [row for payload in payloads for row in shape.decode(payload, Memory())]
    assert [fields for _, fields in decoded_events(shape, rows)] == [fields for payload in payloads for fields in read(payload)]


@given(st.integers(0, 4_102_444_799_999_999), st.integers(0, 999))
def test_times_are_exact(time: int, rest: int) -> None:
    """Any microsecond up to 2100, with any further digits, is read as itself; a time less by one is less."""
    seconds, micros = divmod(time, 1_000_000)
    text = f"1970-01-01T00:00:00.{micros:06d}{rest:03d}Z"
    assert microseconds(text) == micros
    assert second(str(seconds)) == seconds * 1_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-07T00:28:58.544778Z", 1_775_521_738_544_778),
        ("2026-04-07T00:28:59Z", 1_775_521_739_000_000),
        ("2026-04-07T00:28:59.5Z", 1_775_521_739_500_000),
        ("2019-08-14T20:42:27.265Z", 1_565_815_347_265_000),
    ],
)
def test_times_of_the_venues_own_pages(text: str, expected: int) -> None:
    """By a calendar, not by our code."""
    assert microseconds(text) == moment(text) == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2026-04-07", "2026-04-07T00:28:59", "2026-04-07T00:28:59+00:00", "2026-13-07T00:28:59Z", "2026-04-07T00:28:59.Ⅻ Z"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Only UTC, as it is documented."""
    with pytest.raises(InvalidDatum):
        microseconds(text)
    with pytest.raises(InvalidDatum):
        second(text or "x")


def test_spans() -> None:
    """A funding interval is seconds with an s; none is none, and anything else is refused."""
    assert [interval_seconds(text) for text in ("3600s", "", None)] == [3600, None, None]
    for text in ("3600", "1h", "0s", "-5s", "9999999999s"):
        with pytest.raises(InvalidDatum):
            interval_seconds(text)
