"""Binance's futures as the documentation writes their frames: what each becomes, in which market, and what is refused."""

from typing import Any

import orjson
import pytest

from dialects.binance_futures.dialect import BinanceCoinm, BinanceFutures, BinanceUsdm
from dialects.binance_futures.market import coins, dollars
from dialects.contract import DecodedEvent
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.decimals import LARGEST, encode, to_bytes
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

USDM, COINM = BinanceUsdm(), BinanceCoinm()
each_market = pytest.mark.parametrize("spoken", [USDM, COINM], ids=lambda one: one.venue)
TIME = 1_790_000_000_123


def read(spoken: BinanceFutures, data: Any, stream: str | None = None, memory: Memory | None = None) -> list[DecodedEvent]:
    """Return the events of a pushed event, in a combined frame where a stream is named."""
    payload = orjson.dumps(data if stream is None else {"stream": stream, "data": data})
    return list(spoken.read(frame(spoken.venue, payload), Memory() if memory is None else memory))


def trade(**changes: Any) -> dict[str, Any]:
    """Return an aggregate trade in the documented form."""
    said = {"e": "aggTrade", "E": TIME + 5, "a": 5933014, "s": "BTCUSDT", "p": "64250.10", "q": "0.120", "f": 100, "l": 105, "T": TIME}
    return said | {"m": True} | changes


def test_a_trade_is_the_takers() -> None:
    """The buyer was the maker, so the taker sold; the id is the aggregate's, the time that of the trade, and RPI's share is told."""
    (made,) = read(USDM, trade(nq="0.100", st=1), "btcusdt@aggTrade")
    assert made == DecodedEvent(
        "trade",
        {
            "symbol": "BTCUSDT",
            "event_time": TIME * 1000,
            "trade_id": "5933014",
            "sequence": 5933014,
            "price": encode("64250.10"),
            "size": encode("0.120"),
            "side": "sell",
            "trade_kind": "normal",
            "size_excluding_rpi": encode("0.1"),
            "replayed": False,
        },
    )
    (bought,) = read(USDM, trade(m=False), "btcusdt@aggTrade")
    assert (bought.fields["side"], bought.fields["size_excluding_rpi"]) == ("buy", None)


@pytest.mark.parametrize(("others", "kind"), [("0", "rpi"), ("0.000", "rpi"), ("0.001", "normal"), ("0.120", "normal")])
def test_a_trade_against_nothing_but_rpi_is_of_that_kind(others: str, kind: str) -> None:
    """Where no share was traded against what others see in the book, the whole trade was retail price improvement."""
    (made,) = read(USDM, trade(nq=others), "btcusdt@aggTrade")
    assert made.fields["trade_kind"] == kind


def test_contracts_of_coinm_are_dollars() -> None:
    """64 contracts of 100 dollars at 64000 are 6400 dollars, 0.1 bitcoin; of ether one is 10; of an unknown pair neither is known."""
    (bitcoin,) = read(COINM, trade(s="BTCUSD_PERP", p="64000", q="64"), "btcusd_perp@aggTrade")
    fields = bitcoin.fields
    assert (fields["size"], fields["size_unit"]) == (encode("64"), "contract")
    assert (fields["size_quote"], fields["size_base"]) == (encode("6400"), encode("0.1"))
    (ether,) = read(COINM, trade(s="ETHUSD_261225", p="2500", q="5"), "ethusd_261225@aggTrade")
    assert (ether.fields["size_quote"], ether.fields["size_base"]) == (encode("50"), encode("0.02"))
    (unknown,) = read(COINM, trade(s="NEWUSD_PERP", p="2.5", q="7"), "newusd_perp@aggTrade")
    assert (unknown.fields["size_quote"], unknown.fields["size_base"], unknown.fields["size_unit"]) == (None, None, "contract")


def test_amounts_that_do_not_fit_are_not_known() -> None:
    """More dollars than 38 digits hold, and coins at a price of zero, are null."""
    assert dollars("BTCUSD_PERP", to_bytes(LARGEST)) is None
    assert coins(encode("100"), encode("0")) is None
    assert coins(None, encode("1")) is None


def test_a_change_of_a_book_names_its_predecessor() -> None:
    """`pu` is the last id before; -1 names none. A size of zero stays, it deletes its level."""
    said = {"e": "depthUpdate", "E": TIME + 9, "T": TIME, "s": "BTCUSDT", "U": 157, "u": 160, "pu": 149, "b": [["0.0024", "10"]], "a": []}
    (made,) = read(USDM, said | {"ps": "BTCUSDT", "st": 1, "a": [["0.0026", "0"]]}, "btcusdt@depth@100ms")
    assert made == DecodedEvent(
        "book_delta",
        {
            "symbol": "BTCUSDT",
            "event_time": TIME * 1000,
            "bid_prices": [encode("0.0024")],
            "bid_sizes": [encode("10")],
            "ask_prices": [encode("0.0026")],
            "ask_sizes": [encode("0")],
            "is_snapshot": False,
            "depth": 0,
            "first_sequence": 157,
            "last_sequence": 160,
            "previous_sequence": 149,
        },
    )
    (first,) = read(USDM, said | {"pu": -1}, "btcusdt@depth")
    assert first.fields["previous_sequence"] is None


def test_a_quote_has_the_engines_time() -> None:
    """The best levels at an update id; a side without a size has no price."""
    said = {"e": "bookTicker", "u": 400900217, "E": TIME + 2, "T": TIME, "s": "BNBUSDT", "b": "25.35", "B": "31.21", "a": "0", "A": "0"}
    (made,) = read(USDM, said | {"st": 1, "ps": "BNBUSDT"}, "bnbusdt@bookTicker")
    assert made == DecodedEvent(
        "quote",
        {
            "symbol": "BNBUSDT",
            "event_time": TIME * 1000,
            "sequence": 400900217,
            "bid_price": encode("25.35"),
            "bid_size": encode("31.21"),
            "ask_price": None,
            "ask_size": None,
        },
    )


def order(**changes: Any) -> dict[str, Any]:
    """Return a liquidation in the documented form."""
    said = {"s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.190", "p": "82338.30", "ap": "82651.90", "X": "FILLED"}
    return {"e": "forceOrder", "E": TIME + 900, "o": said | {"l": "0.155", "z": "0.190", "T": TIME} | changes}


def test_a_liquidation_is_sampled_and_its_side_the_orders() -> None:
    """A selling order closes a long; price and size are of all its fills, not of the limit or the last fill."""
    (made,) = read(USDM, order(st=1, ps="BTCUSDT"), "btcusdt@forceOrder")
    assert made == DecodedEvent(
        "liquidation",
        {
            "symbol": "BTCUSDT",
            "event_time": TIME * 1000,
            "liquidated_side": "long",
            "order_side": "sell",
            "price": encode("82651.90"),
            "price_kind": "average_fill",
            "size_native": encode("0.190"),
            "completeness": "sampled",
            "source": "order_stream",
            "size_base": encode("0.190"),
        },
    )
    (short,) = read(COINM, order(s="BTCUSD_PERP", S="BUY", ap="64000", z="64"), "btcusd_perp@forceOrder")
    assert (short.fields["liquidated_side"], short.fields["order_side"]) == ("short", "buy")
    assert (short.fields["size_base"], short.fields["size_quote"]) == (encode("0.1"), encode("6400"))
    (odd,) = read(USDM, order(S="NONE"), "btcusdt@forceOrder")
    assert (odd.fields["liquidated_side"], odd.fields["order_side"]) == ("unknown", "unknown")


def mark(**changes: Any) -> dict[str, Any]:
    """Return a mark price in the documented form."""
    said = {"e": "markPriceUpdate", "E": TIME, "s": "BTCUSDT", "p": "64991.37", "ap": "64991.40", "P": "64980.01", "i": "65016.05"}
    return said | {"r": "0.00003936", "T": 1_790_006_400_000, "st": 1} | changes


def test_a_mark_price_and_the_rate_it_predicts() -> None:
    """A perpetual has a mark, an average, an index and a rate that may still change, charged at the time named; no settlement."""
    price, rate = read(USDM, mark(), "btcusdt@markPrice@1s")
    assert price == DecodedEvent(
        "mark_price",
        {
            "symbol": "BTCUSDT",
            "event_time": TIME * 1000,
            "mark_price": encode("64991.37"),
            "mark_price_average": encode("64991.40"),
            "index_price": encode("65016.05"),
            "estimated_settlement_price": None,
        },
    )
    assert rate == DecodedEvent(
        "funding_rate",
        {
            "symbol": "BTCUSDT",
            "event_time": TIME * 1000,
            "rate": encode("0.00003936"),
            "rate_kind": "predicted",
            "settles_at": 1_790_006_400_000_000,
            "interest_rate": None,
            "model": "discrete",
            "raw_field": "r",
        },
    )


def test_a_rate_is_told_when_it_changes() -> None:
    """The venue repeats it each second: the rate or its time must be new. Another symbol's is another."""
    memory = Memory()
    told = [
        [one.event for one in read(USDM, mark(**changes), "x@markPrice@1s", memory)]
        for changes in ({}, {"p": "64991.38"}, {"r": "0.00003937"}, {"r": "0.00003937", "T": 1_790_035_200_000}, {"s": "ETHUSDT"})
    ]
    both = ["mark_price", "funding_rate"]
    assert told == [both, ["mark_price"], both, ["mark_price", "funding_rate"], both]


@pytest.mark.parametrize(("spoken", "symbol"), [(USDM, "BTCUSDT_261225"), (COINM, "BTCUSD_261225")])
def test_what_is_delivered_has_a_settlement_and_no_rate(spoken: BinanceFutures, symbol: str) -> None:
    """A future's rate is empty and its time 0: no event; its estimated settlement price is told."""
    (price,) = read(spoken, mark(s=symbol, r="", T=0, st=spoken.market.code), f"{symbol.lower()}@markPrice@1s")
    assert price.fields["estimated_settlement_price"] == encode("64980.01")


def test_a_mark_price_of_before_the_merger() -> None:
    """COIN-M's frames of 2021 have no index and no average: these are not said."""
    said = {
        "e": "markPriceUpdate",
        "E": TIME,
        "s": "BTCUSD_PERP",
        "p": "59012.56",
        "P": "58896.00",
        "r": "0.00073689",
        "T": 1_790_006_400_000,
    }
    price, rate = read(COINM, said, "btcusd_perp@markPrice")
    assert (price.fields["index_price"], price.fields["mark_price_average"]) == (None, None)
    assert rate.fields["rate"] == encode("0.00073689")


def test_an_index_is_of_its_pair() -> None:
    """The index of a pair has the pair as its symbol and its name."""
    (made,) = read(COINM, {"e": "indexPriceUpdate", "E": TIME, "i": "BTCUSD", "p": "9636.57"}, "btcusd@indexPrice@1s")
    assert made.fields == {"symbol": "BTCUSD", "event_time": TIME * 1000, "index_price": encode("9636.57"), "index_name": "BTCUSD"}


def contract(**changes: Any) -> dict[str, Any]:
    """Return what is said of a contract, in the documented form."""
    said = {"e": "contractInfo", "E": TIME, "s": "IOTAUSDT", "ps": "IOTAUSDT", "ct": "PERPETUAL", "dt": 4_133_404_800_000}
    return said | {"ot": 1_569_398_400_000, "cs": "TRADING", "st": 1, "bks": [{"bs": 1, "bnf": 0, "mmr": 0.01}]} | changes


def test_a_contracts_state_is_told_when_it_changes() -> None:
    """What trades is online since it was listed, and for ever; a change of brackets tells nothing; a delivery halts it."""
    memory = Memory()
    (made,) = read(USDM, contract(), "!contractInfo", memory)
    assert made == DecodedEvent(
        "venue_status",
        {
            "symbol": "IOTAUSDT",
            "event_time": TIME * 1000,
            "scope": "symbol",
            "state": "online",
            "begins_at": 1_569_398_400_000_000,
            "ends_at": None,
            "title": "TRADING",
        },
    )
    assert read(USDM, contract(bks=[]), "!contractInfo", memory) == []
    (halted,) = read(USDM, contract(cs="SETTLING", dt=1_790_323_200_000), "!contractInfo", memory)
    assert (halted.fields["state"], halted.fields["ends_at"]) == ("halted", 1_790_323_200_000_000)
    (odd,) = read(USDM, contract(cs="SLEEPING"), "!contractInfo", memory)
    assert odd.fields["state"] == "unknown"


def of_each_kind(code: int) -> list[tuple[str, dict[str, Any]]]:
    """Return a frame of each kind that says it is of a market."""
    depth = {"e": "depthUpdate", "E": TIME, "T": TIME, "s": "X", "U": 1, "u": 2, "pu": 0, "b": [], "a": []}
    quote = {"e": "bookTicker", "u": 1, "E": TIME, "T": TIME, "s": "X", "b": "1", "B": "1", "a": "2", "A": "1"}
    return [
        ("x@aggTrade", trade(s="X", st=code)),
        ("x@depth@100ms", depth | {"st": code}),
        ("x@bookTicker", quote | {"st": code}),
        ("x@forceOrder", order(s="X", st=code)),
        ("x@markPrice@1s", mark(s="X", st=code)),
        ("!contractInfo", contract(s="X", st=code)),
    ]


@each_market
def test_a_frame_is_of_the_market_it_names(spoken: BinanceFutures) -> None:
    """Whichever address it came on: those of the other market make no event, those of this one do, in any form of frame."""
    for stream, data in of_each_kind(spoken.market.code):
        assert read(spoken, data, stream)
        assert read(spoken, data)
    for stream, data in of_each_kind(3 - spoken.market.code):
        assert read(spoken, data, stream) == read(spoken, data) == []
    for stream, data in of_each_kind(7):
        with pytest.raises(InvalidDatum, match="st 7 is neither USD-M"):
            read(spoken, data, stream)


@each_market
def test_streams_of_all_symbols_are_read_one_by_one(spoken: BinanceFutures) -> None:
    """Of an array of both markets' events those of this one become events, in order."""
    code = spoken.market.code
    made = read(spoken, [mark(s="A", st=code), mark(s="B", st=3 - code), mark(s="C", st=code)], "!markPrice@arr@1s")
    assert [(one.event, one.fields["symbol"]) for one in made] == [
        (event, symbol) for symbol in "AC" for event in ("mark_price", "funding_rate")
    ]
    (one,) = read(spoken, order(st=code), "!forceOrder@arr")
    assert one.event == "liquidation"


@pytest.mark.parametrize("name", ["depth5", "depth20@100ms", "depth10@500ms"])
def test_the_best_levels_of_a_book_are_not_its_changes(name: str) -> None:
    """They look alike, and would break the book: the stream's name tells them, and they are refused."""
    said = {"e": "depthUpdate", "E": TIME, "T": TIME, "s": "BTCUSDT", "U": 1, "u": 2, "pu": 0, "b": [], "a": []}
    assert USDM.shape(orjson.dumps({"stream": f"btcusdt@{name}", "data": said})) is None
    with pytest.raises(InvalidDatum, match="best levels of a book"):
        read(USDM, said, f"btcusdt@{name}")


@pytest.mark.parametrize(
    "data",
    [
        {key: value for key, value in trade().items() if key != "T"},
        trade(p=64250.1),
        trade(p="much"),
        trade(a=-1),
        trade(a=2**63),
        trade(T=2**63),
        trade(q="1e-19"),
        trade(st="1"),
        {"e": "trade", "E": TIME, "s": "BTCUSDT", "t": 1, "p": "1", "q": "1", "T": TIME, "m": True, "X": "MARKET"},
        {"e": "24hrTicker", "E": TIME, "s": "BTCUSDT"},
        {"e": ["aggTrade"]},
        {"e": None},
        [1],
        "aggTrade",
        {},
    ],
)
def test_what_lacks_something_or_is_unknown_is_refused(data: Any) -> None:
    """A missing field, a number that is none or is no text, a raw trade, a ticker, nothing at all: a reason, and no event."""
    for stream in ("btcusdt@aggTrade", None):
        with pytest.raises(InvalidDatum, match="binance_usdm"):
            read(USDM, data, stream)


def test_a_shape_is_of_a_combined_frame_alone() -> None:
    """The stream's name chooses it; what is only like one is read by `read`."""
    assert USDM.shape(b'{"stream":"btcusdt@aggTrade","data":{}}') is not None
    assert USDM.shape(b'{"stream":"btcusdt@markPrice@1s","data":{}}') is None
    assert USDM.shape(b'{"e":"aggTrade","s":"x@aggTrade"}') is None
    assert USDM.shape(b'{ "stream":"btcusdt@aggTrade"}') is None


def test_what_is_answered_is_no_event() -> None:
    """Confirmations, refusals and the announcement of an end are nobody's data."""
    for said in (
        {"result": None, "id": 1},
        {"error": {"code": 2, "msg": "no"}, "id": 1},
        {"code": 3, "msg": "no"},
        {"e": "serverShutdown"},
    ):
        assert read(USDM, said) == []


@pytest.mark.parametrize(
    ("spoken", "channel", "address"),
    [
        (USDM, "book", "wss://fstream.binance.com/public/stream"),
        (USDM, "quote", "wss://fstream.binance.com/public/stream"),
        (USDM, "trade", "wss://fstream.binance.com/market/stream"),
        (USDM, "mark_price", "wss://fstream.binance.com/market/stream"),
        (USDM, "liquidation", "wss://fstream.binance.com/market/stream"),
        (USDM, "contract_info", "wss://fstream.binance.com/market/stream"),
        (COINM, "book", "wss://dstream.binance.com/stream"),
        (COINM, "trade", "wss://dstream.binance.com/stream"),
    ],
)
def test_each_channel_has_its_address(spoken: BinanceFutures, channel: str, address: str) -> None:
    """USD-M has a route for books and quotes and one for all else; COIN-M has none."""
    assert spoken.url(spoken.production, [Stream(channel, "X")]) == address
